"""What was measured before, kept by the content of the picture: a file a measure, in `.facedata/cache`.

The file's name covers the measure and the libraries, so that numbers of another version are never met. A
file that is damaged, or that cannot be written, costs the time that it would have saved and nothing else.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.canonical import identifier
from facedata.datasets.record import library_versions
from facedata.datasets.storage import slug

__all__ = ["Kept"]

_AT_ONCE = 500  # hashes in one question; SQLite allows 999 in its oldest builds


class Kept:
    """Rows of numbers of one `dtype` and `width` by content hash. Without a folder it keeps nothing."""

    def __init__(self, folder: Path | None, key: str, dtype: np.dtype[Any], width: int) -> None:
        self.dtype, self.width = dtype, width
        self._connection: sqlite3.Connection | None = None
        if folder is not None:
            name = f"{slug(key, 60)}-{identifier(key, library_versions())[:16]}.sqlite"
            with contextlib.suppress(OSError, sqlite3.Error):
                (folder / "measures").mkdir(parents=True, exist_ok=True)
                self._connection = _opened(folder / "measures" / name)

    def fill(self, hashes: Sequence[str], values: NDArray[Any]) -> NDArray[np.bool_]:
        """Put what is known into `values`, a row for each hash, and return which rows are not known."""
        absent = np.ones(len(hashes), bool)
        size = self.width * self.dtype.itemsize
        place = {one: row for row, one in enumerate(hashes)}
        with self._errors():
            for start in range(0, len(hashes) if self._connection else 0, _AT_ONCE):
                some = hashes[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                question = f"SELECT hash, value FROM kept WHERE hash IN ({marks})"  # noqa: S608 - marks only
                for one, value in self._connected().execute(question, some):
                    if len(value) == size:
                        values[place[one]] = np.frombuffer(value, self.dtype)
                        absent[place[one]] = False
        return absent

    def add(self, hashes: Sequence[str], values: NDArray[Any]) -> None:
        """Keep rows of numbers."""
        if self._connection is None:
            return
        rows = np.ascontiguousarray(values, self.dtype)
        with self._errors(), self._connected() as connection:
            pairs = ((one, row.tobytes()) for one, row in zip(hashes, rows, strict=True))
            connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", pairs)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("closed")
        return self._connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Go on without the file where it fails."""
        try:
            yield
        except sqlite3.Error:
            self.close()


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(
            "PRAGMA synchronous=OFF"
        )  # a cache may lose its last rows with the machine's power
        connection.execute("CREATE TABLE IF NOT EXISTS kept (hash TEXT PRIMARY KEY, value BLOB NOT NULL)")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
