"""A dataset on disk, opened for reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facedata.datasets.conform import checked_batches
from facedata.datasets.errors import DatasetError
from facedata.datasets.mirror import at_hand
from facedata.datasets.record import RECORD_NAME, Record, read_record
from facedata.datasets.remote import remote_of
from facedata.datasets.sample import SCHEMA, Sample
from facedata.datasets.storage import read_reference

__all__ = ["BATCH_ROWS", "SAMPLES_NAME", "Dataset", "is_dataset"]

SAMPLES_NAME = "samples.parquet"
BATCH_ROWS = 1024


def is_dataset(path: Path) -> bool:
    """Whether `path` is a folder, or a place on object storage, that holds a dataset record."""
    if (path / RECORD_NAME).is_file():
        return True
    remote = remote_of(path)
    return remote is not None and (remote / RECORD_NAME).exists()


class Dataset:
    """A dataset that was written whole: its record, its rows and its pictures.

    Rows are streamed, so a million of them take no more memory than a thousand.
    """

    def __init__(self, root: Path, record: Record) -> None:
        self.root = root
        self.record = record

    @classmethod
    def open(cls, path: str | Path) -> Dataset:
        """Open the dataset at `path`, or raise DatasetError naming what is wrong and the mend.

        `path` is a folder or a place such as `s3://bucket/faces`, whose tables are then fetched.
        """
        root = at_hand(Path(path))
        if not root.is_dir():
            raise DatasetError(f"{root} is no folder; give the folder of a dataset")
        return cls(root, read_record(root))

    @property
    def version(self) -> str:
        """The version id, a hash of the rows and of the pictures they refer to."""
        return self.record.version

    def __len__(self) -> int:
        return self.record.counts.rows

    def tables(self, columns: Sequence[str] | None = None, most: int = BATCH_ROWS) -> Iterator[pa.Table]:
        """Yield the rows as Arrow tables of up to `most`, sorted by sample id, of `columns` or all."""
        path = self.root / SAMPLES_NAME
        try:
            # Reading ahead would keep all that was read until the file is closed, 0.14 kB a row.
            with pq.ParquetFile(path, pre_buffer=False) as file:
                yield from checked_batches(file, path, SCHEMA, most, columns)
        except FileNotFoundError:
            raise DatasetError(f"{path} is missing; restore it or make the dataset again") from None
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{path} cannot be read ({error}); restore it or make it again") from None

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows as dictionaries, sorted by sample id."""
        for table in self.tables(columns):
            yield from table.to_pylist()

    def __iter__(self) -> Iterator[Sample]:
        return (Sample.from_row(row) for row in self.rows())

    def read(self, reference: str) -> bytes:
        """Return the encoded bytes of a picture or a layer."""
        return read_reference(self.root, reference)
