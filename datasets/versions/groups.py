"""Which rows of a dataset must not part: connected by descent, by their source file, by person, ..."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facedata.datasets.errors import UsageError
from facedata.datasets.sample import json_object

__all__ = ["BY", "Keys", "codes", "source_key"]

BY = ("subject", "identity", "domain", "source")
"""What is kept together beside families, videos and equal pictures:

`subject` a person of a source dataset; `identity` that, and whose face is shown, where `attributes.identity`
says so (a mask or a swap shows another person's); `domain`; `source` nothing more than the source file.
"""


class Keys:
    """Collects, of each row, what connects it to others; `groups` numbers the connected rows.

    `by` is one of BY, or `family` for descent alone.
    """

    def __init__(self, by: str) -> None:
        if by not in (*BY, "family"):
            raise UsageError(f"--by {by!r} is not one of {', '.join(BY)}")
        self.by = by
        self._tables: list[pa.Table] = []

    def add_table(self, rows: pa.Table) -> None:
        """Add rows; a few columns of them are kept."""
        source = rows["source"].combine_chunks()
        dataset = pc.fill_null(pc.struct_field(source, "dataset"), "")
        columns = {"id": rows["sample_id"], "parent": rows["parent_id"]}
        if self.by != "family":
            columns |= {"content": rows["content_hash"], "file": source_key(rows)}
        if self.by in ("subject", "identity"):
            columns["person"] = pc.binary_join_element_wise(dataset, rows["subject"], "\0")
        if self.by == "identity":
            shown = pa.array(_identities(rows["attributes"].to_pylist()), pa.string())
            # A shown face is a person's too: one namespace, so that a mask of Ada stays with Ada.
            columns["shown"] = pc.binary_join_element_wise(dataset, shown, "\0")
        if self.by == "domain":
            columns["domain"] = rows["domain"]
        self._tables.append(pa.table(columns))

    def groups(self) -> NDArray[np.int64]:
        """Return the number of each row's group: that of its first row.

        Raises UsageError where no row says what is asked for.
        """
        rows = pa.concat_tables(self._tables)
        self._tables = []
        wanted = {"subject": "person", "identity": "person", "domain": "domain"}.get(self.by)
        if wanted and rows[wanted].null_count == rows.num_rows:
            raise UsageError(f"no row has a {wanted}, so --by {self.by} cannot work; take --by source")
        links = [codes([rows["id"], rows["parent"]])]
        links += [codes([rows[name]]) for name in ("content", "file") if name in rows.column_names]
        if "person" in rows.column_names:
            people = [rows[name] for name in ("person", "shown") if name in rows.column_names]
            links.append(codes(people))
        if "domain" in rows.column_names:
            links.append(codes([rows["domain"]]))
        return _connected(links, rows.num_rows)


def source_key(rows: pa.Table) -> pa.Array:
    """Return what stands for the file that each row came from: its hash, or its name in its dataset."""
    source = rows["source"].combine_chunks()
    dataset = pc.fill_null(pc.struct_field(source, "dataset"), "")
    name = pc.binary_join_element_wise(dataset, pc.struct_field(source, "file"), "\0")
    return pc.coalesce(pc.struct_field(source, "sha256"), name)


def codes(columns: Iterable[pa.ChunkedArray | pa.Array]) -> list[NDArray[np.int64]]:
    """Return columns as numbers that are equal where the texts are, in all columns alike; -1 for null."""
    parts = [
        column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column]) for column in columns
    ]
    both = pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())
    numbers = pc.fill_null(both.dictionary_encode().combine_chunks().indices, -1).to_numpy().astype(np.int64)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return np.split(numbers, ends)


def _connected(links: list[list[NDArray[np.int64]]], count: int) -> NDArray[np.int64]:
    """Return the least row number that each row is connected to.

    Each link is one or more columns of codes in one namespace: rows that share a code are neighbours. Numbers
    spread until nothing changes, which takes as many rounds as the longest chain of links.
    """
    group = np.arange(count)
    while True:
        before = group
        for columns in links:
            least = np.full(max(int(column.max(initial=-1)) for column in columns) + 1, count)
            for column in columns:
                np.minimum.at(least, column[column >= 0], group[column >= 0])
            for column in columns:
                known = column >= 0
                group = group.copy()
                group[known] = np.minimum(group[known], least[column[known]])
        if (group == before).all():
            return group
        group = group[group]  # a row's group may have moved on by itself


def _identities(attributes: list[str | None]) -> Iterable[str | None]:
    for text in attributes:
        value = (json_object(text) or {}).get("identity")
        yield None if value is None else str(value)
