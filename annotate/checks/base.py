"""What a check is: a function from an answer and its evidence to what is wrong with it.

A check sees one answer and judges one thing. It returns a line for people where the answer breaches it, an
empty string where it holds, and None where it does not apply (no action units were coded; the task has no
boxes). Whether a breach fails the record or flags it is the task's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facedata.annotate.tasks import Task
from facedata.datasets.instructions import Check, Status

__all__ = ["Answer", "CheckFunction", "status_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer under test.

    `response` is the parsed answer, None where it could not be parsed, with `problem` saying why; `pairs` the
    questions and answers of the conversation; `texts` all prose of the response and of those answers.
    """

    task: Task
    evidence: Mapping[str, Any]
    response: Any
    pairs: Sequence[tuple[str, str]] = ()
    problem: str = ""
    texts: Sequence[str] = field(default_factory=list)


CheckFunction = Callable[[Answer, Mapping[str, Any]], str | None]
"""From an answer and the task's settings for the check to a finding; see the module."""


def status_of(checks: Sequence[Check]) -> Status:
    """Return what becomes of a record: one failed check rejects it, one flag sends it to review."""
    statuses = {one.status for one in checks}
    return "reject" if "fail" in statuses else "review" if "flag" in statuses else "accept"
