"""Checks of what is said about action units, against what was coded.

What is coded and not present is absent; what was not coded is not known, which is something else. Statements
are read from the response (`{au, present, side}`) and from prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from facedata.annotate.checks.base import Answer, InProse
from facedata.annotate.checks.scan import Claim, claims
from facedata.annotate.facs import PROTOTYPES, match

__all__ = ["aus_complete", "aus_grounded", "polarity", "prototype", "side", "statements"]

_YES_NO = re.compile(r"\s*(yes|no)\b", re.IGNORECASE)
_LISTS = {"aus": "present", "present": "present", "action_units": "present", "absent": "absent"}
_AGREES = 0.34  # of the units that a prototype and a coding name together
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


def _finding(parts: Sequence[str], read: Iterable[Claim]) -> str:
    """Return what was found as one line, marked where none of what it rests on is a field."""
    line = "; ".join(parts)
    return line if any(one.form == "field" for one in read) else InProse(line)


def aus_complete(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find present units that the answer does not mention as present."""
    del settings
    if (coding := _coding(answer)) is None:
        return None
    read = statements(answer)
    said = {au for one in read if one.polarity == "present" for au in (one.au, *one.others)}
    missing = set(coding[0]) - said
    return _finding([f"does not mention {_named(missing)}, which shows"], read) if missing else ""


def aus_grounded(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find units that the answer asserts and that were coded as absent, or not coded at all."""
    del settings
    if (coding := _coding(answer)) is None:
        return None
    present, coded = coding
    claimed = [
        one
        for one in statements(answer)
        if one.polarity == "present" and present.isdisjoint((one.au, *one.others))
    ]
    wrong = {one.au for one in claimed}
    absent, unknown = wrong & coded, wrong - coded
    found = [f"asserts {_named(absent)}, coded as absent"] if absent else []
    found += [f"asserts {_named(unknown)}, which was not coded"] if unknown else []
    return _finding(found, claimed)


def polarity(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find present units that are denied, and units that were not coded and are called absent."""
    del settings
    if (coding := _coding(answer)) is None:
        return None
    present, coded = coding
    denied = [one for one in statements(answer) if one.polarity == "absent"]
    sides = {unit["au"]: unit.get("side") for unit in answer.evidence.get("aus", ())}
    against = [
        one
        for one in denied
        if any(au in present and not _elsewhere(one.side, sides[au]) for au in (one.au, *one.others))
    ]
    beyond = [one for one in denied if one.form != "words" and one.au not in coded]
    wrong = {au for one in against for au in (one.au, *one.others) if au in present}
    found = [f"denies {_named(wrong)}, which shows"] if wrong else []
    found += [f"calls {_named({one.au for one in beyond})} absent, which was not coded"] if beyond else []
    return _finding(found, [*against, *beyond])


def _elsewhere(said: str | None, shown: str | None) -> bool:
    """Say whether a denial speaks of the side on which the unit does not show anyway."""
    return said in ("left", "right") and shown in ("left", "right") and said != shown


def side(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find units that are put on the wrong side of the face, where the coding names one."""
    del settings
    known = {unit["au"]: unit["side"] for unit in answer.evidence.get("aus", ()) if unit.get("side")}
    if not known:
        return None
    for one in statements(answer):
        if one.polarity != "present" or not one.side:
            continue
        meant = next((au for au in (one.au, *one.others) if au in known), None)
        # One side of a unit that shows on both is half of the truth, not an untruth.
        if meant is not None and known[meant] not in ("both", one.side):
            return _finding([f"puts AU{meant} on the {one.side} side; it shows on the {known[meant]}"], [one])
    return ""


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
