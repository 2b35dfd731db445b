"""Whether a finished part is still what was finished, before a later run builds on it.

A part is renamed when it is whole, which outlives a killed process; a power cut, a bad disk or a hand may
change it afterwards. Its tables are sealed by a hash, and its pictures are checked against the hashes in
their rows; a part that does not hold is made again. So is one that lacks pictures which may be had by now.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facedata.datasets.canonical import content_hash
from facedata.datasets.errors import DatasetError
from facedata.datasets.seal import sealed
from facedata.datasets.shard import PART_FILES, PART_NAME, PART_ROWS
from facedata.datasets.storage import checked_name

__all__ = ["remove_damaged"]

_PASSING = {"missing", "unreadable", "changed", "killed-worker"}
"""Kinds of failures that may be mended by the time a run is gone on with: such a part is made again."""
_AT_ONCE = 4  # parts: reading and hashing leave Python's lock alone
_BATCH = 1024


def remove_damaged(parts: Sequence[Path], tree: Path | None) -> list[Path]:
    """Remove those of `parts` that do not hold, and return them; their pictures may lie in `tree` already.

    Without a tree they lie on object storage, which took each of them whole: they are not looked at.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        sound = pool.map(partial(_sound, tree=tree), parts)
        damaged = [part for part, holds in zip(parts, sound, strict=True) if not holds]
    for part in damaged:
        shutil.rmtree(part)
    return damaged


def _sound(part: Path, tree: Path | None) -> bool:
    if not sealed(part, PART_FILES):
        return False
    summary = json.loads((part / PART_NAME).read_text("utf-8"))
    if any(failure["kind"] in _PASSING for failure in summary["failures"]):
        return False
    if tree is None:
        return True
    try:
        shards: dict[str, list[str]] = {}
        for reference, expected in _pictures(part):
            name, _, row = reference.partition("#")
            if not row or name not in shards:  # of a shard, once: paths take longer than its pictures do
                place = part / checked_name(name)
                place = place if place.exists() else tree / name
                if not row:
                    if content_hash(place.read_bytes()) != expected:
                        return False
                    continue
                shards[name] = _hashes(place)
            if shards[name][int(row)] != expected:
                return False
    except (OSError, IndexError, DatasetError, pa.ArrowException):
        return False
    return True


def _pictures(part: Path) -> Iterator[tuple[str, str]]:
    """Yield reference and content hash of each picture and layer of a part."""
    with pq.ParquetFile(part / PART_ROWS, pre_buffer=False) as file:
        columns = ["image", "content_hash", "layers"]
        for batch in file.iter_batches(_BATCH, columns=columns, use_threads=False):
            for row in batch.to_pylist():
                yield row["image"], row["content_hash"]
                for layer in row["layers"] or ():
                    yield layer["ref"], layer["content_hash"]


def _hashes(shard: Path) -> list[str]:
    """Return the hashes of a shard's pictures, in order, of their bytes."""
    found: list[str] = []
    with pq.ParquetFile(shard, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            rows: list[Any] = file.read_row_group(group, columns=["bytes"])["bytes"].to_pylist()
            found += map(content_hash, rows)
    return found
