"""Inputs that are nearly right: real ones with a few things changed, by the form that they have.

A mutator draws from the `random.Random` it is given and from nothing else, so a number says which input.
"""

from __future__ import annotations

import io
import json
import random
import re
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["FORMS", "mutated"]

WORDS = (
    *("", "0", "-1", "1e999", "NaN", "Infinity", "9" * 30, "1" + "0" * 5000, "null", "true", "[]", "{}", '"'),
    *("../../outside/secret.jpg", "/etc/hostname", "..", ".", "/", "\\", "a/../../b", "CON", "~", "$HOME"),
    *("{{ 7 * 7 }}", "{% for a in range(9**9) %}", "{{ ''.__class__.__mro__ }}", "'; DROP TABLE rows --"),
    *(
        "<script>alert(1)</script>",
        "](javascript:alert(1))",
        "![](http://x/y)",
        "\x1b[31m",
        "\u202e",
        "\ufeff",
    ),
    *(
        "\ud7ff",
        "\u0130",
        "\u0000",
        "\\ud800",
        "\r",
        "\n",
        "\t",
        ",",
        ";",
        ":",
        "|",
        "#",
        "%s%n",
        "{0}",
        "=1+1",
    ),
    *(
        "&a [*a]",
        "*a",
        "!!python/object/apply:os.system [x]",
        "!!binary x",
        "2001-99-99",
        "? [a]: b",
        "<<: *a",
    ),
    *(
        "__class__",
        "__import__('os').system('x')",
        "lambda: 0",
        "[" * 3000,
        "(" * 300,
        "a" * 5000,
        "((a+)+)+$",
    ),
    *(
        "live",
        "spoof",
        "print/paper",
        "train",
        "1:2",
        "AU12",
        "0x1F",
        "1_000",
        "٣",
        "½",
        "²",
        "1e-400",
        "-0.0",
    ),
)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 10**30, 2**31, 2**63, 1.5, 1e308, -1e-320, "", "x", "\ud800", "\0", "../x", [], {}),
    *([[]], [None], {"": None}, {"a": {"a": [1]}}, "a" * 5000, ["a"] * 50, [0] * 4, "<b>", "\x1b[1m", "1"),
)


def mutated(draws: random.Random, data: bytes, form: str, others: tuple[bytes, ...] = ()) -> bytes:
    """Return `data`, of a form of FORMS, with a few things changed; `others` lend parts."""
    for _ in range(draws.choice((1, 1, 1, 2, 2, 3, 5))):
        change = draws.choice(FORMS[form])
        data = change(draws, data, others)
    return data


def _bytes(draws: random.Random, data: bytes, others: tuple[bytes, ...]) -> bytes:
    held = bytearray(data)
    at = draws.randrange(len(held) + 1)
    match draws.randrange(7):
        case 0 if held:
            held[at - 1] ^= 1 << draws.randrange(8)
        case 1 if held:
            held[at - 1] = draws.choice((0, 1, 0x7F, 0x80, 0xFF))
        case 2:
            del held[at : at + draws.randint(1, 24)]
        case 3:
            held[at:at] = held[max(0, at - draws.randint(1, 60)) : at]
        case 4:
            held[at:at] = draws.randbytes(draws.randint(1, 8))
        case 5:
            size = draws.choice((1, 2, 4, 8))
            number = draws.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)) % 256**size
            held[at : at + size] = number.to_bytes(size, draws.choice(("little", "big")))
        case _ if others:
            other = draws.choice(others)
            start = draws.randrange(len(other) + 1)
            held[at:at] = other[start : start + draws.randint(1, 200)]
    return bytes(held)


def _cut(draws: random.Random, data: bytes, others: tuple[bytes, ...]) -> bytes:
    del others
    return data[: draws.randrange(len(data) + 1)]


def _tokens(draws: random.Random, data: bytes, others: tuple[bytes, ...]) -> bytes:
    """Change words, numbers and signs as wholes."""
    parts = re.findall(r"\w+|\s+|.", data.decode("utf-8", "surrogateescape"), re.DOTALL) or [""]
    at = draws.randrange(len(parts))
    match draws.randrange(6):
        case 0:
            parts[at] = draws.choice(WORDS)
        case 1:
            parts.insert(at, draws.choice(WORDS))
        case 2:
            del parts[at : at + draws.randint(1, 4)]
        case 3:
            parts[at] *= draws.choice((2, 3, 200))
        case 4:
            other = draws.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
        case _ if others:
            words = re.findall(
                r"\w+|\s+|.", draws.choice(others).decode("utf-8", "replace")[:5000], re.DOTALL
            )
            parts[at] = draws.choice(words or [""])
    return "".join(parts).encode("utf-8", "surrogateescape" if _escaped(parts) else "replace")


def _escaped(parts: list[str]) -> bool:
    return all(not 0xD800 <= ord(one) < 0xDC80 and not 0xDCFF < ord(one) < 0xE000 for p in parts for one in p)


def _lines(draws: random.Random, data: bytes, others: tuple[bytes, ...]) -> bytes:
    """Take lines away, double them, or put them elsewhere."""
    del others
    lines = data.splitlines(keepends=True) or [b""]
    at, other = draws.randrange(len(lines)), draws.randrange(len(lines))
    match draws.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            lines[at] = (
                lines[at].replace(b"\r", b"").replace(b"\n", draws.choice((b"\r\n", b"\r", b"", b"\n\n")))
            )
    return b"".join(lines)


def _json(draws: random.Random, data: bytes, others: tuple[bytes, ...]) -> bytes:
    """Put another value in some place of JSON (of one line, where it is lines)."""
    lines = data.splitlines()
    at = draws.randrange(len(lines)) if len(lines) > 1 and data.startswith(b"{") and b"}\n{" in data else None
    try:
        found = json.loads(data if at is None else lines[at])
    except (ValueError, RecursionError):
        return _tokens(draws, data, others)
    places: list[tuple[Any, Any]] = []
    waiting = [found]
    while waiting:
        one = waiting.pop()
        for key, value in (
            one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        ):
            places.append((one, key))
            waiting.append(value)
    if not places:
        return json.dumps(draws.choice(VALUES)).encode()
    held, key = draws.choice(places)
    match draws.randrange(4):
        case 0:
            del held[key]
        case 1 if isinstance(held, dict):
            held[draws.choice(WORDS)] = held.pop(key)
        case _:
            held[key] = draws.choice((*VALUES, [held[key]], {"a": held[key]}, str(held[key])))
    text = json.dumps(found, allow_nan=draws.random() < 0.9).encode()
    if at is None:
        return text
    lines[at] = text
    return b"\n".join(lines) + b"\n"


def _footer(draws: random.Random, data: bytes, others: tuple[bytes, ...]) -> bytes:
    """Change what a Parquet file says of itself, and keep its length true."""
    size = int.from_bytes(data[-8:-4], "little")
    if data[-4:] != b"PAR1" or not 8 <= size <= len(data) - 12:
        return _bytes(draws, data, others)
    foot = _bytes(draws, data[-8 - size : -8], others)
    return data[: -8 - size] + foot + len(foot).to_bytes(4, "little") + b"PAR1"


def _rewritten(draws: random.Random, data: bytes, others: tuple[bytes, ...]) -> bytes:
    """Write a Parquet file anew with a column that is of another type, or holds another value."""
    try:
        with pq.ParquetFile(io.BytesIO(data)) as file:
            if file.metadata.num_rows > 1000 or sum(
                file.metadata.row_group(n).total_byte_size for n in range(file.num_row_groups)
            ) > (4 << 20):
                return data
            table = file.read(use_threads=False)
        place = draws.randrange(table.num_columns)
        name, column = table.column_names[place], table.column(place)
        match draws.randrange(7):
            case 0:
                values = column.to_pylist()
                if values:
                    values[draws.randrange(len(values))] = draws.choice((*WORDS, *VALUES))
                table = table.set_column(place, name, pa.array(values, column.type))
            case 1:
                value = draws.choice((*WORDS, *VALUES))
                table = table.set_column(place, name, pa.array([value] * len(table)))
            case 2:
                table = table.drop_columns([name])
            case 3:
                table = table.append_column(draws.choice((name, "x", "")), column)
            case 4:
                table = table.take([draws.randrange(len(table)) for _ in range(draws.randint(0, 9))])
            case 5:
                kind = draws.choice((pa.large_string(), pa.int64(), pa.float32(), pa.binary(), pa.null()))
                table = table.set_column(place, name, column.cast(kind, safe=False))
            case _:
                table = table.set_column(place, name, column.combine_chunks().dictionary_encode())
        file = io.BytesIO()
        packing = draws.choice(("none", "snappy", "zstd", "gzip"))
        pq.write_table(table, file, compression=packing, use_dictionary=draws.random() < 0.5)
        return file.getvalue()
    except (
        pa.ArrowException,
        ValueError,
        TypeError,
        OverflowError,
        OSError,
        MemoryError,
        UnicodeError,
        LookupError,
    ):
        return _footer(draws, data, others)


FORMS = {
    "text": (_tokens, _tokens, _lines, _bytes, _cut),
    "json": (_json, _json, _json, _tokens, _bytes),
    "yaml": (_tokens, _tokens, _tokens, _lines, _bytes),
    "words": (_tokens,),
    "bytes": (_bytes, _bytes, _bytes, _cut),
    "parquet": (_footer, _footer, _rewritten, _rewritten, _bytes),
}
"""By form, the changes that are drawn from."""
