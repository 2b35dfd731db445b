"""One spelling for every value, so that equal things have equal hashes.

Canonical JSON here is: keys sorted, no spaces, UTF-8, no NaN or infinity, floats in Python's shortest
round-trip form. Content hashes are SHA-256; identifiers are BLAKE2b-128.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

__all__ = ["canonical_json", "content_hash", "identifier", "identifier_of"]

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a value made of dicts, lists, strings, numbers, booleans and None.

    >>> canonical_json({"b": 1.0, "a": [None, "é"]})
    '{"a":[null,"é"],"b":1.0}'
    """
    return _ENCODER.encode(value)


def content_hash(data: bytes) -> str:
    """Return the SHA-256 of `data`, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def identifier(*parts: Any) -> str:
    """Return a 128-bit identifier, 32 hexadecimal digits, of the canonical JSON of `parts`."""
    return identifier_of(canonical_json(parts)[1:-1])


def identifier_of(*texts: str) -> str:
    """Return the `identifier` of parts whose canonical JSON is known: `texts`, of one part or several.

    >>> identifier_of('"a"', canonical_json({"b": 1})) == identifier("a", {"b": 1})
    True
    """
    text = f"[{','.join(texts)}]".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()
