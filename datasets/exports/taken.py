"""Which records an export takes, and where the pictures of their samples lie: an index on disk.

Records come in the order of their ids and rows in that of theirs, so what is known of one is looked up for
the other. A dictionary of it would grow with the dataset; this is a file that goes away with the export.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

__all__ = ["Taken"]

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16000;
CREATE TABLE samples (id TEXT PRIMARY KEY, split TEXT NOT NULL, path TEXT) WITHOUT ROWID;
CREATE TABLE records (id TEXT PRIMARY KEY, sample TEXT NOT NULL, split TEXT NOT NULL, task TEXT NOT NULL,
                      answer TEXT, word TEXT) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX sample_of ON records (sample);
CREATE INDEX path_of ON samples (path) WHERE path IS NOT NULL;
"""


class Taken:
    """An index of samples and records, empty at first; a context, at whose end the file is removed."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="facedata-export-")
        self._file = sqlite3.connect(Path(self._folder.name) / "taken.sqlite", isolation_level=None)
        self._file.executescript(_TABLES + "BEGIN;")

    def __enter__(self) -> Taken:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._folder.cleanup()

    def add_samples(self, samples: Iterable[tuple[str, str]]) -> None:
        """Add (sample id, split)."""
        self._file.executemany("INSERT INTO samples (id, split) VALUES (?, ?)", samples)

    def split_of(self, sample: str) -> str | None:
        """Return the split of a sample, None where it was not added."""
        found: str | None = self._one("SELECT split FROM samples WHERE id = ?", sample)
        return found

    def take(self, record: str, sample: str, split: str, task: str, answer: str | None, word: int) -> None:
        """Add a record; `answer` is its class, if it is of one, and `word` its place among these."""
        values = (record, sample, split, task, answer, f"{word:016x}")
        self._file.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", values)

    def balance(self) -> list[tuple[str, str, str, int, int]]:
        """Keep of each answer of a split and task as many records as the rarest has, by their words.

        Return (split, task, answer, left out, all) of those of which some went.
        """
        told = self._file.execute(
            "SELECT split, task, answer, count(*), min(count(*)) OVER (PARTITION BY split, task) "
            "FROM records WHERE answer IS NOT NULL GROUP BY split, task, answer ORDER BY split, task, answer"
        ).fetchall()
        gone = []
        for split, task, answer, number, least in told:
            if number > least:
                self._file.execute(
                    "DELETE FROM records WHERE id IN (SELECT id FROM records WHERE split = ? AND task = ? "
                    "AND answer = ? ORDER BY word, id LIMIT -1 OFFSET ?)",
                    (split, task, answer, least),
                )
                gone.append((split, task, answer, number - least, number))
        return gone

    def close(self) -> int:
        """End the adding of records, and return how many are left."""
        self._file.executescript(_INDEXES)
        return int(self._one("SELECT count(*) FROM records") or 0)

    def wants(self, sample: str) -> bool:
        """Return whether any record is of the sample."""
        return self._one("SELECT 1 FROM records WHERE sample = ? LIMIT 1", sample) is not None

    def has_path(self, path: str) -> bool:
        """Return whether a sample's picture lies at this path."""
        return self._one("SELECT 1 FROM samples WHERE path = ?", path) is not None

    def put(self, sample: str, path: str) -> None:
        """Say where a sample's picture lies."""
        self._file.execute("UPDATE samples SET path = ? WHERE id = ?", (path, sample))

    def place(self, record: str) -> tuple[str, str] | None:
        """Return (split, path of the picture) of a record that is taken, else None."""
        with closing(
            self._file.execute(
                "SELECT records.split, samples.path FROM records JOIN samples ON samples.id = records.sample "
                "WHERE records.id = ?",
                (record,),
            )
        ) as found:
            row: tuple[str, str] | None = found.fetchone()
        return row

    def _one(self, query: str, *values: Any) -> Any:
        with closing(self._file.execute(query, values)) as found:
            row = found.fetchone()
        return None if row is None else row[0]
