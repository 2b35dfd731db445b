"""`facedata diff`: what differs between two versions, sample by sample.

    unchanged    the same row and the same picture
    relabelled   the same sample and picture, other values: which fields, and from which label to which
    rerendered   the same sample, another picture: another library or another machine made it
    redrawn      the same variant of the same parent, drawn anew: another seed, policy or facedata
    replaced     an ingested picture whose file was replaced, or moved
    added, removed   the rest

Nothing is read but rows: of two datasets a pass each, in flat memory but for those that differ in id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.instructions import read_records
from facedata.datasets.record import Record
from facedata.datasets.rowhash import canonical_rows, spelled_columns
from facedata.datasets.sample import SCHEMA
from facedata.datasets.versions.align import aligned, repeats
from facedata.datasets.versions.carry import ORIGIN
from facedata.datasets.versions.diff_records import RecordsDiff, diff_records
from facedata.datasets.versions.match import KEPT, kept_columns, matched

__all__ = ["KINDS", "Change", "Diff", "diff"]

KINDS = ("relabelled", "rerendered", "redrawn", "replaced")
_TABLED = ("label", "attack", "split")
"""Fields of which it is told what became what."""

_FIELDS = tuple(name for name in SCHEMA.names if name not in ("image", "sample_id"))
_EXAMPLES = 8
_Pair = tuple[str, str]


@dataclass
class Change:
    """Pairs of samples of one kind: `became` counts, by field, (before, after); null is None."""

    samples: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    became: dict[str, Counter[tuple[Any, Any]]] = field(default_factory=dict)
    examples: list[_Pair] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return counts, most frequent first, and the ids of a few pairs."""
        return {
            "samples": self.samples,
            "fields": dict(self.fields.most_common()),
            "became": {
                name: [
                    {"before": before, "after": after, "samples": n}
                    for (before, after), n in sorted(table.items(), key=lambda one: (-one[1], str(one[0])))
                ]
                for name, table in sorted(self.became.items())
            },
            "examples": [list(pair) for pair in self.examples],
        }


@dataclass
class Diff:
    """What differs; `added` and `removed` count rows by label and attack, with the ids of a few."""

    versions: tuple[str, str]
    rows: tuple[int, int]
    unchanged: int = 0
    changes: dict[str, Change] = field(default_factory=lambda: {kind: Change() for kind in KINDS})
    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    record: list[dict[str, Any]] = field(default_factory=list)
    instructions: RecordsDiff = field(default_factory=RecordsDiff)

    @property
    def same(self) -> bool:
        """Whether every row, picture and instruction record is the same."""
        counts = [change.samples for change in self.changes.values()]
        return not any([*counts, self.added.total(), self.removed.total()]) and self.instructions.same

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "same": self.same,
            "versions": list(self.versions),
            "rows": list(self.rows),
            "unchanged": self.unchanged,
            "added": {"samples": self.added.total(), "by": dict(self.added.most_common())},
            "removed": {"samples": self.removed.total(), "by": dict(self.removed.most_common())},
            **{kind: change.to_json() for kind, change in self.changes.items()},
            "examples": self.examples,
            "record": self.record,
            "instructions": self.instructions.to_json(),
        }


def diff(before: Path, after: Path) -> Diff:
    """Compare two datasets. The rows are compared, not the version ids that the records state."""
    datasets = [Dataset.open(before), Dataset.open(after)]
    a, b = datasets
    result = Diff((a.version, b.version), (len(a), len(b)), record=_record_changes(a.record, b.record))
    alone: tuple[list[pa.Table], list[pa.Table]] = ([], [])
    for table in aligned(datasets):
        again = repeats(table)
        paired = again.copy()
        paired[:-1] |= again[1:]
        _compare(result, table, np.flatnonzero(again))
        origins = table[ORIGIN].to_numpy()
        for number, tables in enumerate(alone):
            rows = table.filter(pa.array(~paired & (origins == number)))
            if rows.num_rows:
                tables.append(_condensed(rows))
        pa.default_memory_pool().release_unused()  # Arrow's allocator keeps what was freed
    _match(result, *alone)
    result.instructions = diff_records(read_records(a.root), read_records(b.root))
    return result


def _compare(result: Diff, table: pa.Table, later: NDArray[np.int64]) -> None:
    """Add the pairs of one id: rows `later` and those before them."""
    if not len(later):
        return
    a, b = (table.take(pa.array(places)) for places in (later - 1, later))
    other = pc.not_equal(canonical_rows(a), canonical_rows(b))
    result.unchanged += len(later) - (pc.sum(other).as_py() or 0)
    a, b = a.filter(other), b.filter(other)
    if not a.num_rows:
        return
    before, after = spelled_columns(a), spelled_columns(b)
    differs = {
        name: pc.not_equal(before[name], after[name]).to_numpy(zero_copy_only=False) for name in _FIELDS
    }
    rendered = differs["content_hash"]
    values = [{name: side[name].combine_chunks() for name in ("sample_id", *_TABLED)} for side in (a, b)]
    for kind, chosen in (("relabelled", ~rendered), ("rerendered", rendered)):
        _add(result.changes[kind], differs, values, chosen)


def _add(
    change: Change,
    differs: dict[str, NDArray[np.bool_]],
    values: Sequence[dict[str, pa.Array]],
    chosen: NDArray[np.bool_],
) -> None:
    """Add the chosen of many pairs; `differs` says of each field which pairs do, `values` what they are."""
    number = int(chosen.sum())
    if not number:
        return
    change.samples += number
    for name, other in differs.items():
        if count := int((other & chosen).sum()):
            change.fields[name] += count
    mask = pa.array(chosen)
    for name in _TABLED:
        if not (differs[name] & chosen).any():
            continue
        moved = pa.array(differs[name] & chosen)
        sides = [side[name].filter(moved) for side in values]
        table = pa.table({"before": sides[0], "after": sides[1]})
        counted = table.group_by(["before", "after"]).aggregate([([], "count_all")]).to_pylist()
        became = change.became.setdefault(name, Counter())
        for row in counted:
            became[row["before"], row["after"]] += row["count_all"]
    left = _EXAMPLES - len(change.examples)
    # What a person would look at first: pairs whose label changed.
    first = pa.array(np.argsort(~(differs["label"] & chosen)[chosen], kind="stable")[: max(0, left)])
    ids = [side["sample_id"].filter(mask).take(first).to_pylist() for side in values]
    change.examples += list(zip(*ids, strict=True))


def _condensed(rows: pa.Table) -> pa.Table:
    """Return what is kept of rows that one version has alone: keys, tabled fields, a hash of each field."""
    columns: dict[str, Any] = kept_columns(rows)
    for name in _TABLED:
        columns[name] = rows[name].combine_chunks().dictionary_encode()
    spelled = spelled_columns(rows)
    for name in _FIELDS:
        if rows[name].null_count == rows.num_rows:
            continue  # hashed as zero, see _hashes
        texts = spelled[name].dictionary_encode()
        hashes = pd.util.hash_array(np.array(texts.dictionary.to_pylist(), object), categorize=False)
        columns[f"#{name}"] = pa.array(hashes[texts.indices.to_numpy()])
    return pa.table(columns)


def _match(result: Diff, only_a: list[pa.Table], only_b: list[pa.Table]) -> None:
    """Pair what can be paired of the rows that one version has alone; the rest was added or removed."""
    sides = [_joined(tables) for tables in (only_a, only_b)]
    if all(sides):
        a, b = (side for side in sides if side is not None)
        pairs = matched(a.select(KEPT), b.select(KEPT))
        left, right = pairs[:, 0], pairs[:, 1]
        differs = {name: _hashes(a, name)[left] != _hashes(b, name)[right] for name in _FIELDS}
        values = [
            {name: _plain(side[name]).take(pa.array(rows)) for name in ("sample_id", *_TABLED)}
            for side, rows in ((a, left), (b, right))
        ]
        made = a["parent_id"].is_valid().to_numpy()[left]
        for kind, chosen in (("redrawn", made), ("replaced", ~made)):
            _add(result.changes[kind], differs, values, chosen)
        sides = [
            side.filter(pa.array(~np.isin(np.arange(side.num_rows), pairs[:, number])))
            for number, side in enumerate((a, b))
        ]
    for name, side, counts in (("removed", sides[0], result.removed), ("added", sides[1], result.added)):
        if side is None or not side.num_rows:
            continue
        labels, attacks = (_plain(side[column]) for column in ("label", "attack"))
        for row in (
            pa.table({"label": labels, "attack": attacks})
            .group_by(["label", "attack"])
            .aggregate([([], "count_all")])
            .to_pylist()
        ):
            words = [row["label"] or "unlabelled", row["attack"] or ""]
            counts[" ".join(filter(None, words))] += row["count_all"]
        result.examples[name] = side["sample_id"].slice(0, _EXAMPLES).to_pylist()


def _joined(tables: list[pa.Table]) -> pa.Table | None:
    if not tables:
        return None
    joined = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
    tables.clear()
    return joined  # in its chunks: to combine them would take the memory twice


def _hashes(table: pa.Table, name: str) -> NDArray[np.uint64]:
    if f"#{name}" not in table.column_names:
        return np.zeros(table.num_rows, np.uint64)
    null = pd.util.hash_array(np.array(["[]" if name == "layers" else "null"], object), categorize=False)[0]
    found = pc.fill_null(table[f"#{name}"], pa.scalar(int(null), pa.uint64())).to_numpy()
    return np.where(found == null, np.uint64(0), found)


def _plain(column: pa.ChunkedArray) -> pa.Array:
    return column.cast(pa.string()).combine_chunks()


def _record_changes(a: Record, b: Record) -> list[dict[str, Any]]:
    """Return what the records say otherwise: how the datasets were made, and by which libraries."""
    kept = ("verb", "seed", "parameters", "libraries")
    flat = [_flat({name: getattr(record, name) for name in kept}) for record in (a, b)]
    for record, values in zip((a, b), flat, strict=True):
        values |= {f"parents.{n}": parent.version for n, parent in enumerate(record.parents)}
    return [
        {"field": name, "before": flat[0].get(name), "after": flat[1].get(name)}
        for name in sorted({*flat[0], *flat[1]})
        if flat[0].get(name) != flat[1].get(name)
    ]


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return the leaves of a tree of mappings and lists, by their dotted names."""
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = dict(enumerate(value)).items()
    else:
        return {name: value}
    found: dict[str, Any] = {}
    for key, child in children:
        found |= _flat(child, f"{name}.{key}" if name else str(key))
    return found
