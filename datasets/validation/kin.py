"""Ids and parents: each id once and in order, parents there and in one split, no row its own ancestor.

Rows are compared bucket by bucket, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facedata.datasets.buckets import Buckets, by_text, enough_for
from facedata.datasets.validation.finding import Finding, Found
from facedata.datasets.validation.splits import first_like

__all__ = ["KIN_COLUMNS", "Kin"]

KIN_COLUMNS = ("sample_id", "parent_id", "split")
_RANK = 0
_GENERATIONS = 64  # looked through bucket by bucket; a longer line of descent is followed in memory


class Kin:
    """Collects ids and parents. Of rows with one id the last one's parent and split count."""

    def __init__(self, rows: int) -> None:
        """`rows` is about how many there will be."""
        self._count = enough_for(rows)
        self._rows, self._children = Buckets(self._count), Buckets(self._count)
        self._last = ""
        self._falling: list[tuple[int, str, str]] = []
        self._first: dict[int, int] = {}
        """The first row of the id of the last row that has it, where these are two."""
        self._replaced: set[int] = set()
        """Rows of which another one with the same id follows."""

    def close(self) -> None:
        """Remove what was collected."""
        self._rows.close()
        self._children.close()

    def add_table(self, start: int, table: pa.Table) -> None:
        """Add rows of KIN_COLUMNS; the first is number `start`."""
        texts = table["sample_id"].to_pylist()
        pairs = enumerate(zip(texts, [self._last, *texts], strict=False), start)
        self._falling += [(row, one, before) for row, (one, before) in pairs if one <= before]
        self._last = texts[-1] if texts else self._last
        kin = table.append_column("row", pa.array(np.arange(start, start + len(texts))))
        self._rows.add(kin, by_text(kin["sample_id"], self._count))
        kin = kin.filter(kin["parent_id"].is_valid())
        self._children.add(kin, by_text(kin["parent_id"], self._count))

    def order(self) -> list[Found]:
        """Return the rows whose id stood before, and those whose id is not after the one before."""
        found: dict[int, Finding] = {}
        for row, one, before in self._falling:
            found[row] = _twice(one) if one == before else _unordered(one, before)
        for number in range(self._count):
            rows = self._rows.whole(number)
            if rows is None:
                continue
            first, row = first_like(rows["sample_id"]), rows["row"].to_numpy()
            alike: dict[int, list[int]] = {}
            for again in np.flatnonzero(first != np.arange(len(first))).tolist():
                alike.setdefault(int(row[first[again]]), []).append(int(row[again]))
                found[int(row[again])] = _twice(rows["sample_id"][again].as_py())
            for origin, others in alike.items():
                self._first[others[-1]] = origin
                self._replaced.update((origin, *others[:-1]))
        return [(row, _RANK, finding) for row, finding in sorted(found.items(), key=lambda one: one[0])]

    def lineage(self, allowed: Callable[[int], bool]) -> list[Finding]:
        """Return what is wrong with parents, once `order` was called.

        `allowed` says whether so many rows may lack their parent.
        """
        found: list[tuple[int, Finding]] = []
        outside = 0
        with _Edges(self._count) as edges:
            for children, parents in self._pairs():
                outside += parents["row"].null_count
                apart = pc.not_equal(_spelled(children["split"]), _spelled(parents["split"]))
                apart = pc.and_(apart, parents["row"].is_valid())
                there = zip(
                    children.filter(apart).to_pylist(), parents.filter(apart).to_pylist(), strict=True
                )
                found += [(self._place(child["row"]), _parted(child, parent)) for child, parent in there]
                edges.add(children.filter(parents["parent_id"].is_valid()))
            circles = list(self._circles(edges))
        if outside and not allowed(outside):
            for children, parents in self._pairs():
                lost = children.filter(parents["row"].is_null()).to_pylist()
                found += [(self._place(child["row"]), _dangling(child)) for child in lost]
        return [finding for _, finding in sorted(found, key=lambda one: one[0])] + circles

    def _pairs(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Yield children and, row by row, their parents; all of a parent that is no row is null."""
        for number in range(self._count):
            if (children := self._of(self._children, number)) is not None:
                rows = self._of(self._rows, number)
                rows = children.schema.empty_table() if rows is None else rows
                yield children, rows.take(pc.index_in(children["parent_id"], rows["sample_id"]))

    def _of(self, buckets: Buckets, number: int) -> pa.Table | None:
        rows = buckets.whole(number)
        if rows is None or not self._replaced:
            return rows
        return rows.filter(pa.array([row not in self._replaced for row in rows["row"].to_pylist()]))

    def _place(self, row: int) -> int:
        """Return where a row is told of: where its id stood first."""
        return self._first.get(row, row)

    def _circles(self, edges: _Edges) -> Iterator[Finding]:
        """Yield a row of each circle of parents: the first that is met where rows are followed in order."""
        rows = sorted(edges.without_ends(), key=lambda row: self._place(row["row"]))
        parents = {row["sample_id"]: row["parent_id"] for row in rows}
        settled: set[str] = set()
        for start in parents:
            path: dict[str, None] = {}
            here: str | None = start
            while here is not None and here not in settled and here not in path:
                path[here] = None
                here = parents.get(here)
            if here is not None and here in path:
                yield Finding("cycle", f"{here} is its own ancestor; restore its parent", here)
            settled.update(path)


class _Edges:
    """From child to parent: rows with `sample_id`, `parent_id` and `row`, by the one and by the other."""

    def __init__(self, count: int) -> None:
        self._count, self.rows = count, 0
        self._of_child, self._of_parent = Buckets(count), Buckets(count)

    def __enter__(self) -> _Edges:
        return self

    def __exit__(self, *_: object) -> None:
        self._of_child.close()
        self._of_parent.close()

    def add(self, edges: pa.Table) -> None:
        self.rows += edges.num_rows
        edges = edges.select(["sample_id", "parent_id", "row"])
        self._of_child.add(edges.select(["sample_id"]), by_text(edges["sample_id"], self._count))
        self._of_parent.add(edges, by_text(edges["parent_id"], self._count))

    def without_ends(self) -> list[dict[str, Any]]:
        """Return the edges that lead into a circle; where a line of descent is very long, all of it too.

        An edge whose parent has no edge ends there: such edges are taken away until there is none.
        """
        edges = self
        for _ in range(_GENERATIONS):
            with edges:
                longer = _Edges(self._count)
                for kept in edges._going_on():
                    longer.add(kept)
            before, edges = edges.rows, longer
            if edges.rows in (0, before):
                break
        with edges:
            tables = [edges._of_parent.whole(number) for number in range(self._count) if edges.rows]
            return [row for table in tables if table is not None for row in table.to_pylist()]

    def _going_on(self) -> Iterator[pa.Table]:
        for number in range(self._count):
            edges, children = self._of_parent.whole(number), self._of_child.whole(number)
            if edges is not None and children is not None:
                yield edges.filter(pc.is_in(edges["parent_id"], children["sample_id"]))


def _spelled(split: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return splits as texts that compare, a missing one among them."""
    return pc.if_else(split.is_valid(), pc.binary_join_element_wise("=", split, ""), "")


def _twice(sample: str) -> Finding:
    return Finding("duplicate-id", f"two rows have the id {sample}; remove one", sample)


def _unordered(sample: str, before: str) -> Finding:
    return Finding("order", f"row {sample} stands after {before}; rows are sorted by id", sample)


def _dangling(child: dict[str, Any]) -> Finding:
    sample, parent = child["sample_id"], child["parent_id"]
    message = f"{sample} has the parent {parent}, which is not in the dataset; restore its row"
    return Finding("dangling-parent", message, sample)


def _parted(child: dict[str, Any], parent: dict[str, Any]) -> Finding:
    sample, origin = child["sample_id"], parent["sample_id"]
    message = f"{sample} is in split {child['split']!r}, its parent {origin} in {parent['split']!r}"
    return Finding("split-leak", message, sample)
