"""Rows by the combinations of values that they have in some columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["STRATA", "Strata"]

STRATA = ("label", "attack", "domain", "split", "expression", "operator")
"""Columns that can be stratified by: those of few values."""


class Strata:
    """Collects rows; `codes` numbers their combinations. A null is a value of its own."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._tables: list[pa.Table] = []

    def add_table(self, rows: pa.Table) -> None:
        """Add rows."""
        texts = [pc.fill_null(rows[name], "\1") for name in self.names]
        joined = pc.binary_join_element_wise(*texts, "\0") if texts else pa.array([""] * rows.num_rows)
        self._tables.append(pa.table({"stratum": pc.dictionary_encode(joined)}))

    def codes(self) -> NDArray[np.int64]:
        """Return the number of each row's combination, in the order of their texts."""
        column = pa.concat_tables(self._tables).unify_dictionaries()["stratum"].combine_chunks()
        names = np.array(column.dictionary.to_pylist(), object)
        rank = np.empty(len(names), np.int64)
        rank[np.argsort(names)] = np.arange(len(names))
        return np.asarray(rank[column.indices.to_numpy()], np.int64)
