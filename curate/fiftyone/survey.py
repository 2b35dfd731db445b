"""What a dataset holds, seen once before it is pushed: which fields it needs, and who belongs together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError
from facedata.datasets.instructions import INSTRUCTIONS_NAME
from facedata.datasets.parquet import ParquetFile
from facedata.datasets.sample import json_object

__all__ = ["TAGS", "Family", "Review", "Survey", "families", "parsed", "survey"]

TAGS = "tags"
"""The attribute that FiftyOne's tags of a sample are kept in, a list of texts."""

_ROWS = 8192
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MOST_ATTRIBUTES = 40  # sidebar entries; a source with more has measurements, not attributes
_STATUSES = ("accept", "review", "reject", "blocked")
_LINEAGES = 1000  # generations; more are a circle in a table that was changed by hand


@dataclass(slots=True)
class Review:
    """The instruction records of a sample: the gravest status, and the checks that failed or flagged."""

    status: str = _STATUSES[0]
    records: int = 0
    failed: set[str] = field(default_factory=set)
    flagged: set[str] = field(default_factory=set)

    def add(self, task: str, status: str, checks: Iterable[Mapping[str, str]]) -> None:
        """Add a record."""
        self.records += 1
        self.status = max(self.status, status, key=_STATUSES.index)
        for check in checks:
            if check["status"] in ("fail", "flag"):
                named = self.failed if check["status"] == "fail" else self.flagged
                named.add(f"{task}: {check['rule']}")


@dataclass(frozen=True, slots=True)
class Family:
    """Of each row, in order: the first ancestor that is known, and how many steps away that is."""

    ids: pa.Array
    generations: pa.Array


@dataclass(frozen=True, slots=True)
class Survey:
    """What was seen.

    `counts` has the values of label, attack, expression, split and domain with their numbers; `attributes`
    the kind (`str`, `float` or `bool`) of those that can be shown and edited; `points` the number of
    landmarks where all rows that have some have the same.
    """

    rows: int
    counts: Mapping[str, Mapping[str, int]]
    units: tuple[int, ...]
    attributes: Mapping[str, str]
    layers: tuple[str, ...]
    points: int | None
    has: frozenset[str]
    family: Family
    reviews: Mapping[str, Review]


_COUNTED = ("label", "attack", "expression", "split", "domain")
_COLUMNS = ("subject", "valence", "arousal", "confidence", "box", "landmarks", "au", "au_domain", "operator")


def survey(dataset: Dataset) -> Survey:
    """Go through the rows once; memory holds the ids of all rows and nothing else of them."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    units: set[int] = set()
    points: set[int] = set()
    layers: set[str] = set()
    has: set[str] = set()
    kinds: dict[str, set[str]] = {}
    lineage = []
    columns = ["sample_id", "parent_id", *_COUNTED, *_COLUMNS, "layers", "attributes"]
    for table in dataset.tables(columns, _ROWS):
        lineage.append(table.select(["sample_id", "parent_id"]))
        for name in _COUNTED:
            pairs = table[name].drop_null().value_counts().to_pylist()
            counts[name].update({pair["values"]: pair["counts"] for pair in pairs})
        has |= {name for name in _COLUMNS if table[name].null_count < table.num_rows}
        units |= set(pc.list_flatten(table["au_domain"]).to_pylist())
        units |= set(pc.struct_field(pc.list_flatten(table["au"]), "au").to_pylist())
        points |= set(pc.list_value_length(table["landmarks"]).unique().to_pylist()) - {None}
        layers |= set(pc.struct_field(pc.list_flatten(table["layers"]), "name").unique().to_pylist())
        _note_kinds(table["attributes"], kinds)
    simple = {name: found.pop() for name, found in sorted(kinds.items()) if len(found) == 1}
    shown = {name: kind for name, kind in simple.items() if kind and _NAME.fullmatch(name)}
    return Survey(
        rows=sum(table.num_rows for table in lineage),
        counts={name: dict(sorted(counted.items())) for name, counted in counts.items()},
        units=tuple(sorted(units)),
        attributes=dict(list(shown.items())[:_MOST_ATTRIBUTES]),
        layers=tuple(sorted(layers)),
        points=points.pop() if len(points) == 1 else None,
        has=frozenset(has),
        family=families(pa.concat_tables(lineage)),
        reviews=_reviews(dataset),
    )


def parsed(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with its attributes as a dictionary, in place."""
    row["attributes"] = json_object(row["attributes"]) or {}
    return row


def families(lineage: pa.Table) -> Family:
    """Return the families of rows (`sample_id`, `parent_id`).

    A parent that is no row is where the line ends: what was made from it stays together all the same.
    """
    ids, parents = (lineage[name].combine_chunks() for name in ("sample_id", "parent_id"))
    family = pc.coalesce(parents, ids)
    steps = pc.if_else(parents.is_valid(), 1, 0)
    for _ in range(_LINEAGES):
        above = parents.take(pc.index_in(family, value_set=ids))
        if above.null_count == len(above):
            return Family(family, steps)
        family = pc.coalesce(above, family)
        steps = pc.add(steps, pc.if_else(above.is_valid(), 1, 0))
    raise DatasetError("samples descend from themselves; facedata validate names the rows")


def _note_kinds(column: pa.ChunkedArray, kinds: dict[str, set[str]]) -> None:
    for text in column.drop_null().to_pylist():
        for name, value in (json_object(text) or {}).items():
            if name != TAGS and value is not None:
                kinds.setdefault(name, set()).add(_kind(value))


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "float"
        case str():
            return "str"
    return ""


def _reviews(dataset: Dataset) -> dict[str, Review]:
    """Return what became of the instruction records of each sample; their texts are not read."""
    path = dataset.root / INSTRUCTIONS_NAME
    if not path.is_file():
        return {}
    found: dict[str, Review] = {}
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, columns=["sample_id", "task", "status", "checks"]):
                for row in batch.to_pylist():
                    review = found.setdefault(row["sample_id"], Review())
                    review.add(row["task"], row["status"], row["checks"] or ())
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DatasetError(f"{path} cannot be read ({error}); restore it or make it again") from None
    return found
