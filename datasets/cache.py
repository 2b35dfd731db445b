"""Pictures that were made once, kept by what they were made from.

The key covers the parent's content, the operators with their versions, the parameters and the encoding, so a
changed policy never meets a stale picture. An entry starts with the hash of its bytes: one that was damaged
is not used.
"""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

from facedata.datasets.canonical import identifier
from facedata.datasets.sample import Sample
from facedata.datasets.task import Planned

__all__ = ["Cache", "cache_key"]

_DIGEST = hashlib.sha256().digest_size


def cache_key(parent: Sample, planned: Planned) -> str:
    """Return the key of a planned sample's picture."""
    return identifier("cache", parent.content_hash, planned.key())


class Cache:
    """A folder of entries, safe for many writers: each is written under a temporary name and renamed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, key: str) -> bytes | None:
        """Return the entry's bytes, or None where there is none or it is damaged."""
        try:
            entry = self._path(key).read_bytes()
        except OSError:
            return None
        data = entry[_DIGEST:]
        return data if hashlib.sha256(data).digest() == entry[:_DIGEST] else None

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`."""
        path = self._path(key)
        temporary = path.with_name(f".{key}.{uuid.uuid4().hex}")
        try:
            file = temporary.open("wb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = temporary.open("wb")
        with file:
            file.write(hashlib.sha256(data).digest() + data)
        temporary.replace(path)

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / key
