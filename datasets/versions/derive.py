"""One writer for every version that is made of rows there are: chosen, joined or changed, never rendered.

    rows     the verb's rows, streamed into one part under a name that covers verb, inputs and settings
    carry    pictures and layers, checked against their rows
    write    the rows with their new references, hashed; record, card and sheet; the last act is one rename

A run that was stopped goes on with `resume`: the part is not made again. Pictures are carried again, each
checked on the way: what a fault left of a copy is not worth trusting.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facedata.datasets.assemble import VersionHash
from facedata.datasets.canonical import canonical_json, identifier
from facedata.datasets.card import write_card
from facedata.datasets.dataset import SAMPLES_NAME, Dataset
from facedata.datasets.errors import DatasetError, SourceError, UsageError
from facedata.datasets.inputs import refuse_overlap
from facedata.datasets.instructions import Record as Instruction
from facedata.datasets.instructions import read_records
from facedata.datasets.lineage import Origin, ancestry
from facedata.datasets.record import RECORD_NAME, Counts, Failure, Record, Tally, library_versions, write_text
from facedata.datasets.remote_place import workplace
from facedata.datasets.rowhash import row_digests
from facedata.datasets.sample import SCHEMA
from facedata.datasets.seal import seal, sealed
from facedata.datasets.sheet import write_sheet
from facedata.datasets.storage import LAYOUTS
from facedata.datasets.versions.carry import ORIGIN, Carrier, ToFiles
from facedata.datasets.versions.carry_records import Carried, write_records
from facedata.datasets.versions.carry_shards import ToShards
from facedata.datasets.versions.disjoint import Disjoint
from facedata.datasets.workplace import Workplace

__all__ = ["TABLE_ROWS", "Derivation", "Derived", "Told", "Writing", "derive", "write_rows"]

TABLE_ROWS = 4096
"""Rows in memory at once: some kilobytes each, several times over while they are spelled and hashed."""

_PART = ("told.json", "rows.parquet")
_STORED = SCHEMA.append(pa.field(ORIGIN, pa.int16()))


@dataclass(slots=True)
class Told:
    """What a verb has to say of its rows: for the record, and in `details` for the caller."""

    notes: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


Rows = Callable[[Told], Iterator[pa.Table]]
"""Yields the rows in the order of their ids, each id once, with SCHEMA and, for several inputs, ORIGIN."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """What to make. `parameters` decide, with the inputs and the seed, every row: they go into the record.

    `leaks` says what to do where a person, picture, video or family stands in two splits: `refuse`, `note`,
    or None for a verb that leaves splits as they are. `files` are texts that go into the dataset beside the
    rows. Instruction records go along with their samples, and `records`, sorted by id, are added; `prefer`
    says which of the inputs, or of what is added last, is right where two records of one id differ. `read`
    are datasets that decided something too: parents, of which nothing is carried.
    """

    verb: str
    inputs: Sequence[Dataset]
    parameters: Mapping[str, Any]
    rows: Rows
    seed: int | None = None
    leaks: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    records: Iterable[Instruction] = ()
    prefer: Literal["first", "last"] | None = None
    read: Sequence[Dataset] = ()

    def parents(self) -> list[Dataset]:
        """Return what it is made of and by, in order."""
        return [*self.inputs, *self.read]


@dataclass(frozen=True, slots=True)
class Writing:
    """How to write: nothing here changes what is made. `layout` None keeps that of the first input."""

    layout: str | None = None
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Derived:
    """What it came to; `details` is what the verb counted."""

    record: Record
    root: Path
    details: dict[str, Any] = field(default_factory=dict)
    complete_before: bool = False


def derive(
    what: Derivation, target: Path, writing: Writing | None = None, place: Workplace | None = None
) -> Derived:
    """Make the dataset `target`; `place` is its workplace, where the caller holds it already.

    Raises UsageError where the target lies in an input, TargetError where it is occupied or cannot be
    written, and SourceError where no row would be left.
    """
    writing = writing or Writing()
    layout = writing.layout or what.inputs[0].record.layout
    if layout not in LAYOUTS:
        raise UsageError(f"layout {layout!r} is not one of {', '.join(LAYOUTS)}")
    for dataset in what.parents():
        refuse_overlap(dataset.root, target)

    def same(record: Record) -> bool:
        return _made_of(record) == _wanted(what, layout)

    place = place or workplace(target)
    with place.held():
        done = place.check(resume=writing.resume, overwrite=writing.overwrite, same=same)
        if done is not None:
            return Derived(done, place.target, complete_before=True)
        return _Run(what, layout, place).make()


def _made_of(record: Record) -> str:
    parents = [parent.version for parent in record.parents]
    return canonical_json([record.verb, record.seed, record.layout, record.parameters, parents])


def _wanted(what: Derivation, layout: str) -> str:
    parents = [dataset.version for dataset in what.parents()]
    return canonical_json([what.verb, what.seed, layout, what.parameters, parents])


@dataclass(frozen=True, slots=True)
class _Run:
    what: Derivation
    layout: str
    place: Workplace

    def make(self) -> Derived:
        name = f"rows-{identifier(_wanted(self.what, self.layout), library_versions())[:16]}"
        part = self.place.parts / name
        self.place.prepare([name])
        shutil.rmtree(self.place.tree)
        self.place.tree.mkdir()
        if not sealed(part, _PART):
            shutil.rmtree(part, ignore_errors=True)
            try:
                self._store(part)
            except (UsageError, DatasetError, SourceError):
                self.place.discard()  # nothing to go on with: the inputs or the arguments must change
                raise
        told = Told(**json.loads((part / _PART[0]).read_text("utf-8")))
        told.failures = [Failure.model_validate(failure) for failure in told.failures]
        record = self._finish(part, told)
        self.place.publish()
        return Derived(record, self.place.target, told.details)

    def _store(self, part: Path) -> None:
        """Stream the verb's rows into a part of its own, checked."""
        work = part.with_name(f".{part.name}.{os.getpid()}")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        told, splits, last, rows = Told(), Disjoint(), "", 0
        with pq.ParquetWriter(work / _PART[1], _STORED, compression="lz4") as file:
            for table in self.what.rows(told):
                if not table.num_rows:
                    continue
                _check_order(table["sample_id"].combine_chunks(), last)
                last = table["sample_id"][-1].as_py()
                rows += table.num_rows
                if self.what.leaks:
                    splits.add_table(table)
                if ORIGIN not in table.column_names:
                    table = table.append_column(ORIGIN, pa.array(np.zeros(table.num_rows, np.int16)))
                file.write_table(table.select(_STORED.names).cast(_STORED))
        if not rows:
            raise SourceError(f"facedata {self.what.verb} leaves no row, so nothing was made")
        if leaks := splits.leaks():
            shown = "; ".join(leak.message for leak in leaks[:3]) + ("; ..." if len(leaks) > 3 else "")
            if self.what.leaks == "refuse":
                raise UsageError(f"the splits would share what must not part: {shown}")
            told.notes.append(f"splits that share: {shown}; mend it with facedata split")
        saved = {
            "notes": told.notes,
            "failures": [failure.model_dump() for failure in told.failures],
            "details": told.details,
        }
        write_text(work / _PART[0], json.dumps(saved), flush=False)
        seal(work, _PART)
        work.rename(part)

    def _finish(self, part: Path, told: Told) -> Record:
        tree = self.place.tree
        roots = [dataset.root.resolve() for dataset in self.what.inputs]
        carrier = (ToFiles if self.layout == "files" else ToShards)(roots, tree)
        carrier.plan(_stored(part))
        failures: list[Failure] = []
        version, counts = write_rows(_resolved(part, carrier, failures), tree)
        if not counts.rows:
            self.place.discard()
            raise SourceError(f"nothing could be carried over: {failures[0].reason}")
        carried = self._records(version)
        counts = counts.model_copy(update={"instructions": carried.counts})
        for name, text in self.what.files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            write_text(tree / name, text)
        parents, ancestors = ancestry([Origin.of(dataset) for dataset in self.what.parents()])
        record = Record(
            version=carried.version,
            verb=self.what.verb,
            parents=parents,
            ancestors=ancestors,
            parameters=dict(self.what.parameters),
            seed=self.what.seed,
            layout=self.layout,  # type: ignore[arg-type]  # checked by `derive`
            libraries=library_versions(),
            counts=counts,
            notes=[*told.notes, *carried.notes],
            failures=sorted([*told.failures, *failures], key=lambda failure: (failure.place, failure.kind)),
        )
        write_sheet(tree)
        write_card(tree, record, self.place.target.name)
        write_text(tree / RECORD_NAME, record.model_dump_json(indent=2) + "\n")
        return record

    def _records(self, rows_version: str) -> Carried:
        sources = [*(read_records(dataset.root) for dataset in self.what.inputs), self.what.records]
        try:
            return write_records(self.place.tree, rows_version, sources, self.what.prefer)
        except (UsageError, DatasetError):
            self.place.discard()  # as above
            raise


def write_rows(tables: Iterable[pa.Table], root: Path) -> tuple[str, Counts]:
    """Write samples.parquet of tables of SCHEMA, sorted by id, and return the version id and the counts."""
    version, tally = VersionHash(), Tally(root)
    temporary = root / f".{SAMPLES_NAME}.tmp"
    with pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as file:
        for table in tables:
            table = table.select(SCHEMA.names).cast(SCHEMA)
            version.add_digests(row_digests(table))
            tally.add_table(table)
            file.write_table(table)
    temporary.replace(root / SAMPLES_NAME)
    return version.result(), tally.counts()


def _resolved(part: Path, carrier: Carrier, failures: list[Failure]) -> Iterator[pa.Table]:
    for table in _stored(part):
        table, missing = carrier.resolve(table)
        failures += missing
        yield table


def _stored(part: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(part / _PART[1], pre_buffer=False) as file:
        for batch in file.iter_batches(TABLE_ROWS):
            yield pa.Table.from_batches([batch])


def _check_order(ids: pa.StringArray, last: str) -> None:
    rising = pc.all(pc.less(ids[:-1], ids[1:])).as_py() if len(ids) > 1 else True
    if ids.null_count or not rising or not last < ids[0].as_py():
        raise DatasetError(
            "the rows of an input are not in the order of their ids, or one id stands twice: samples.parquet "
            "was changed by hand; facedata validate names the rows"
        )
