"""`facedata edit`: corrections by hand, from a file that says who changed what and why."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facedata.datasets.canonical import content_hash
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, UsageError
from facedata.datasets.record import Failure
from facedata.datasets.sample import Sample, to_table
from facedata.datasets.versions.carry_records import samples_with_records
from facedata.datasets.versions.derive import TABLE_ROWS, Derivation, Derived, Told, Writing, derive
from facedata.datasets.versions.edits_file import DELETED, FAMILY_FIELDS, Edit, changed, read_edits
from facedata.datasets.versions.edits_log import EDITS_NAME, HEADER, lines_of

__all__ = ["Author", "apply_edits", "edit", "edits_of"]

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Author:
    """A verb that wrote edits itself: they follow from `parameters`, the dataset and what else it `read`."""

    verb: str
    parameters: Mapping[str, Any]
    read: Sequence[Dataset] = ()


def edit(
    source: Path,
    edits: Path,
    target: Path,
    *,
    skip_conflicts: bool = False,
    writing: Writing | None = None,
) -> Derived:
    """Apply the edits of a CSV file; see edits_file.py for its columns and fields.

    An edit of split, subject or domain goes to everything that was made from the sample too. Where `old` is
    not what the row says, or there is no such sample, UsageError names each line and nothing is made; with
    `skip_conflicts` the other edits are made and these are failures of the record. The edits are kept in
    curation/edits.csv, after those of the input.
    """
    return apply_edits(Dataset.open(source), read_edits(edits), target, skip_conflicts, writing)


def apply_edits(
    dataset: Dataset,
    edits: Sequence[Edit],
    target: Path,
    skip_conflicts: bool = False,
    writing: Writing | None = None,
    *,
    author: Author | None = None,
    left_out: Sequence[Failure] = (),
    mend: str = "mend the lines",
) -> Derived:
    """Apply edits that were read, or those of an `author`, who then goes into the record.

    `left_out` are edits that the caller could not put into lines: failures of the record, like the conflicts.
    `mend` says what to do about conflicts.
    """
    lines = [one.line() for one in edits]
    parameters = {
        "edits": len(edits),
        "sha256": content_hash("\n".join(lines).encode()),
        "by_field": dict(sorted(Counter(one.field for one in edits).items())),
        "conflicts": "skip" if skip_conflicts else "refuse",
    }
    kept = [*lines_of(dataset), *lines]
    files = {EDITS_NAME: "\n".join([HEADER, *kept]) + "\n"} if kept else {}

    def rows(told: Told) -> Iterator[pa.Table]:
        wanted = _wanted(dataset, edits)
        progress = _Progress({one.where: one.sid for one in edits})
        ids = pa.array(sorted(wanted), pa.string())
        for table in dataset.tables(most=TABLE_ROWS):
            chosen = pc.is_in(table["sample_id"], value_set=ids)
            if not pc.any(chosen).as_py():
                yield table
                continue
            samples = [progress.apply(sample, wanted) for sample in _samples(table.filter(chosen))]
            rest = table.filter(pc.invert(chosen))
            kept = to_table(sample for sample in samples if sample is not None)
            yield pa.concat_tables([rest, kept]).sort_by("sample_id")
        for sid in sorted(set(wanted) - progress.seen):
            for one in wanted[sid]:
                progress.miss(one, dataset.root.name)
        progress.tell(told, skip_conflicts, mend)
        told.failures += left_out
        stale = pc.is_in(
            samples_with_records(dataset.root), value_set=pa.array(progress.changed, pa.string())
        )
        if number := pc.sum(stale).as_py():
            told.notes.append(
                f"{number} instruction records were written before their sample was edited: annotate it again"
            )

    moves = {one.field for one in edits} & {"split", "subject", "source.dataset"}
    leaks = "note" if moves else None
    author = author or Author("edit", parameters)
    what = Derivation(
        author.verb, [dataset], author.parameters, rows, leaks=leaks, files=files, read=author.read
    )
    return derive(what, target, writing)


def edits_of(dataset: Dataset, count: int, sha256: str) -> list[Edit]:
    """Return the edits that made `dataset`, the last `count` that it keeps, or raise DatasetError."""
    lines = lines_of(dataset)
    lines = lines[len(lines) - count :] if count else []
    if len(lines) != count or content_hash("\n".join(lines).encode()) != sha256:
        raise DatasetError(
            f"{dataset.root / EDITS_NAME} does not hold the {count} edits that made the dataset; restore it"
        )
    return [
        Edit(f"{EDITS_NAME}:{number}", *values)
        for number, values in enumerate(csv.reader(lines, strict=True), 1)
    ]


def _samples(table: pa.Table) -> Iterator[Sample]:
    return map(Sample.from_row, table.to_pylist())


@dataclass
class _Progress:
    """What the edits came to so far; conflicts by their line, whose sample is in `named`."""

    named: Mapping[str, str]
    seen: set[str] = field(default_factory=set)
    conflicts: dict[str, str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    deleted: int = 0
    already: int = 0

    def apply(self, sample: Sample, wanted: Mapping[str, Sequence[Edit]]) -> Sample | None:
        """Return the sample after its edits, None where one of them deletes it."""
        self.seen.add(sample.sample_id)
        result = sample
        for one in wanted[sample.sample_id]:
            if one.field == DELETED:
                self.deleted += 1
                return None
            found = changed(result, one)
            if isinstance(found, str):
                reason = f"{one.where}: {one.field} of {sample.sample_id} is {found!r}, not {one.old!r}"
                if self.named[one.where] == sample.sample_id or one.where not in self.conflicts:
                    self.conflicts[one.where] = reason  # of the sample that the line names, if of any
            elif found == result:
                self.already += 1
            else:
                result = found
        if result == sample:
            return sample
        if problems := [problem for problem in result.problems() if problem not in sample.problems()]:
            lines = ", ".join(one.where for one in wanted[sample.sample_id])
            raise UsageError(
                f"{lines}: {sample.sample_id} would have {'; '.join(problems)}; edit both fields"
            )
        self.changed.append(sample.sample_id)
        return result

    def miss(self, one: Edit, name: str) -> None:
        """Note an edit of a sample that is not there: a conflict, but where it deletes the sample."""
        if one.field == DELETED:
            self.already += 1
        else:
            self.conflicts[one.where] = f"{one.where}: no sample {one.sid!r} in {name}"

    def tell(self, told: Told, skip: bool, mend: str) -> None:
        lines = [where for where in self.named if where in self.conflicts]
        reasons = [self.conflicts[where] for where in lines]
        if reasons and not skip:
            more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
            raise UsageError(
                f"{len(reasons)} edits do not fit, so none was made: {'; '.join(reasons[:_SHOWN])}{more}; "
                f"{mend}, or leave them out with --skip-conflicts"
            )
        told.failures += [
            Failure(place=where, kind="edit-conflict", reason=reason)
            for where, reason in zip(lines, reasons, strict=True)
        ]
        told.details |= {
            "edited_rows": len(self.changed),
            "deleted_rows": self.deleted,
            "already_so": self.already,
            "conflicts": reasons,
        }


def _wanted(dataset: Dataset, edits: Sequence[Edit]) -> dict[str, list[Edit]]:
    """Return the edits of each sample, in the order of the file, with those of its ancestors."""
    wanted: dict[str, list[Edit]] = defaultdict(list)
    families: dict[str, list[Edit]] = defaultdict(list)
    for one in edits:
        wanted[one.sid].append(one)
        if one.field in FAMILY_FIELDS:
            families[one.sid].append(one)
    if not families:
        return wanted
    lineage = pa.concat_tables(dataset.tables(["sample_id", "parent_id"], TABLE_ROWS))
    _refuse_children(lineage, families)
    while families:
        made = lineage.filter(pc.is_in(lineage["parent_id"], value_set=pa.array(list(families), pa.string())))
        below: dict[str, list[Edit]] = {}
        for row in made.to_pylist():
            below[row["sample_id"]] = [
                replace(one, sid=row["sample_id"]) for one in families[row["parent_id"]]
            ]
            wanted[row["sample_id"]] += below[row["sample_id"]]
        families = below
    return wanted


def _refuse_children(lineage: pa.Table, families: Mapping[str, Sequence[Edit]]) -> None:
    """Raise UsageError for an edit that would part a sample from its parent."""
    edited = lineage.filter(pc.is_in(lineage["sample_id"], value_set=pa.array(list(families), pa.string())))
    there = pc.is_in(edited["parent_id"], value_set=lineage["sample_id"].drop_null())
    inside = pc.and_(edited["parent_id"].is_valid(), there)
    for row in edited.filter(inside).to_pylist():
        one = families[row["sample_id"]][0]
        raise UsageError(
            f"{one.where}: {one.sid} was made from {row['parent_id']} and keeps its {one.field}; "
            "edit that one"
        )
