"""More rows than memory should hold, in buckets that are looked at one at a time.

Rows that belong together (a range of ids, all rows of one subject) fall into one bucket, whatever the order
they come in. A few stay in memory; more go to scratch files, each a row of Arrow streams.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facedata.datasets.errors import StorageError

__all__ = ["Buckets", "by_text", "enough_for"]

_HELD = 4 << 20
"""Bytes of rows that stay in memory before they go to disk."""
_ROWS_BITS, _MOST = 14, 1024
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def enough_for(rows: int) -> int:
    """Return how many buckets hold so many rows by some 16,384 each; 1024 at most, which then grow."""
    return min(_MOST, 1 << max(0, max(rows - 1, 0).bit_length() - _ROWS_BITS))


def by_text(texts: pa.Array | pa.ChunkedArray, count: int) -> NDArray[np.uint32]:
    """Return the bucket, of `count`, of each text or bytes; equal ones have the same, null has that of ""."""
    if count == 1:
        return np.zeros(len(texts), np.uint32)
    crcs = (zlib.crc32(text or b"") for text in texts.cast(pa.large_binary()).to_pylist())
    return np.fromiter(crcs, np.uint32, len(texts)) % np.uint32(count)


class Buckets:
    """`count` buckets of rows, each in the order in which its rows were added.

    Scratch files lie in a folder of their own under `where`, the system's place for such files where it is
    None, until `close`, the end of a `with` or the end of this object.
    """

    def __init__(self, count: int, where: Path | None = None) -> None:
        self._count = count
        self._where = where
        self._folder: Path | None = None
        self._pending: list[tuple[pa.Table, NDArray[np.integer]]] = []
        self._bytes = 0
        self._cut: tuple[pa.Table, NDArray[np.int64]] | None = None

    def __enter__(self) -> Buckets:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Return how many buckets there are."""
        return self._count

    def add(self, rows: pa.Table, numbers: NDArray[np.integer]) -> None:
        """Put each row into the bucket of its number; every table has the same schema."""
        if not rows.num_rows:
            return
        self._pending.append((rows, numbers))
        self._bytes += rows.nbytes
        self._cut = None
        if self._bytes >= _HELD:
            self._flush()

    def read(self, number: int) -> Iterator[pa.Table]:
        """Yield the rows of a bucket as tables; there are none where it is empty."""
        if self._folder is not None:
            self._flush()
            path = self._path(number)
            if path.exists():
                with pa.OSFile(str(path), "rb") as file:
                    while file.tell() < file.size():
                        with pa.ipc.open_stream(file) as stream:
                            yield stream.read_all()
        elif self._pending:
            self._cut = self._cut or self._in_order()
            rows, edges = self._cut
            if edges[number + 1] > edges[number]:
                yield rows.slice(edges[number], edges[number + 1] - edges[number])

    def whole(self, number: int) -> pa.Table | None:
        """Return the rows of a bucket as one table of one chunk, None where it is empty."""
        tables = list(self.read(number))
        return pa.concat_tables(tables).combine_chunks() if tables else None

    def drop(self, number: int) -> None:
        """Free the disk that a bucket takes, which is not read again."""
        if self._folder is not None:
            self._path(number).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the scratch files."""
        self._pending, self._cut = [], None
        if self._folder is not None:
            self._remove()

    def _in_order(self) -> tuple[pa.Table, NDArray[np.int64]]:
        """Return what is held in the order of the buckets, and where each begins."""
        rows = pa.concat_tables([rows for rows, _ in self._pending]).combine_chunks()
        numbers = np.concatenate([numbers for _, numbers in self._pending])
        order = np.argsort(numbers, kind="stable")
        edges = np.searchsorted(numbers[order], np.arange(self._count + 1))
        return rows.take(pa.array(order)), edges

    def _flush(self) -> None:
        if not self._pending:
            return
        try:
            self._write(*self._in_order())
        except OSError as error:
            if self._where is not None:
                raise  # whoever named the place knows what it is to its user
            raise StorageError(
                f"cannot write scratch files to {self._folder or 'the folder for them'} "
                f"({error.strerror or error}); free some space, or name another folder in TMPDIR"
            ) from None
        self._pending, self._bytes = [], 0

    def _write(self, rows: pa.Table, edges: NDArray[np.int64]) -> None:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=".facedata-", dir=self._where))
            self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        for number in np.flatnonzero(np.diff(edges)).tolist():
            start, stop = int(edges[number]), int(edges[number + 1])
            with (
                pa.OSFile(str(self._path(number)), "ab") as file,
                pa.ipc.new_stream(file, rows.schema, options=_OPTIONS) as stream,
            ):
                stream.write_table(rows.slice(start, stop - start))

    def _path(self, number: int) -> Path:
        if self._folder is None:
            raise ValueError("nothing is on disk")
        return self._folder / format(number, "x")
