"""`facedata merge`: the rows of several datasets in one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.rowhash import canonical_rows, spelled_columns
from facedata.datasets.versions.align import aligned, repeats
from facedata.datasets.versions.carry import ORIGIN
from facedata.datasets.versions.derive import Derivation, Derived, Told, Writing, derive
from facedata.datasets.versions.edits_log import carried_edits

__all__ = ["Prefer", "merge"]

Prefer = Literal["first", "last"]
_EXAMPLES = 5


def merge(
    sources: Sequence[Path], target: Path, *, prefer: Prefer | None = None, writing: Writing | None = None
) -> Derived:
    """Join datasets. A sample that stands in several with the same row stands once in the result.

    Where the rows of one sample differ, `prefer` says whose stays, and the record notes in which fields how
    many did; without it UsageError does, and nothing is made. The same holds for instruction records.
    References play no part: layouts may be mixed.
    """
    if prefer not in (None, "first", "last"):
        raise UsageError(f"prefer {prefer!r} is not first or last")
    datasets = _opened(sources)
    names = _names(sources)

    def rows(told: Told) -> Iterator[pa.Table]:
        conflicts = _Conflicts(names)
        shared = 0
        for table in aligned(datasets):
            again = repeats(table)
            shared += int(again.sum())
            if again.any():
                conflicts.add(table, again)
            keep = ~again
            if prefer == "last":
                keep = np.append(~again[1:], True)
            yield table.filter(pa.array(keep))
        told.details |= {"shared": shared, "conflicts": conflicts.to_json()}
        if conflicts.rows and prefer is None:
            raise UsageError(f"{conflicts}; choose with --prefer first or last, or settle them with edits")
        if conflicts.rows:
            told.notes.append(f"{conflicts}; --prefer {prefer} settled them")

    parameters = {} if prefer is None else {"prefer": prefer}
    what = Derivation(
        "merge", datasets, parameters, rows, leaks="note", files=carried_edits(datasets), prefer=prefer
    )
    return derive(what, target, writing)


def _opened(sources: Sequence[Path]) -> list[Dataset]:
    if len(sources) < 2:
        raise UsageError("merge takes two datasets or more")
    seen: dict[Path, Path] = {}
    for source in sources:
        if (before := seen.setdefault(source.resolve(), source)) is not source:
            raise UsageError(f"{source} is the dataset {before} again; name each once")
    return [Dataset.open(source) for source in sources]


def _names(sources: Sequence[Path]) -> list[str]:
    """Return the folders' names, with a number where two are alike: the record knows no places."""
    names = [source.resolve().name for source in sources]
    twice = {name for name in names if names.count(name) > 1}
    return [f"{name} ({number})" if name in twice else name for number, name in enumerate(names, 1)]


class _Conflicts:
    """Samples whose rows differ between the inputs, field by field."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.rows = 0
        self.fields: Counter[str] = Counter()
        self.examples: list[dict[str, Any]] = []

    def add(self, table: pa.Table, again: np.ndarray) -> None:
        """Compare each row that repeats an id with the first row of that id."""
        first = np.maximum.accumulate(np.where(again, 0, np.arange(len(again))))
        later = np.flatnonzero(again)
        other = pc.not_equal(*(canonical_rows(table.take(pa.array(rows))) for rows in (first[later], later)))
        later = later[other.to_numpy(zero_copy_only=False)]
        if not len(later):
            return
        self.rows += len(np.unique(first[later]))
        a, b = (spelled_columns(table.take(pa.array(places))) for places in (first[later], later))
        origins = table[ORIGIN].to_numpy()
        for name in a:
            differs = np.flatnonzero(pc.not_equal(a[name], b[name]).to_numpy(zero_copy_only=False))
            if not len(differs):
                continue
            self.fields[name] += len(differs)
            for place in differs[: max(0, _EXAMPLES - len(self.examples))].tolist():
                values = [[first[later][place], a], [later[place], b]]
                found = {self.names[origins[row]]: column[name][place].as_py() for row, column in values}
                sample = table["sample_id"][int(later[place])].as_py()
                self.examples.append({"sample_id": sample, "field": name, "values": found})

    def to_json(self) -> dict[str, Any]:
        """Return counts and examples; values are canonical JSON."""
        return {"rows": self.rows, "fields": dict(self.fields.most_common()), "examples": self.examples}

    def __str__(self) -> str:
        fields = ", ".join(f"{name} {number}" for name, number in self.fields.most_common())
        example = self.examples[0]
        values = " and ".join(f"{value[:60]} in {name}" for name, value in example["values"].items())
        return (
            f"{self.rows} samples stand in several inputs with other values ({fields}; such as "
            f"{example['sample_id']}: {example['field']} is {values})"
        )
