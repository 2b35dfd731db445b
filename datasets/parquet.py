"""Parquet that anybody may have written, read within a bound of memory.

A Parquet file says itself how large it is, and may lie: one text of a megabyte that a million rows refer to,
a list of a billion zeros as a run of a few bytes, a page that unpacks to a thousand times what its group
states. What it comes to is known once Arrow has unpacked it. So the bound is on the process: while Arrow
reads, Linux grants it no more than the file may rightly take, and the allocation that goes beyond is an error
like any other. Other systems have no such limit; there, what the file states is all that is checked.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from facedata.datasets.errors import DatasetError

__all__ = ["ParquetFile", "read_table"]

_MOST_BYTES = 2 << 30
"""A row group that unpacks to more is not read: ours hold 64 MB at most, and a reader unpacks it whole."""
_MOST_TIMES, _SMALL = 50, 256 << 20
"""A file that unpacks to more than this many times its size, and to more than so many bytes, is not read."""
_SLACK = 512 << 20
"""Bytes that reading may take beside what the file states: dictionaries made into texts, Arrow's own."""
_OTHERS = 4 << 30
"""Bytes more where other threads run: what they take meanwhile, a network perhaps, is not to meet it."""
_LIMITED = sys.platform == "linux"
if sys.platform == "linux":
    from resource import RLIM_INFINITY as _NONE
    from resource import RLIMIT_AS as _ALL
    from resource import RLIMIT_DATA as _DATA
    from resource import getpagesize
    from resource import getrlimit as _getrlimit
    from resource import setrlimit as _setrlimit

    _PAGE = getpagesize()
_LOCK = threading.Lock()
_LIMITS: list[int] = []  # of the readings that are under way
_BEFORE: list[int] = []  # the limit that was there before them


class ParquetFile(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no types
    """A Parquet file of a stranger: pyarrow's, whose every reading is bounded.

    Raises DatasetError where it states to unpack to more than memory should take, or comes to it.
    """

    def __init__(self, path: object, file: BinaryIO | None = None) -> None:
        """Open a file and look at what it states; raise what pyarrow does where it is none.

        Of an open `file` the path is what messages call it.
        """
        if file is None:
            found = Path(str(path)).stat()
            if not stat.S_ISREG(found.st_mode):  # reading a pipe or a device might never end
                raise DatasetError(f"{path} is not a regular file; remove it")
        self._path = path
        self._size = found.st_size if file is None else file.seek(0, os.SEEK_END)
        with _Bound(path, _SLACK + 2 * self._size):
            try:
                # Reading ahead would keep all that was read until the file is closed, 0.14 kB a row.
                super().__init__(str(path) if file is None else file, pre_buffer=False)
            except UnicodeDecodeError as error:
                raise pa.ArrowInvalid(f"a column's name is no UTF-8 ({error})") from None
            try:
                self._sizes = [self.metadata.row_group(n).total_byte_size for n in range(self.num_row_groups)]
                self._check()
            except BaseException:
                self.close()
                raise

    def _check(self) -> None:
        for number, size in enumerate(self._sizes):
            if size > min(_MOST_BYTES, max(_MOST_TIMES * self._size, _SMALL)):
                raise DatasetError(
                    f"{self._path}: row group {number} unpacks to {size / 1e9:.1f} GB, which no table "
                    "for facedata does; do not read it, or write it anew in smaller row groups"
                )
            if size < 0:
                raise DatasetError(f"{self._path}: row group {number} states {size} bytes; restore the file")

    def iter_batches(self, batch_size: int = 65536, **options: Any) -> Iterator[pa.RecordBatch]:
        """Yield the batches of pyarrow's method of that name, read by one thread."""
        batches = super().iter_batches(batch_size, **{**options, "use_threads": False})
        most = max(self._sizes, default=0)
        while True:
            with self._bound(most):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch
            del batch

    def read_row_group(self, i: int, columns: Sequence[str] | None = None, **options: Any) -> pa.Table:
        """Return a row group, as pyarrow's method of that name does, read by one thread."""
        with self._bound(self._sizes[i]):
            return super().read_row_group(i, columns, **{**options, "use_threads": False})

    def read(self, columns: Sequence[str] | None = None, **options: Any) -> pa.Table:
        """Return the file as one table, as pyarrow's method of that name does, read by one thread."""
        with self._bound(sum(self._sizes)):
            return super().read(columns, **{**options, "use_threads": False})

    def _bound(self, stated: int) -> _Bound:
        # Pages as they lie in the file, unpacked, and as Arrow has them, in buffers that grow by doubling.
        return _Bound(self._path, _SLACK + self._size + 3 * stated)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a Parquet file as one table, or `columns` of it; see ParquetFile."""
    with ParquetFile(path) as file:
        return file.read(columns)


class _Bound:
    """Lets the process hold `more` bytes more than it does, at most; DatasetError where that is not enough.

    A limit is the process's, so readings of several threads share the highest one. A class and few calls:
    this is done for every batch, and a batch may take a tenth of a millisecond.
    """

    __slots__ = ("_limit", "_more", "_path")

    def __init__(self, path: object, more: int) -> None:
        self._path, self._more, self._limit = path, more, 0

    def __enter__(self) -> None:
        if not _LIMITED:
            return
        self._limit = _held(5) + self._more + (_OTHERS if threading.active_count() > 1 else 0)
        with _LOCK:
            _LIMITS.append(self._limit)
            if not _BEFORE:
                _BEFORE.append(_getrlimit(_DATA)[0])
            _set(max(_LIMITS))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not _LIMITED:
            return
        full = kind is not None and issubclass(kind, MemoryError) and self._machine_is_full()
        with _LOCK:
            _LIMITS.remove(self._limit)
            _set(max(_LIMITS) if _LIMITS else _BEFORE.pop())
        if kind is not None and issubclass(kind, MemoryError) and not full:
            raise DatasetError(
                f"{self._path} takes more than {self._more / 1e9:.1f} GB of memory to read, and states to "
                "take less; do not read it, or write it anew in smaller row groups"
            ) from None

    def _machine_is_full(self) -> bool:
        """Whether the process met another limit than this one: on all of its memory, or on data and lower."""
        total, before = _getrlimit(_ALL)[0], _BEFORE[0]
        if total != _NONE and total - _held(0) < self._limit - _held(5):
            return True
        return before != _NONE and before < self._limit


def _set(limit: int) -> None:
    hard = _getrlimit(_DATA)[1]
    ends = [one for one in (limit, *_BEFORE, hard) if one != _NONE]
    _setrlimit(_DATA, (min(ends, default=_NONE), hard))


def _held(field: int) -> int:
    """Return what the process holds, in bytes: 0 for all of its addresses, 5 for data and stacks."""
    return int(os.pread(_statm(os.getpid()), 200, 0).split()[field]) * _PAGE


@lru_cache(maxsize=1)
def _statm(process: int) -> int:
    del process  # a fork has a file of its own
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
