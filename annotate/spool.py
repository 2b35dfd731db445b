"""Finished records on their way to `instructions.parquet`: sorted, each id once, in flat memory."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from facedata.datasets.errors import TargetError
from facedata.datasets.instructions import Record

__all__ = ["Spool", "spelled"]

_PAGE = 512


def spelled(record: Record) -> tuple[str, str]:
    """Return a record's id and its JSON, one line."""
    return record.record_id, record.model_dump_json(exclude_none=True)


class Spool:
    """A scratch file of records; it need not outlive the run, since every answer is in the journal."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        with self._errors():
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=OFF")
            self._connection.execute("PRAGMA synchronous=OFF")
            self._connection.execute("CREATE TABLE records (id TEXT PRIMARY KEY, record TEXT) WITHOUT ROWID")

    def add(self, records: Iterable[Record]) -> None:
        """Add records; one that is there already, the same question asked twice, is kept once."""
        self.add_spelled(map(spelled, records))

    def add_spelled(self, rows: Iterable[tuple[str, str]]) -> None:
        """Add records as `spelled` gives them."""
        with self._errors():
            self._connection.executemany("INSERT OR IGNORE INTO records VALUES (?, ?)", rows)

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM records").fetchone()[0])

    def __iter__(self) -> Iterator[Record]:
        # Page by page, so that records may be replaced on the way.
        last, page = "", _PAGE
        while page == _PAGE:
            query = "SELECT id, record FROM records WHERE id > ? ORDER BY id LIMIT ?"
            with self._errors():
                rows = self._connection.execute(query, (last, _PAGE)).fetchall()
            page = len(rows)
            for last, text in rows:  # noqa: B007 - where the next page begins
                yield Record.model_validate_json(text)

    def replace(self, records: Iterable[Record]) -> None:
        """Put records in the place of those of the same ids."""
        rows = [(record.model_dump_json(exclude_none=True), record.record_id) for record in records]
        with self._errors():
            self._connection.executemany("UPDATE records SET record = ? WHERE id = ?", rows)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Say in one line what keeps the file from being written."""
        try:
            yield
        except sqlite3.Error as error:
            raise TargetError(
                f"cannot write the scratch file {self._path} ({error}); free some space and run again: what "
                "was paid for is in the journal"
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
