"""Finished records as a dataset: the rows and pictures of the one that was asked about, and the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from facedata.annotate.run import Tally
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, Result
from facedata.datasets.errors import TargetError
from facedata.datasets.inputs import refuse_overlap
from facedata.datasets.instructions import Record
from facedata.datasets.record import RECORD_NAME
from facedata.datasets.remote_place import workplace
from facedata.datasets.versions.derive import TABLE_ROWS, Derivation, Told, Writing, derive
from facedata.datasets.versions.edits_log import carried_edits
from facedata.datasets.workplace import Workplace

__all__ = ["check_target", "write_annotated"]


def check_target(dataset: Dataset, target: Path, options: Options) -> None:
    """Raise where the target lies in the input or is occupied: before anything is asked and paid for."""
    refuse_overlap(dataset.root, target)
    place = workplace(target)
    if place.remote is None and place.target.exists() and not place.target.is_dir():
        raise TargetError(f"{target} is a file; choose another -o")
    names = place.names()
    if not names:
        return
    if RECORD_NAME not in names:
        raise TargetError(f"{target} is not a dataset, so it is not replaced; choose another -o")
    if not options.overwrite:
        raise TargetError(f"{target} exists already; choose another -o, or replace it with --overwrite")


def write_annotated(
    dataset: Dataset,
    records: Iterable[Record],
    target: Path,
    settings: Mapping[str, Any],
    seed: int,
    options: Options,
    tally: Tally,
    place: Workplace | None = None,
) -> Result:
    """Write the rows and pictures of `dataset` with its records and `records`, sorted by id, as `target`.

    A record that answers the very question of an earlier one takes its place. `settings` and `seed` go into
    the dataset's record; what `tally` says of questions without an answer becomes notes. `place` is the
    target's workplace, where the caller holds it already.
    """
    check_target(dataset, target, options)

    def rows(told: Told) -> Iterator[pa.Table]:
        told.notes += _notes(tally)
        yield from dataset.tables(most=TABLE_ROWS)

    what = Derivation(
        "annotate",
        [dataset],
        settings,
        rows,
        seed=seed,
        files=carried_edits([dataset]),
        records=records,
        prefer="last",
    )
    # The answers are in the journal: what a stopped run left beside the target is begun again, not resumed.
    made = derive(what, target, Writing(overwrite=True), place)
    return Result(made.record, made.root)


def _notes(tally: Tally) -> list[str]:
    notes = [
        f"{count} samples lack {key}, which {task} needs"
        for (task, key), count in sorted(tally.passed_over.items())
    ]
    if tally.unanswered:
        notes.append(f"{tally.unanswered} questions have no answer; run again with the same journal")
    return notes
