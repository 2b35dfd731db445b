"""What a pull reads: FiftyOne's samples as they are, and the rows as they were pushed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa

from facedata.curate.fiftyone.documents import Bases, read, sample_ids, touched
from facedata.curate.fiftyone.shown import editable
from facedata.curate.fiftyone.state import State
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError

__all__ = ["BASE_COLUMNS", "Reading"]

BASE_COLUMNS = (
    *("sample_id", "parent_id", "content_hash", "width", "height", "split", "subject", "domain", "label"),
    *("attack", "box", "landmarks", "expression", "au", "au_domain", "valence", "arousal", "attributes"),
    *("confidence", "source"),
)
"""What the base of edits holds: all that can be edited, and what it takes to show it."""

_ROWS = 4096
_SCALARS = ("StringField", "FloatField", "IntField", "BooleanField")


class Reading:
    """A push and the dataset that its edits go to; `same` where that is the version that was pushed."""

    def __init__(self, state: State, dataset: Dataset) -> None:
        self.state = state
        self.dataset = dataset
        self.same = dataset.version == state.version

    @cached_property
    def touched(self) -> dict[str, datetime]:
        """When each sample was touched last that was touched at all since the push."""
        if self.state.pushed_at is None:
            raise UsageError(f"the push of {self.state.name} did not end; push it again")
        return touched(self.state.dataset, self.state.pushed_at)

    @cached_property
    def _ids(self) -> list[str | None]:
        return sample_ids(self.state.dataset)

    @cached_property
    def present(self) -> set[str]:
        """The ids of the samples that are there."""
        return {sid for sid in self._ids if sid is not None}

    @property
    def strangers(self) -> int:
        """Samples that are there and were never pushed, or stand there twice."""
        return len(self._ids) - len(self.present)

    @property
    def deleted_at(self) -> datetime | None:
        """When samples were deleted last."""
        found: datetime | None = self.state.dataset.last_deletion_at
        return found

    @cached_property
    def units(self) -> tuple[int, ...]:
        """The action units that `au` has fields of: those that were pushed, and any that were added."""
        names = (re.fullmatch(r"AU(\d{1,2})", name) for name in self._members("au"))
        return tuple(sorted({*self.state.units, *(int(name[1]) for name in names if name)}))

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that are fields: those that were pushed, and any scalar that was added."""
        added = {name for name, kind in self._members("attributes").items() if kind in _SCALARS}
        return tuple(sorted({*self.state.attributes, *added}))

    def base(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows as they were pushed; of the dataset itself, where it is of the version that was."""
        if self.same:
            return self.dataset.tables(list(columns), _ROWS)
        tables = Bases().tables(self.state.base, columns)
        first = next(tables, None)
        if first is None:
            raise UsageError(
                f"{self.dataset.root.name} is version {self.dataset.version}, {self.state.name} was pushed "
                f"from {self.state.version}, and the database has no rows of that; give that version's folder"
            )

        def rest() -> Iterator[pa.Table]:
            yield first
            yield from tables

        return rest()

    def parents(self) -> Mapping[str, str]:
        """Return the parent of each sample that has one among the rows that were pushed."""
        lineage = pa.concat_tables(self.base(["sample_id", "parent_id"]))
        ids, parents = (lineage[name].to_pylist() for name in ("sample_id", "parent_id"))
        known = set(ids)
        return {sid: parent for sid, parent in zip(ids, parents, strict=True) if parent in known}

    def values(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what FiftyOne shows of some samples, by their ids and paths.

        A field that somebody removed there is left out: its values are not edited.
        """
        return read(self.state.dataset, ids, self._paths)

    @cached_property
    def _paths(self) -> list[str]:
        there = self.state.dataset.get_field_schema(flat=True)
        return [path for path in editable(self.units, self.attributes) if path in there]

    def _members(self, name: str) -> dict[str, str]:
        """Return the fields of an embedded document with the names of their types."""
        field = self.state.dataset.get_field(name)
        if field is None:
            return {}
        return {one: type(kind).__name__ for one, kind in field.get_field_schema().items()}
