"""From finished parts to a dataset: rows sorted and hashed, pictures in place, record, card and sheet."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facedata.datasets.buckets import Buckets
from facedata.datasets.dataset import SAMPLES_NAME
from facedata.datasets.record import Counts, Failure, Tally
from facedata.datasets.sample import SCHEMA
from facedata.datasets.shard import PART_NAME, PART_ROWS
from facedata.datasets.storage import PICTURE_FOLDERS

__all__ = ["Assembled", "VersionHash", "assemble"]

_SORT_ROWS = 16_384  # rows sorted in memory at once
_BITS = 8  # of an id, by which rows are told apart in one pass over them
_BATCH = 1024


class VersionHash:
    """The version id: a SHA-256 over the row hashes in the order of the sample ids."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256(b"facedata dataset 1")

    def add(self, row_hash: str) -> None:
        """Add the next row's hash."""
        self._digest.update(bytes.fromhex(row_hash))

    def add_digests(self, digests: pa.FixedSizeBinaryArray) -> None:
        """Add the hashes of the next rows, as `row_digests` gives them."""
        self._digest.update(b"".join(digests.to_pylist()))

    def result(self) -> str:
        """Return 32 hexadecimal digits."""
        return self._digest.hexdigest()[:32]


@dataclass
class Assembled:
    """What the parts came to."""

    version: str = ""
    counts: Counts = field(default_factory=Counts)
    failures: list[Failure] = field(default_factory=list)
    made: int = 0
    cached: int = 0
    left_out: int = 0


def assemble(parts: Iterable[Path], root: Path) -> Assembled:
    """Move the pictures of `parts` into `root` and write its samples.parquet.

    It may be interrupted at any point and called again: files that were moved already stay where they are.
    """
    parts = sorted(parts)
    result = Assembled()
    for part in parts:
        summary = json.loads((part / PART_NAME).read_text("utf-8"))
        result.made += summary["made"]
        result.cached += summary["cached"]
        result.left_out += summary["left_out"]
        result.failures += [Failure.model_validate(failure) for failure in summary["failures"]]
        _move_files(part, root)
    _write_rows(parts, root, result)
    result.failures.sort(key=lambda failure: (failure.place, failure.kind))
    return result


def _move_files(part: Path, root: Path) -> None:
    for kind in PICTURE_FOLDERS:
        for folder, _, files in os.walk(part / kind):
            target = root / Path(folder).relative_to(part)
            target.mkdir(parents=True, exist_ok=True)
            for file in files:
                os.replace(os.path.join(folder, file), os.path.join(target, file))  # noqa: PTH105,PTH118 - hot


def _write_rows(parts: list[Path], root: Path, result: Assembled) -> None:
    version, tally, last = VersionHash(), Tally(root), ""
    temporary = root / f".{SAMPLES_NAME}.tmp"
    with pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as file:
        for table in _sorted_rows(parts, root):
            ids = table["sample_id"].to_pylist()
            first = [one != before for one, before in zip(ids, [last, *ids], strict=False)]
            last = ids[-1]
            if not all(first):
                for row in table.filter(pa.array([not one for one in first])).to_pylist():
                    reason = f"two samples have the id {row['sample_id']}; the second is left out"
                    result.failures.append(Failure(place=row["image"], kind="duplicate-id", reason=reason))
                table = table.filter(pa.array(first))
            for row_hash in table["row_hash"].to_pylist():
                version.add(row_hash)
            tally.add_table(table)
            file.write_table(table.select(SCHEMA.names).cast(SCHEMA))
    temporary.replace(root / SAMPLES_NAME)
    result.version = version.result()
    result.counts = tally.counts()


def _sorted_rows(parts: list[Path], root: Path) -> Iterator[pa.Table]:
    """Yield the rows of all parts in the order of their ids, in tables of bounded size.

    Ids are hashes, so they spread evenly: their leading bits cut the rows into ranges, each small enough to
    be sorted in memory. Every part is read once; what a range holds waits on disk, under `root`.
    """
    total = sum(pq.read_metadata(part / PART_ROWS).num_rows for part in parts)
    bits = max(0, -(-total // _SORT_ROWS) - 1).bit_length()
    for rows in _ranges(map(_read_part, parts), 0, bits, root):
        ordered = rows.sort_by("sample_id")
        for start in range(0, ordered.num_rows, _BATCH):
            yield ordered.slice(start, _BATCH)
        del rows, ordered
        pa.default_memory_pool().release_unused()  # Arrow's allocator keeps what was freed


def _ranges(tables: Iterable[pa.Table], start: int, stop: int, root: Path) -> Iterator[pa.Table]:
    """Yield the rows of each range of ids: those that agree in the bits from `start` to `stop`."""
    if start == stop:
        if found := [table for table in tables if table.num_rows]:
            yield pa.concat_tables(found).combine_chunks()
        return
    then = min(start + _BITS, stop)
    with Buckets(1 << then - start, root) as buckets:
        for table in tables:
            buckets.add(table, _bits(table["sample_id"], start, then))
        for number in range(len(buckets)):
            yield from _ranges(buckets.read(number), then, stop, root)
            buckets.drop(number)


def _bits(ids: pa.ChunkedArray, start: int, stop: int) -> NDArray[np.int64]:
    """Return some of the leading 60 bits of hexadecimal ids."""
    tops = (int(text, 16) for text in pc.utf8_slice_codeunits(ids, 0, 15).to_pylist())
    numbers = np.fromiter(tops, np.int64, len(ids))
    return numbers >> (60 - stop) & ((1 << stop - start) - 1)


def _read_part(part: Path) -> pa.Table:
    with pq.ParquetFile(part / PART_ROWS) as file:
        return file.read(use_threads=False)  # threads would each keep buffers of their own
