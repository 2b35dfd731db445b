"""Several datasets side by side, in the order of their ids, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facedata.datasets.dataset import Dataset
from facedata.datasets.versions.carry import ORIGIN
from facedata.datasets.versions.derive import TABLE_ROWS

__all__ = ["aligned", "repeats"]


def aligned(datasets: Sequence[Dataset]) -> Iterator[pa.Table]:
    """Yield the rows of all datasets, sorted by id and then by the number of the dataset (column ORIGIN).

    All rows of one id come in one table.
    """
    streams = [_Stream(dataset, number) for number, dataset in enumerate(datasets)]
    while alive := [stream for stream in streams if stream.fill()]:
        bound = min(stream.last for stream in alive)
        taken = pa.concat_tables([stream.take(bound) for stream in alive])
        yield taken.sort_by([("sample_id", "ascending"), (ORIGIN, "ascending")]).combine_chunks()


class _Stream:
    """The rows of one dataset; `rows` holds those that were read and not yet taken."""

    def __init__(self, dataset: Dataset, number: int) -> None:
        self.number = number
        self.tables = dataset.tables(most=TABLE_ROWS)
        self.rows: pa.Table | None = None

    @property
    def last(self) -> str:
        """The greatest id that was read."""
        assert self.rows is not None  # noqa: S101 - asked of filled streams only
        return str(self.rows["sample_id"][-1].as_py())

    def fill(self) -> bool:
        """Read on where nothing is left; return whether there is anything."""
        while self.rows is None or not self.rows.num_rows:
            if (table := next(self.tables, None)) is None:
                return False
            origin = pa.array(np.full(table.num_rows, self.number, np.int16))
            self.rows = table.append_column(ORIGIN, origin)
        return True

    def take(self, bound: str) -> pa.Table:
        """Return the rows up to the id `bound`."""
        assert self.rows is not None  # noqa: S101
        number = pc.sum(pc.less_equal(self.rows["sample_id"], bound)).as_py() or 0
        taken, self.rows = self.rows.slice(0, number), self.rows.slice(number)
        return taken


def repeats(rows: pa.Table) -> np.ndarray:
    """Return for each row of a sorted table whether the row before it has the same id, as booleans."""
    ids = rows["sample_id"].combine_chunks()
    same = np.zeros(rows.num_rows, bool)
    same[1:] = pc.equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    return same
