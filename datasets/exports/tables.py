"""A Parquet file that is written as its rows come, in memory that does not grow with their number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["TableFile"]

_GROUP_BYTES, _GROUP_ROWS = 8 << 20, 1000  # a row group is what a streaming reader holds at once


class TableFile:
    """Rows as dictionaries in, row groups of at most 1000 rows and about 8 MiB of pictures out."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._file = pq.ParquetWriter(path, schema, compression="zstd")
        self._pending: list[dict[str, Any]] = []
        self._group = 0
        self.bytes = 0
        """The size of the pictures so far, as `add` was told."""

    def add(self, values: dict[str, Any], size: int = 0) -> None:
        """Add a row that holds `size` bytes of pictures."""
        self._pending.append(values)
        self._group += size
        self.bytes += size
        if self._group >= _GROUP_BYTES or len(self._pending) >= _GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is pending and the footer."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._pending:
            table = pa.Table.from_pylist(self._pending, schema=self._schema)
            self._file.write_table(table, row_group_size=len(self._pending))
            self._pending, self._group = [], 0
