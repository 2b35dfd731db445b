"""Instruction records, carried along with their samples from the datasets they lie in to a new one."""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facedata.datasets.dataset import SAMPLES_NAME
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import INSTRUCTIONS_NAME, SCHEMA, Record, rows_to_table
from facedata.datasets.parquet import read_table

__all__ = ["Carried", "InstructionsHash", "Places", "samples_with_records", "write_records"]

_GROUP = 1024  # records written at once


class InstructionsHash:
    """The version id of a dataset with instructions.

    A SHA-256 over the version id that its rows alone have, then over the record hashes in the order of the
    record ids; its first 32 hexadecimal digits. Without records the version stays that of the rows.
    """

    def __init__(self, rows_version: str) -> None:
        self._rows_version = rows_version
        self._digest = hashlib.sha256(b"facedata instructions 1" + bytes.fromhex(rows_version))
        self._any = False

    def add(self, record_hash: str) -> None:
        """Add the hash of the next record."""
        self._any = True
        self._digest.update(bytes.fromhex(record_hash))

    def result(self) -> str:
        """Return 32 hexadecimal digits."""
        return self._digest.hexdigest()[:32] if self._any else self._rows_version


class Places:
    """Where the picture of each sample of a dataset lies, in about 200 bytes a sample."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, sample_id: str) -> tuple[str, str] | None:
        """Return the reference and the content hash of a sample's picture, None where there is no sample."""
        ids, rows = self._read
        wanted = np.bytes_(sample_id.encode("utf-8", "replace"))
        place = int(np.searchsorted(ids, wanted))
        if place == len(ids) or ids[place] != wanted:
            return None
        return str(rows["image"][place]), str(rows["content_hash"][place])

    @cached_property
    def _read(self) -> tuple[NDArray[np.bytes_], pa.Table]:
        """The rows, read when the first record asks: most datasets have no instructions."""
        rows = read_table(self._root / SAMPLES_NAME, ["sample_id", "image", "content_hash"])
        return np.array(rows["sample_id"].to_pylist(), np.bytes_), rows.combine_chunks()


@dataclass(slots=True)
class Carried:
    """What was written: the version that covers it, and records by task and status."""

    version: str
    counts: dict[str, dict[str, int]]
    notes: list[str] = field(default_factory=list)


def write_records(
    root: Path,
    rows_version: str,
    sources: Sequence[Iterable[Record]],
    prefer: Literal["first", "last"] | None = None,
) -> Carried:
    """Write instructions.parquet of the dataset in `root`: the records of the samples that its rows hold.

    Each source yields records sorted by id. A record that stands in several is written once; where they
    differ, `prefer` says whose stays, and without it UsageError is raised. A record whose picture is another
    than its sample's is left out and noted. Nothing is written where there are no records.
    """
    version, places = InstructionsHash(rows_version), Places(root)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    told: Counter[str] = Counter()
    writer: pq.ParquetWriter | None = None
    try:
        for group in _groups(_kept(_joined(sources, prefer, told), places, told)):
            if writer is None:
                writer = pq.ParquetWriter(root / INSTRUCTIONS_NAME, SCHEMA, compression="zstd")
            rows = []
            for record in group:
                row, record_hash = record.spelled()
                rows.append(row)
                version.add(record_hash)
                counts[record.task][record.status] += 1
            writer.write_table(rows_to_table(rows))
    finally:
        if writer is not None:
            writer.close()
    tables = {task: dict(sorted(by.items())) for task, by in sorted(counts.items())}
    return Carried(version.result(), tables, _notes(told, prefer))


def _joined(sources: Sequence[Iterable[Record]], prefer: str | None, told: Counter[str]) -> Iterator[Record]:
    """Yield each record once, in the order of the ids."""
    numbered = [_numbered(one, number) for number, one in enumerate(sources)]
    merged = heapq.merge(*numbered, key=lambda one: one[:2])
    for name, group in itertools.groupby(merged, key=lambda one: one[0]):
        found = [record for _, _, record in group]
        if len(found) > 1 and len({record.record_hash() for record in found}) > 1:
            if prefer is None:
                raise UsageError(
                    f"instruction record {name} differs between the inputs; "
                    "choose with --prefer first or last"
                )
            told["differ"] += 1
        yield found[-1 if prefer == "last" else 0]


def _numbered(records: Iterable[Record], number: int) -> Iterator[tuple[str, int, Record]]:
    # a function, not an expression in a loop: each stream must keep its own number
    return ((record.record_id, number, record) for record in records)


def _kept(records: Iterable[Record], places: Places, told: Counter[str]) -> Iterator[Record]:
    """Yield the records of samples that are there, with the references that their pictures now have."""
    for record in records:
        found = places.find(record.sample_id)
        if found is None:
            continue
        image, content = found
        pictures = [part.image for turn in record.messages for part in turn.content if part.image is not None]
        if any(picture.sha256 != content for picture in pictures):
            told["other picture"] += 1
            continue
        yield record if all(picture.path == image for picture in pictures) else _moved(record, image)


def _moved(record: Record, image: str) -> Record:
    turns = []
    for turn in record.messages:
        if any(part.image is not None for part in turn.content):
            parts = [
                part if part.image is None
                else part.model_copy(update={"image": part.image.model_copy(update={"path": image})})
                for part in turn.content
            ]  # fmt: skip
            turn = turn.model_copy(update={"content": tuple(parts)})
        turns.append(turn)
    return record.model_copy(update={"messages": tuple(turns)})


def _groups(records: Iterator[Record]) -> Iterator[list[Record]]:
    while group := list(itertools.islice(records, _GROUP)):
        yield group


def _notes(told: Counter[str], prefer: str | None) -> list[str]:
    notes = []
    if number := told["differ"]:
        notes.append(f"{number} instruction records differ between the inputs; those of the {prefer} stay")
    if number := told["other picture"]:
        notes.append(f"{number} instruction records are left out: their sample has another picture now")
    return notes


def samples_with_records(root: Path) -> pa.Array:
    """Return the ids of the samples that have records, once a record; empty without instructions."""
    path = root / INSTRUCTIONS_NAME
    if not path.is_file():
        return pa.array([], pa.string())
    return read_table(path, ["sample_id"])["sample_id"].combine_chunks()
