"""`facedata curate pull`: what was edited in FiftyOne as edits of the dataset, and so as a new version.

FiftyOne is only read. The base of every edit is the row as it was pushed, so a dataset that has moved on
since is merged with: an edit that it holds already is none, one of a value that it changed itself is a
conflict.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from facedata.curate.fiftyone.changes import Change, changes, contradictions
from facedata.curate.fiftyone.collector import no_collector
from facedata.curate.fiftyone.connect import connect, readable_errors
from facedata.curate.fiftyone.reading import BASE_COLUMNS, Reading
from facedata.curate.fiftyone.shown import shown
from facedata.curate.fiftyone.state import State, default_name, open_state
from facedata.curate.fiftyone.survey import parsed
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.record import Failure
from facedata.datasets.sample import Sample
from facedata.datasets.versions.derive import Derived, Writing
from facedata.datasets.versions.edit import apply_edits
from facedata.datasets.versions.edits_file import DELETED, FAMILY_FIELDS, Edit, changed

__all__ = ["Pending", "Pulled", "pending", "pull"]

_SHOWN = 10
_MESSAGE = "in FiftyOne"


@dataclass(slots=True)
class Pending:
    """What waits in FiftyOne.

    `edits` fit a row taken alone; `refused` are those that cannot be edits at all, with the reason;
    `conflicts` are edits of values that the dataset itself has changed since the push, `held` the number of
    edits that it holds already. `strangers` are samples that were never pushed.
    """

    edits: list[Edit] = field(default_factory=list)
    derived: set[str] = field(default_factory=set)
    refused: list[Failure] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    held: int = 0
    strangers: int = 0

    @property
    def lost(self) -> int:
        """Edits, but derived ones, that the dataset does not hold: a push of it would lose them."""
        return len(self.edits) - len(self.derived) - self.held + len(self.refused)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull came to; `made` is None where nothing was to be done, or nothing should be."""

    name: str
    pending: Pending
    made: Derived | None = None


def pull(
    source: Path,
    target: Path | None,
    *,
    name: str | None = None,
    uri: str | None = None,
    author: str | None = None,
    dry_run: bool = False,
    skip_conflicts: bool = False,
    writing: Writing | None = None,
) -> Pulled:
    """Write the dataset at `source` with what was edited in FiftyOne's dataset `name` as `target`.

    `author` (default: the user's name on this machine) is told in each line of curation/edits.csv. Without
    an edit nothing is written. Raises UsageError where edits conflict, unless `skip_conflicts`, and where
    nothing whole was pushed; ServiceError where the database cannot be reached.
    """
    dataset = Dataset.open(source)
    if target is None and not dry_run:
        raise UsageError("say where the new version goes: -o FOLDER")
    fo = connect(uri)
    with readable_errors(uri):
        state = open_state(fo, name or default_name(dataset.root))
        found = pending(state, dataset, author)
    if target is None or dry_run or not (found.edits or found.refused):
        return Pulled(state.name, found)
    if found.refused and not skip_conflicts:
        reasons = [one.reason for one in found.refused]
        more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        raise UsageError(
            f"{len(reasons)} edits cannot be made, so none was: {'; '.join(reasons[:_SHOWN])}{more}; "
            "mend them in FiftyOne, or leave them out with --skip-conflicts"
        )
    made = apply_edits(
        dataset,
        found.edits,
        target,
        skip_conflicts,
        writing,
        left_out=found.refused,
        mend="settle them in FiftyOne (the value that was pushed, or that of the dataset)",
    )
    return Pulled(state.name, found, made)


def pending(state: State, dataset: Dataset, author: str | None = None) -> Pending:
    """Return what was edited since the push, and how it stands to `dataset`."""
    reading = Reading(state, dataset)
    if not reading.touched and len(reading.present) == state.rows:
        return Pending(strangers=reading.strangers)
    with no_collector():
        gathered = _gather(reading)
    _join_families(gathered, reading)
    _keep_edited(gathered, reading)
    found = Pending(strangers=reading.strangers)
    found.refused = [
        Failure(place=f"{state.name}:{sid}", kind="edit-conflict", reason=reason)
        for sid, reason in gathered.refused
    ]
    deleted = {sid: [Change(DELETED, "", "true")] for sid in gathered.gone}
    by = author or _user()
    for sid, made in sorted({**gathered.made, **deleted}.items()):
        time = _spelled(reading.touched.get(sid) or reading.deleted_at)
        for one in made:
            where = f"{state.name}:{len(found.edits) + 1}"
            message = f"follows from {one.follows}" if one.follows else _MESSAGE
            found.edits.append(Edit(where, sid, one.field, one.old, one.new, by, time, message))
            if one.follows:
                found.derived.add(where)
    if not reading.same:  # of the very rows that were pushed it holds no edit and contradicts none
        _compare(dataset, found)
    return found


@dataclass(slots=True)
class _Gathered:
    """Changes of each sample, the samples that are gone, and what cannot be: id and reason."""

    made: dict[str, list[Change]] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def _gather(reading: Reading) -> _Gathered:
    """Compare what was touched with what had been pushed, table by table."""
    found = _Gathered()
    for table in reading.base(BASE_COLUMNS):
        ids = table["sample_id"].to_pylist()
        found.gone += [sid for sid in ids if sid not in reading.present]
        wanted = [sid for sid in ids if sid in reading.touched and sid in reading.present]
        if not wanted:
            continue
        now = reading.values(wanted)
        rows = table.filter(pc.is_in(table["sample_id"], value_set=pa.array(wanted, pa.string())))
        for row in rows.to_pylist():
            sid = row["sample_id"]
            parsed(row)
            try:
                made = changes(row, shown(row, reading.units, reading.attributes), now[sid])
                problems = contradictions(row, made)
            except UsageError as error:
                found.refused.append((sid, f"{sid}: {error}"))
                continue
            if problems:
                found.refused.append((sid, f"{sid} would have {'; '.join(problems)}"))
            elif made:
                found.made[sid] = made
    return found


def _join_families(gathered: _Gathered, reading: Reading) -> None:
    """Leave out of a family's edits all but its first ancestor's, which goes for all; refuse others."""
    moved = {
        sid: {one.field: one.new for one in made if one.field in FAMILY_FIELDS}
        for sid, made in gathered.made.items()
    }
    if not any(moved.values()):
        return
    parents = reading.parents()
    for sid in [sid for sid, made in moved.items() if made and sid in parents]:
        first = sid
        while first in parents:
            first = parents[first]
        refused = [name for name, new in moved[sid].items() if moved.get(first, {}).get(name) != new]
        for name in refused:
            gathered.refused.append((sid, f"{sid} was made from {first} and keeps its {name}; edit that one"))
        kept = [one for one in gathered.made[sid] if one.field not in FAMILY_FIELDS]
        gathered.made[sid] = kept
        if not kept:
            del gathered.made[sid]


def _keep_edited(gathered: _Gathered, reading: Reading) -> None:
    """Refuse to delete a sample that the dataset has changed since the push."""
    if not gathered.gone or reading.same:
        return
    wanted = pa.array(gathered.gone, pa.string())
    before, after = (
        {row["sample_id"]: row for table in tables for row in _chosen(table, wanted)}
        for tables in (reading.base(BASE_COLUMNS), reading.dataset.tables(list(BASE_COLUMNS)))
    )
    for sid in gathered.gone:
        if sid in after and after[sid] != before[sid]:
            name = reading.dataset.root.name
            gathered.refused.append((sid, f"{sid} was deleted in FiftyOne and edited in {name}"))
    refused = {sid for sid, _ in gathered.refused}
    gathered.gone = [sid for sid in gathered.gone if sid not in refused]


def _chosen(table: pa.Table, ids: pa.Array) -> Iterator[dict[str, object]]:
    yield from table.filter(pc.is_in(table["sample_id"], value_set=ids)).to_pylist()


def _compare(dataset: Dataset, found: Pending) -> None:
    """Count what the dataset holds already, and name what it contradicts."""
    wanted: dict[str, list[Edit]] = {}
    for edit in found.edits:
        wanted.setdefault(edit.sid, []).append(edit)
    ids = pa.array(wanted, pa.string())
    for table in dataset.tables():
        for row in _chosen(table, ids):
            sample = Sample.from_row(row)
            _compare_sample(sample, wanted.pop(sample.sample_id), found)
    for edit in (edit for edits in wanted.values() for edit in edits):
        if edit.field == DELETED:
            found.held += 1
        else:
            found.conflicts.append(f"{edit.where}: no sample {edit.sid!r} in {dataset.root.name}")


def _compare_sample(sample: Sample, edits: Iterable[Edit], found: Pending) -> None:
    for edit in edits:
        if edit.field == DELETED:
            continue
        after = changed(sample, edit)
        if isinstance(after, str):
            reason = f"{edit.where}: {edit.field} of {edit.sid} is {after!r}, not {edit.old!r}"
            found.conflicts.append(reason)
        elif after != sample:
            sample = after
        elif edit.where not in found.derived:
            found.held += 1


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ""


def _spelled(time: datetime | None) -> str:
    return (time or datetime.now(UTC)).replace(tzinfo=UTC).isoformat(timespec="seconds")
