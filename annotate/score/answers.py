"""Questions about a picture, what is true of them, and whether an answer says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Question", "answers_of", "questions_in", "right", "same_question", "yes_or_no"]

_YES_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_DENIERS = ("no", "not", "without", "neither", "nor", "isn", "aren")
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Question:
    """What is true of a question: `answer` is `yes`, `no` or a few words; `kind` is what it asks about."""

    kind: str
    answer: str

    @property
    def closed(self) -> bool:
        """Whether it is to be answered by yes or no."""
        return self.answer in ("yes", "no")


def same_question(text: str) -> str:
    """Return what is left of a question where case, marks and spaces play no part.

    >>> same_question("  Is this a happy face?")
    'is this a happy face'
    """
    return " ".join(_WORD.findall(text.lower()))


def questions_in(stated: Any) -> dict[str, Question] | None:
    """Return the questions of a sample's evidence, by `same_question`; None where there are none."""
    if not isinstance(stated, list | tuple):
        return None
    return {
        same_question(one["question"]): Question(one.get("kind", OTHER), one["answer"].strip().lower())
        for one in stated
    }


def answers_of(stated: Any) -> tuple[tuple[str, str], ...] | None:
    """Return the (question, answer) of an answer's structured part; None where it has none."""
    if not isinstance(stated, list):
        return None
    return tuple(
        (same_question(one["question"]), one["answer"])
        for one in stated
        if isinstance(one, Mapping)
        and isinstance(one.get("question"), str)
        and isinstance(one.get("answer"), str)
    )


def yes_or_no(answer: str) -> str | None:
    """Return the yes or no that an answer begins with, or None.

    >>> yes_or_no("No, there is no sign of it."), yes_or_no("Not at all.")
    ('no', None)
    """
    found = _YES_NO.match(answer)
    return None if found is None else found[1].lower()


def right(question: Question, answer: str) -> bool:
    """Return whether an answer says what is true: its yes or no, or the true words in a row and not denied.

    >>> right(Question("hair", "short"), "The hair is short."), right(Question("hair", "short"), "Not short.")
    (True, False)
    """
    if question.closed:
        return yes_or_no(answer) == question.answer
    said, true = _WORD.findall(answer.lower()), _WORD.findall(question.answer)
    for start in range(len(said) - len(true) + 1):
        denied = start > 0 and said[start - 1] in _DENIERS
        if said[start : start + len(true)] == true and not denied:
            return True
    return False
