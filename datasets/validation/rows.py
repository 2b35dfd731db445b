"""Rows, each taken alone: values, ids and hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from facedata.datasets.errors import DatasetError, FacedataError
from facedata.datasets.sample import Sample
from facedata.datasets.shared_out import Sharing
from facedata.datasets.validation.finding import Finding, Found

__all__ = ["ROWS", "Looked", "Rows"]

_RANK = 1  # after the order of the ids, before the pictures
Rows = tuple[int, pa.Table]
"""A table of samples and the number of its first row."""


@dataclass(slots=True)
class Looked:
    """What was seen in a table: how many rows could be read, their hashes, why the next one could not."""

    rows: int = 0
    hashes: list[str] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    error: str | None = None


def _look(rows: Rows) -> Looked:
    looked, (start, table) = Looked(), rows
    for number, row in enumerate(table.to_pylist(), start):
        try:
            sample = Sample.from_row(row)
        except DatasetError as error:
            looked.error = str(error)
            break
        looked.found += [(number, _RANK, finding) for finding in _findings(sample)]
        looked.hashes.append(sample.row_hash())
        looked.rows += 1
    return looked


def _findings(sample: Sample) -> list[Finding]:
    name = sample.sample_id
    found = [Finding("value", f"{name}: {problem}", name) for problem in sample.problems()]
    if (expected := sample.expected_id()) is not None and expected != name:
        message = (
            f"{name} is not the id of its row ({expected}): the source, the operator, the parameters, the "
            "seed or the variant was changed"
        )
        found.append(Finding("sample-id", message, name))
    return found


def _one_by_one(rows: Rows) -> Sequence[Rows]:
    start, table = rows
    return [(start + number, table.slice(number, 1)) for number in range(table.num_rows)]


def _died(rows: Rows) -> Looked:
    raise FacedataError(f"a worker died on row {rows[0]}, twice; is there enough memory?")


ROWS = Sharing(_look, _one_by_one, _died, (__name__,))
