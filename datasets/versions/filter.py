"""`facedata filter`: the rows of a dataset of which a condition holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from facedata.datasets.dataset import Dataset
from facedata.datasets.versions.derive import TABLE_ROWS, Derivation, Derived, Told, Writing, derive
from facedata.datasets.versions.edits_log import carried_edits
from facedata.datasets.versions.expression import Expression

__all__ = ["filter_rows"]


def filter_rows(source: Path, condition: str, target: Path, writing: Writing | None = None) -> Derived:
    """Keep the rows of which `condition` holds; see expression.py for what it may say.

    A row keeps its `parent_id` where the parent was left out: the record counts such rows as orphans. Raises
    UsageError where the condition cannot work, and SourceError where it holds of no row.
    """
    dataset = Dataset.open(source)
    expression = Expression(condition)

    def rows(told: Told) -> Iterator[pa.Table]:
        left_out = 0
        for table in dataset.tables(most=TABLE_ROWS):
            kept = table.filter(expression.mask(table))
            left_out += table.num_rows - kept.num_rows
            yield kept
        told.details["left_out"] = left_out

    parameters = {"where": expression.text}
    return derive(
        Derivation("filter", [dataset], parameters, rows, files=carried_edits([dataset])), target, writing
    )
