"""Answers that were paid for, by exact request: written down before anybody looks at them.

One SQLite file, which survives a killed process and may be read while a run writes to it. Nothing is ever
deleted or overwritten: each attempt is a line of the journal, and the newest usable one answers the next time
that the same thing is asked.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from facedata.annotate.providers.base import Outcome, OutcomeStatus
from facedata.datasets.errors import TargetError
from facedata.datasets.instructions import Usage

__all__ = ["REUSED", "Store"]

REUSED: tuple[OutcomeStatus, ...] = ("ok", "blocked", "truncated", "invalid")
"""Outcomes that were paid for. A refusal to the same request is still a refusal: it is not asked again."""

_TABLE = """
CREATE TABLE IF NOT EXISTS journal (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    status TEXT NOT NULL,
    outcome TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS journal_key ON journal (key, number);
"""


class Store:
    """The journal at `path`; None keeps it in memory, for answers that cost nothing.

    `again` names outcomes that are asked anew rather than taken from the journal.
    """

    def __init__(self, path: Path | None, again: tuple[str, ...] = ()) -> None:
        self.path = path
        self._reused = tuple(status for status in REUSED if status not in again)
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path or ":memory:", timeout=60, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            # A killed process loses nothing; only a power cut may take the last few answers.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise TargetError(
                f"the journal of answers {path} cannot be used ({error}); move it away, or give --journal"
            ) from None

    def get(self, key: str) -> Outcome | None:
        """Return the newest usable answer to the request `key`, or None."""
        marks = ", ".join("?" * len(self._reused))
        found = self._connection.execute(
            f"SELECT outcome FROM journal WHERE key = ? AND status IN ({marks}) ORDER BY number DESC",  # noqa: S608
            (key, *self._reused),
        ).fetchone()
        return None if found is None else _outcome(json.loads(found[0]))

    def put(self, key: str, outcome: Outcome) -> None:
        """Write an outcome down; it is on disk when this returns."""
        try:
            self._connection.execute(
                "INSERT INTO journal (key, status, outcome) VALUES (?, ?, ?)",
                (key, outcome.status, json.dumps(_plain(outcome), ensure_ascii=False)),
            )
        except sqlite3.Error as error:
            raise TargetError(
                f"cannot write to the journal of answers {self.path} ({error}); free some space and run "
                "again: what was answered is kept"
            ) from None

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM journal").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {**asdict(outcome), "usage": outcome.usage.model_dump()} if outcome.usage else asdict(outcome)


def _outcome(values: dict[str, Any]) -> Outcome:
    return Outcome(**{**values, "usage": Usage(**values["usage"])})
