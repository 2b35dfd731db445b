"""Answers that were paid for, by exact request: written down before anybody looks at them.

One SQLite file, which survives a killed process and may be read while a run writes to it. Nothing is ever
deleted or overwritten: each attempt is a line of the journal, and the newest usable one answers the next time
that the same thing is asked. Batch jobs are written down before they are sent, so that a run which was killed
finds them again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from facedata.annotate.providers.base import Outcome, OutcomeStatus
from facedata.datasets.errors import TargetError
from facedata.datasets.instructions import Usage

__all__ = ["REUSED", "Batch", "Store", "read_outcome"]

REUSED: tuple[OutcomeStatus, ...] = ("ok", "blocked", "truncated", "invalid")
"""Outcomes that were paid for. A refusal to the same request is still a refusal: it is not asked again."""

_TABLES = """
CREATE TABLE IF NOT EXISTS journal (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    question TEXT NOT NULL,
    status TEXT NOT NULL,
    outcome TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS journal_key ON journal (key, number);
CREATE TABLE IF NOT EXISTS batches (
    label TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    name TEXT,
    asked TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0
);
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch job: `name` is the server's, None where it is not known to have arrived.

    `asked` has a (key, question) pair for each request.
    """

    label: str
    name: str | None
    asked: tuple[tuple[str, str], ...]


class Store:
    """The journal at `path`; None keeps nothing, for answers that cost nothing.

    `again` names outcomes of earlier runs that are asked anew rather than taken from the journal.
    """

    def __init__(self, path: Path | None, again: Sequence[str] = ()) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            # A killed process loses nothing; only a power cut may take the last few answers.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_TABLES)
            newest = self._connection.execute("SELECT coalesce(max(number), 0) FROM journal").fetchone()[0]
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:  # of what a damaged file says
            self.close()
            raise _damaged(path, error) from None
        # What this very run was answered counts even where such outcomes are asked anew.
        self._found = (
            "SELECT outcome FROM journal WHERE key = ? "  # noqa: S608 - statuses are a closed set of words
            f"AND (status IN ({_listed(set(REUSED) - set(again))}) "
            f"OR (status IN ({_listed(set(REUSED))}) AND number > {int(newest)})) ORDER BY number DESC"
        )

    def get(self, key: str) -> Outcome | None:
        """Return the newest usable answer to the request `key`, or None."""
        if self._connection is None:
            return None
        try:
            found = self._connection.execute(self._found, (key,)).fetchone()
            return None if found is None else read_outcome(found[0])
        except (sqlite3.Error, ValueError, TypeError, KeyError, RecursionError) as error:
            raise _damaged(self.path, error) from None

    def put(self, key: str, question: str, outcome: Outcome) -> None:
        """Write an outcome down; it is on disk when this returns."""
        values = json.dumps({**asdict(outcome), "usage": outcome.usage.model_dump()}, ensure_ascii=False)
        self._write(
            "INSERT INTO journal (key, question, status, outcome) VALUES (?, ?, ?, ?)",
            (key, question, outcome.status, values),
        )

    def begin_batch(self, label: str, provider: str, asked: Sequence[tuple[str, str]]) -> None:
        """Write down that a batch job is about to be sent."""
        self._write(
            "INSERT OR REPLACE INTO batches (label, provider, asked) VALUES (?, ?, ?)",
            (label, provider, json.dumps(asked)),
        )

    def name_batch(self, label: str, name: str) -> None:
        """Write down the server's name of a batch job."""
        self._write("UPDATE batches SET name = ? WHERE label = ?", (name, label))

    def end_batch(self, label: str) -> None:
        """Write down that everything of a batch job was fetched, or that it never arrived."""
        self._write("UPDATE batches SET done = 1 WHERE label = ?", (label,))

    def open_batches(self, provider: str) -> list[Batch]:
        """Return the batch jobs of a provider that were begun and not fetched."""
        if self._connection is None:
            return []
        question = "SELECT label, name, asked FROM batches WHERE provider = ? AND NOT done ORDER BY rowid"
        try:
            rows = self._connection.execute(question, (provider,)).fetchall()
            return [
                Batch(label, name, tuple((key, question) for key, question in json.loads(asked)))
                for label, name, asked in rows
            ]
        except (sqlite3.Error, ValueError, TypeError, RecursionError) as error:
            raise _damaged(self.path, error) from None

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        if self._connection is None:
            return
        try:
            self._connection.execute(statement, values)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise TargetError(
                f"cannot write to the journal of answers {self.path} ({error}); free some space and run "
                "again: what was answered is kept"
            ) from None

    def __len__(self) -> int:
        if self._connection is None:
            return 0
        return int(self._connection.execute("SELECT count(*) FROM journal").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _damaged(path: Path | None, error: Exception) -> TargetError:
    return TargetError(
        f"the journal of answers {path} cannot be used ({error}); move it away, or give --journal"
    )


def read_outcome(text: str) -> Outcome:
    """Return an outcome as the journal holds it."""
    values = json.loads(text)
    return Outcome(**{**values, "usage": Usage(**values["usage"])})


def _listed(statuses: set[OutcomeStatus]) -> str:
    return ", ".join(f"'{status}'" for status in sorted(statuses)) or "NULL"
