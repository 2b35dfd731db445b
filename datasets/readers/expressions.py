"""What expression datasets say of a face, in one vocabulary.

A shown expression is one of `EXPRESSIONS`, or `other` where a source says that it is something else. What a
person was asked or made to feel is not an expression; readers keep it in `attributes`. Action units follow
`Sample.au`: a number where the source grades the unit, None where it says "present" alone, and only units
that were coded are in the domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facedata.datasets.readers.base import Note

__all__ = ["EXPRESSIONS", "au_values", "codes_note", "finite", "presence", "whole"]

EXPRESSIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""Neutral, the six basic expressions and contempt, by the nouns that FERPlus, ABAW and the demo faces use."""


def au_values(levels: Mapping[int, float | None]) -> dict[str, Any]:
    """Return `au` and `au_domain`; `levels` gives each coded unit 0 (absent), up to 5, or None (present).

    >>> au_values({1: 0, 12: 3, 25: None})
    {'au': {12: 3.0, 25: None}, 'au_domain': (1, 12, 25)}
    >>> au_values({})
    {}
    """
    if not levels:
        return {}
    shown = {unit: level if level is None else float(level) for unit, level in levels.items() if level != 0}
    return {"au": dict(sorted(shown.items())), "au_domain": tuple(sorted(levels))}


def presence(code: int) -> float | None:
    """Return a level for an occurrence code: 1 is present and not graded, 0 is absent."""
    return None if code else 0.0


def codes_note(title: str, codes: Mapping[int, str | None]) -> Note:
    """Return the note that says which expression each code was taken for."""
    words = (f"{code} {name or 'no expression'}" for code, name in codes.items())
    return Note(f"{title} expression codes: {', '.join(words)}")


def finite(text: str) -> float | None:
    """Return a finite number, or None where the text is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def whole(text: str) -> int | None:
    """Return a whole number, also one that is written as `6.0000000e+00`, or None where the text is none."""
    number = finite(text)
    return int(number) if number is not None and number == int(number) else None
