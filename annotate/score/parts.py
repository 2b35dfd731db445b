"""Tables laid out on disk in parts by sample, so that a comparison holds one part of both sides at a time.

What is compared lies in an order of its own on each side, and does not fit into memory with all its texts; a
sample's rows and records have one part, by a hash of its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa

__all__ = ["Parts", "parts_for"]

_ROWS = 8192  # of the longest table, in a part
_MOST = 512  # files open at once
_PACKED = pa.ipc.IpcWriteOptions(compression="lz4")


def parts_for(rows: int) -> int:
    """Return in how many parts tables of at most this many rows are laid out."""
    return min(_MOST, max(1, -(-rows // _ROWS)))


class Parts:
    """A table in `count` parts, files of `folder` named after it; `rows` reads one of them."""

    def __init__(self, folder: Path, name: str, count: int) -> None:
        self._paths = [folder / f"{name}-{number}.arrow" for number in range(count)]

    def write(
        self, batches: Iterable[pa.RecordBatch], seen: Callable[[pa.RecordBatch], None] | None = None
    ) -> None:
        """Write batches with a column `sample_id`; `seen` is shown each of them."""
        count = len(self._paths)
        with ExitStack() as stack:
            writers: dict[int, pa.RecordBatchWriter] = {}
            for batch in batches:
                if seen:
                    seen(batch)
                samples = batch.column("sample_id").to_pylist()
                part_of = np.fromiter(
                    (crc32(one.encode()) % count for one in samples), np.int64, len(samples)
                )
                for part in np.unique(part_of).tolist():
                    if part not in writers:
                        file = stack.enter_context(pa.OSFile(str(self._paths[part]), "wb"))
                        writers[part] = stack.enter_context(
                            pa.ipc.new_stream(file, batch.schema, options=_PACKED)
                        )
                    writers[part].write_batch(batch.take(pa.array(np.flatnonzero(part_of == part))))

    def rows(self, part: int, *columns: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a part, with all columns or with some."""
        path = self._paths[part]
        if path.exists():
            with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
                for batch in stream:
                    yield from (batch.select(list(columns)) if columns else batch).to_pylist()
