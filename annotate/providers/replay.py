"""Recorded answers: a journal, or a file of JSON lines, asked instead of a server.

Answers are found by the hash of the question (texts, pictures by content, schema, sampling), whoever gave
them. A line of a JSONL file has `question` and `text`, and whatever else an outcome has: `status`, `model`,
`usage`, `response_id`.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from facedata.annotate.providers.base import Outcome, Price, Request
from facedata.annotate.store import REUSED, read_outcome
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Usage

__all__ = ["Replay"]

_SQLITE = b"SQLite format 3\x00"
_FIELDS = ("status", "text", "model", "response_id", "usage", "detail")


class Replay:
    """Answers from `path`; free, and always the same."""

    name = "replay"
    model = "recorded"
    price = Price(0.0, 0.0)

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                journal = file.read(len(_SQLITE)) == _SQLITE
            self._answers = _from_journal(path) if journal else _from_lines(path)
        except (OSError, sqlite3.Error, ValueError, TypeError, KeyError, RecursionError) as error:
            raise UsageError(
                f"recorded answers {path} cannot be read ({error}); give a journal or JSON lines"
            ) from None
        if not self._answers:
            raise UsageError(f"{path} holds no recorded answer")

    def settings(self) -> dict[str, Any]:
        """Return the name: what was recorded names its model itself."""
        return {"provider": self.name, "model": self.model}

    def extra_key(self, request: Request) -> Any:
        """Return nothing."""
        del request

    def estimate(self, request: Request) -> Usage:
        """Return nothing: no token is paid for."""
        del request
        return Usage()

    async def answer(self, request: Request) -> Outcome:
        """Return the recorded answer."""
        question = request.question()
        found = self._answers.get(question)
        if found is None:
            return Outcome(status="error", detail=f"no answer to question {question} in {self.path.name}")
        return found

    async def close(self) -> None:
        """Nothing is held."""


def _from_journal(path: Path) -> dict[str, Outcome]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT question, status, outcome FROM journal ORDER BY number").fetchall()
    return {question: read_outcome(text) for question, status, text in rows if status in REUSED}


def _from_lines(path: Path) -> dict[str, Outcome]:
    found = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            question = values["question"]
            given = {name: values[name] for name in _FIELDS if name in values}
            given["text"] = values["text"]
            given["usage"] = Usage(**given.get("usage", {}))
            found[question] = Outcome(**{"status": "ok", **given})
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path}:{number}: not a recorded answer with `question` and `text` ({error!r})"
            ) from None
    return found
