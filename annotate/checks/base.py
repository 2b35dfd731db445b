"""What a check is: a function from an answer and its evidence to what is wrong with it.

A check sees one answer and judges one thing. It returns a line for people where the answer breaches it, an
empty string where it holds, and None where it does not apply (no action units were coded; the task has no
boxes). Whether a breach fails the record or flags it is the task's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facedata.annotate.tasks import Task
from facedata.datasets.instructions import Check, Status

__all__ = ["Answer", "CheckFunction", "InProse", "status_of", "values_at"]

_NOTHING_TO_REVIEW = frozenset({"schema", "refusal"})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer under test.

    `response` is the parsed answer, None where it could not be parsed, with `problem` saying why; `pairs` the
    questions and answers of the conversation; `texts` all prose of the response and of those answers. `memo`
    holds what several checks work out once.
    """

    task: Task
    evidence: Mapping[str, Any]
    response: Any
    pairs: Sequence[tuple[str, str]] = ()
    problem: str = ""
    texts: Sequence[str] = field(default_factory=list)
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class InProse(str):
    """A finding that rests on how prose was read; one in a field of the response is a plain string.

    `catalogue.FLAGS_IN_PROSE` names the checks that read prose too badly to fail an answer by it.
    """

    __slots__ = ()


CheckFunction = Callable[[Answer, Mapping[str, Any]], str | None]
"""From an answer and the task's settings for the check to a finding; see the module."""


def status_of(checks: Sequence[Check]) -> Status:
    """Return what becomes of a record.

    An answer of the wrong form, or none at all, is rejected: there is nothing in it to look at. Any other
    failure that the one repair left, and any flag, is for a person to decide.
    """
    failed = {one.rule for one in checks if one.status == "fail"}
    if failed & _NOTHING_TO_REVIEW:
        return "reject"
    return "review" if failed or any(one.status == "flag" for one in checks) else "accept"


def values_at(value: Any, path: str) -> Iterator[Any]:
    """Yield what lies at `path`, keys joined by dots; lists on the way are gone through item by item.

    >>> list(values_at({"regions": [{"box": 1}, {"box": 2}]}, "regions.box"))
    [1, 2]
    """
    if not path:
        yield value
    elif isinstance(value, Mapping):
        key, _, rest = path.partition(".")
        if key in value:
            yield from values_at(value[key], rest)
    elif isinstance(value, list):
        for item in value:
            yield from values_at(item, path)
