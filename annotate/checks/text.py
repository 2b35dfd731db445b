"""All prose of an answer as one text, and its words: worked out once for all checks."""

from __future__ import annotations

import re

from facedata.annotate.checks.base import Answer

__all__ = ["text_of", "words_of"]

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def text_of(answer: Answer) -> str:
    """Return the answer's texts, one a line, with straight apostrophes."""
    if "text" not in answer.memo:
        answer.memo["text"] = "\n".join(answer.texts).replace("’", "'")
    found: str = answer.memo["text"]
    return found


def words_of(answer: Answer) -> frozenset[str]:
    """Return the words of the answer's texts in lower case."""
    if "words" not in answer.memo:
        answer.memo["words"] = frozenset(_WORD.findall(text_of(answer).lower()))
    found: frozenset[str] = answer.memo["words"]
    return found
