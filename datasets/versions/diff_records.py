"""Which instruction records two datasets share, and which differ."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from facedata.datasets.instructions import Record

__all__ = ["RecordsDiff", "diff_records"]

_EXAMPLES = 8


@dataclass(slots=True)
class RecordsDiff:
    """Records by their ids: a changed one answers the same question otherwise; `examples` are a few ids."""

    unchanged: int = 0
    changed: int = 0
    added: int = 0
    removed: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether both have the same records."""
        return not (self.changed or self.added or self.removed)

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        counts = {name: getattr(self, name) for name in ("unchanged", "changed", "added", "removed")}
        return {**counts, "examples": self.examples}


def diff_records(before: Iterable[Record], after: Iterable[Record]) -> RecordsDiff:
    """Compare two streams of records, each sorted by id, in one pass."""
    result = RecordsDiff()
    merged = heapq.merge(_numbered(before, 0), _numbered(after, 1), key=lambda one: one[:2])
    for name, group in itertools.groupby(merged, key=lambda one: one[0]):
        found = list(group)
        if len(found) == 1:
            kind = "added" if found[0][1] else "removed"
        else:
            same = found[0][2].record_hash() == found[1][2].record_hash()
            kind = "unchanged" if same else "changed"
        setattr(result, kind, getattr(result, kind) + 1)
        if kind != "unchanged" and len(named := result.examples.setdefault(kind, [])) < _EXAMPLES:
            named.append(name)
    return result


def _numbered(records: Iterable[Record], side: int) -> Iterator[tuple[str, int, Record]]:
    # a function, not an expression: each stream must keep its own number
    return ((record.record_id, side, record) for record in records)
