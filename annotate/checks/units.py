"""Checks of what is said about action units, against what was coded.

What is coded and not present is absent; what was not coded is not known, which is something else. Statements
are read from the response (`{au, present, side}`) and from prose.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from facedata.annotate.checks.base import Answer
from facedata.annotate.checks.scan import Claim, claims
from facedata.annotate.facs import ACTION_UNITS, PROTOTYPES, match

__all__ = ["au_names", "aus_complete", "aus_grounded", "polarity", "prototype", "side", "statements"]

_YES_NO = re.compile(r"\s*(yes|no)\b", re.IGNORECASE)
_LISTS = {"aus": "present", "present": "present", "action_units": "present", "absent": "absent"}
_AGREES = 0.34  # of the units that a prototype and a coding name together
_AFTER = re.compile(r"\s?(?:\(|[–—:-]\s|,\sthe\s|is\sthe\s)(?:the\s)?")
_BEFORE = re.compile(r"[(,]\s?(?:au|action unit)\s?$", re.IGNORECASE)
_LONGEST = 24  # characters of the longest name
_FLIP = {"present": "absent", "absent": "present"}


def statements(answer: Answer) -> list[Claim]:
    """Return all that an answer states about action units; a "no" denies what was asked."""
    if "units" not in answer.memo:
        found = list(_structured(answer.response))
        for text in answer.texts:
            found += claims(text)
        for question, reply in answer.pairs:
            if said := _YES_NO.match(reply):
                found += _answered(question, said.group(1).lower() == "yes")
        answer.memo["units"] = found
    known: list[Claim] = answer.memo["units"]
    return known


def _answered(question: str, yes: bool) -> Iterator[Claim]:
    for claim in claims(question.replace("?", ".")):
        turned = claim.polarity if yes else _FLIP[claim.polarity]
        yield Claim(claim.au, turned, claim.side, claim.start, claim.end, claim.others, claim.form)  # type: ignore[arg-type]


def _structured(value: Any) -> Iterator[Claim]:
    if isinstance(value, list):
        for item in value:
            yield from _structured(item)
    elif isinstance(value, dict):
        if isinstance(au := value.get("au"), int):
            shown = value.get("present", True) is not False and value.get("intensity", 1) != 0
            shown = shown and value.get("polarity", "present") in ("present", True)
            yield Claim(au, "present" if shown else "absent", value.get("side"), 0, 0, form="field")
        for key, item in value.items():
            if key in _LISTS and isinstance(item, list) and all(isinstance(one, int) for one in item):
                for one in item:
                    yield Claim(one, _LISTS[key], None, 0, 0, form="field")  # type: ignore[arg-type]
            elif isinstance(item, list | dict):
                yield from _structured(item)


def _coding(answer: Answer) -> tuple[frozenset[int], frozenset[int]] | None:
    """Return (present, coded) units, or None where nothing was coded."""
    if "coded" not in answer.evidence:
        return None
    present = frozenset(unit["au"] for unit in answer.evidence.get("aus", ()))
    return present, frozenset(answer.evidence["coded"])


def _named(units: set[int]) -> str:
    return ", ".join(f"AU{au}" for au in sorted(units))


def aus_complete(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find present units that the answer does not mention as present."""
    del settings
    if (coding := _coding(answer)) is None:
        return None
    said = {au for one in statements(answer) if one.polarity == "present" for au in (one.au, *one.others)}
    missing = set(coding[0]) - said
    return f"does not mention {_named(missing)}, which shows" if missing else ""


def aus_grounded(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find units that the answer asserts and that were coded as absent, or not coded at all."""
    del settings
    if (coding := _coding(answer)) is None:
        return None
    present, coded = coding
    wrong = {
        one.au
        for one in statements(answer)
        if one.polarity == "present" and present.isdisjoint((one.au, *one.others))
    }
    absent, unknown = wrong & coded, wrong - coded
    found = [f"asserts {_named(absent)}, coded as absent"] if absent else []
    found += [f"asserts {_named(unknown)}, which was not coded"] if unknown else []
    return "; ".join(found)


def polarity(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find present units that are denied, and units that were not coded and are called absent."""
    del settings
    if (coding := _coding(answer)) is None:
        return None
    present, coded = coding
    denied = [one for one in statements(answer) if one.polarity == "absent"]
    wrong = {au for one in denied for au in (one.au, *one.others) if au in present}
    unknown = {one.au for one in denied if one.form != "words" and one.au not in coded}
    found = [f"denies {_named(wrong)}, which shows"] if wrong else []
    found += [f"calls {_named(unknown)} absent, which was not coded"] if unknown else []
    return "; ".join(found)


def side(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find units that are put on the wrong side of the face, where the coding names one."""
    del settings
    known = {unit["au"]: unit["side"] for unit in answer.evidence.get("aus", ()) if unit.get("side")}
    if not known:
        return None
    for one in statements(answer):
        truth = known.get(one.au)
        # One side of a unit that shows on both is half of the truth, not an untruth.
        if one.polarity == "present" and one.side and truth and truth not in ("both", one.side):
            return f"puts AU{one.au} on the {one.side} side; it shows on the {truth}"
    return ""


def au_names(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find numbers that stand with the name, or the description, of another unit."""
    del settings
    for au, name, seen in _entries(answer.response):
        unit = ACTION_UNITS.get(au)
        if (
            unit
            and isinstance(name, str)
            and name.strip().lower() in _numbers()
            and name.strip().lower() != unit.name
        ):
            return f"calls AU{au} {name!r}; it is the {unit.name}"
        described = _described(answer, seen) if isinstance(seen, str) else []
        if described and not any(au in (one.au, *one.others) for one in described):
            return f"describes AU{described[0].au} under AU{au}"
    for text in answer.texts:
        for one in claims(text):
            if one.form == "number" and (unit := ACTION_UNITS.get(one.au)):
                name = _name_at(text, one)
                if name and name != unit.name:
                    return f"calls AU{one.au} {name!r}; it is the {unit.name}"
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
    if found := _AFTER.match(text, number.end):
        name = _first(text[found.end() : found.end() + _LONGEST].lower())
        listed = name is not None and found[0].startswith(",") and text[found.end() + len(name) :][:1] != ","
        return None if listed else name  # "AU1, the chin raiser and ..." is a list
    if found := _BEFORE.search(text, max(0, number.start - len("(action unit ")), number.start):
        return _last(text[max(0, found.start() - _LONGEST) : found.start()].rstrip().lower())
    return None


def _first(text: str) -> str | None:
    return next((name for name in _numbers() if text.startswith(name)), None) if text else None


def _last(text: str) -> str | None:
    return next((name for name in _numbers() if text.endswith(name)), None) if text else None


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


def prototype(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Note a coding that fits no published prototype of its expression; it is never wrong because of that.

    Setting `least` (default 0.34): the best agreement below which it is noted, see `facs.match`.
    """
    coding = _coding(answer)
    expression = answer.evidence.get("expression", {}).get("value")
    if coding is None or expression is None:
        return None
    fits = [
        (score, one.source)
        for one in PROTOTYPES
        if one.emotion == expression and (score := match(*coding, one)) is not None
    ]
    if not fits:
        return None
    best, _ = max(fits)
    if best >= settings.get("least", _AGREES):
        return ""
    sources = " and ".join(source for _, source in fits)
    return (
        f"{_named(set(coding[0])) or 'no unit'} agrees with {sources} on {expression} by {best:.2f} at most"
    )
