"""The check that a unit's number stands with its own name and with its own description.

A name belongs to a number where a mark or a short phrase binds the two ("AU4 (brow lowerer)", "brow lowerer -
AU4", "AU4, also called the ..."). A description does where the number is its subject ("AU4 pulls the brows
together") or stands behind it in brackets ("the brows are drawn together (AU4)").
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from facedata.annotate.checks.base import Answer, InProse
from facedata.annotate.checks.scan import Claim, claims
from facedata.annotate.facs import ACTION_UNITS

__all__ = ["au_names"]

_CALLED = (
    r"(?:also )?(?:known|called|termed|named|referred to|described|coded|defined)(?: \w+){0,2}? (?:as )?"
)
_AFTER = re.compile(
    rf"\**\s?(?:\((?:{_CALLED}|i\.e\.,? |= ?)?|[–—:=-]\s?\**\s?|,\sthe\s|,?\s(?:i\.e\.,?|that is,?|namely)\s|"
    rf",?\s{_CALLED}|,?\sor\s|(?:is|being)\s)\**"
    r"(?:the\s|an?\s)?",
    re.IGNORECASE,
)
_UNIT = re.compile(r"(?:au|action unit)\s?$", re.IGNORECASE)
_BINDS = re.compile(
    r"(?:,?\s(?:or|i\.e\.,?|known (?:\w+ ){0,2}as|called|coded as|coded)\s|[\s*]*[(,–—:=-][\s*]*)$"
)
_REACH = 64  # characters before a number that may hold a name and what binds it
_BRACKET = re.compile(r"\([^()\d]{0,24}\d[^()]{0,32}\)")


def au_names(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find numbers that stand with the name, or the description, of another unit."""
    del settings
    for au, name, seen in _entries(answer.response):
        unit = ACTION_UNITS.get(au)
        if unit and isinstance(name, str):
            called = name.strip().lower()
            if called in _numbers() and called != unit.name:
                return f"calls AU{au} {name!r}; it is the {unit.name}"
        described = _described(answer, seen) if isinstance(seen, str) else []
        if described and not any(au in (one.au, *one.others) for one in described):
            return InProse(f"describes AU{described[0].au} under AU{au}")
    for text in answer.texts:
        if found := _in_prose(text):
            return InProse(found)
    return ""


def _in_prose(text: str) -> str:
    said = claims(text)
    numbers = [one for one in said if one.form == "number" and one.au in ACTION_UNITS]
    if not numbers:
        return ""
    described: dict[int, list[Claim]] = {}
    for one in said:
        if one.form == "words":
            described.setdefault(one.start, []).append(one)
    for one in numbers:
        name = _name_at(text, one)
        if name is not None:
            if name != ACTION_UNITS[one.au].name:
                return f"calls AU{one.au} {name!r}; it is the {ACTION_UNITS[one.au].name}"
            continue
        does = described.get(one.end + 1)
        if does and not any(one.au in (other.au, *other.others) for other in does):
            return f"describes AU{does[0].au} under AU{one.au}"
    return _bracketed(text, said, numbers) if "(" in text else ""


def _bracketed(text: str, said: Sequence[Claim], numbers: Sequence[Claim]) -> str:
    """Look at numbers in brackets behind what they are said to code."""
    after = 0
    for found in _BRACKET.finditer(text):
        inside = {one.au for one in numbers if found.start() < one.start < found.end()}
        if not inside:
            continue
        begin = max(after, *(text.rfind(mark, 0, found.start()) for mark in ".;:\n"))
        named = [one for one in said if one.form == "words" and begin <= one.start < found.start()]
        after = found.end()
        if named and inside.isdisjoint({au for one in named for au in (one.au, *one.others)}):
            listed = " and ".join(f"AU{au}" for au in sorted(inside))
            return f"describes AU{named[-1].au} under {listed}"
    return ""


def _described(answer: Answer, seen: str) -> list[Claim]:
    """Return what a unit's description asserts, as it is read in the conversation where it stands there."""
    for text in answer.texts:
        if (start := text.find(seen)) >= 0:
            end = start + len(seen)
            return [one for one in claims(text) if one.polarity == "present" and start <= one.start < end]
    return []


def _name_at(text: str, number: Claim) -> str | None:
    """Return the name that stands right after or before a number, if one does."""
    if (bound := _AFTER.match(text, number.end)) and (found := _names().match(text, bound.end())):
        # "AU1, the chin raiser and ..." is a list
        listed = bound[0].startswith(", the") and text[found.end() : found.end() + 1] not in (",", ".")
        return None if listed else found[0].lower()
    before = text[max(0, number.start - _REACH) : number.start].lower()
    if not (unit := _UNIT.search(before)) or not (bound := _BINDS.search(before, 0, unit.start())):
        return None
    before = before[: bound.start()]
    return next(
        (name for name in _ending().get(before.rpartition(" ")[2], ()) if before.endswith(name)), None
    )


def _entries(value: Any) -> Iterator[tuple[int, Any, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _entries(item)
    elif isinstance(value, dict):
        if isinstance(value.get("au"), int) and value.get("present", True) is not False:
            yield value["au"], value.get("name"), value.get("seen")
        for item in value.values():
            if isinstance(item, list | dict):
                yield from _entries(item)


@functools.cache
def _numbers() -> dict[str, int]:
    return {unit.name: unit.number for unit in ACTION_UNITS.values()}


@functools.cache
def _ending() -> dict[str, list[str]]:
    """Return names by their last word."""
    found: dict[str, list[str]] = {}
    for name in _numbers():
        found.setdefault(name.split()[-1], []).append(name)
    return found


@functools.cache
def _names() -> re.Pattern[str]:
    return re.compile("|".join(sorted(_numbers(), key=len, reverse=True)), re.IGNORECASE)
