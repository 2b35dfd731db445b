"""What is known of a picture, and what an answer says of it, in one form that the measures compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facedata.annotate.evidence import evidence_of
from facedata.annotate.facs import EXPRESSIONS
from facedata.annotate.score.answers import Question, answers_of, questions_in
from facedata.datasets.sample import Sample

__all__ = ["Box", "Facts", "facts_of_answer", "facts_of_evidence", "facts_of_sample", "stated_in"]

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels of the stored picture."""

_GRADES = {letter: float(level) for level, letter in enumerate("ABCDE", start=1)}
_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right", "b": "both", "both": "both"}
_BOTH = "both"
_WORDS = {"expression": "value", "label": "value", "attack": "species", "class": "value"}
"""Fields of an answer that hold a word, or an object with one."""
_LISTS = {"aus": "aus", "boxes": "boxes", "regions": "parts", "answers": "answers"}
"""Fields of an answer that hold a list, and what the list is called here."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Statements about one picture; None where nothing is said.

    `attack` is a species and `attack_class` one of the classes that a task distinguishes. `aus` maps each
    action unit that shows to its intensity (0-5, None where it is not graded); `coded` are the units that
    were looked at, so that one of them outside `aus` is absent, and any other one not coded. `sides` has the
    person's side (`left`, `right`, `both`) of each unit that shows, where sides were looked at. `boxes` say
    where the attack medium shows, none at all in a live picture; `confidences`, one a box, are None where
    they were not stated. `parts` are boxes of parts of the face by name. `questions` are what is true, and
    `answers` the (question, answer) that were given.
    """

    expression: str | None = None
    label: str | None = None
    attack: str | None = None
    attack_class: str | None = None
    aus: Mapping[int, float | None] | None = None
    coded: frozenset[int] | None = None
    sides: Mapping[int, str] | None = None
    boxes: tuple[Box, ...] | None = None
    confidences: tuple[float, ...] | None = None
    parts: Mapping[str, Box] | None = None
    questions: Mapping[str, Question] | None = None
    answers: tuple[tuple[str, str], ...] | None = None


def facts_of_sample(sample: Sample, asked: frozenset[str] = frozenset()) -> Facts:
    """Return the facts that a row states; its mask is read by `reading.Truth.boxes`.

    `parts` and the questions that `answers` are compared with are worked out only where they are `asked` for.
    """
    coded = None if sample.au_domain is None else frozenset(sample.au_domain)
    levels = sample.au or {}
    shows = {au: level for au, level in levels.items() if level is None or level > 0}
    evidence: dict[str, Any] = {}
    # The parameters of a rendered attack decide its class; only spoofs are worth working that out for.
    if sample.label == "spoof" or asked & {"parts", "answers"}:
        evidence = evidence_of(_without_detectors(sample))
    sides = (sample.attributes or {}).get("au_side")
    return Facts(
        expression=sample.expression if sample.expression in EXPRESSIONS else None,
        label=sample.label,
        attack=sample.attack,
        attack_class="live" if sample.label == "live" else evidence.get("attack_class"),
        aus=None if coded is None else shows,
        coded=coded,
        sides=None if coded is None or not isinstance(sides, Mapping) else _sides(sides, shows),
        boxes=() if sample.label == "live" else None,
        parts=_parts(evidence.get("parts")) if "parts" in asked else None,
        questions=questions_in(evidence.get("questions")) if "answers" in asked else None,
    )


def _without_detectors(sample: Sample) -> Sample:
    """Return the row without what detectors found in it, which is evidence but never the truth."""
    attributes = dict(sample.attributes or {})
    return sample.replace(attributes=attributes) if attributes.pop("detected", None) is not None else sample


def facts_of_evidence(evidence: Mapping[str, Any]) -> Facts:
    """Return the facts in a sample's evidence; see `annotate.evidence`.

    Units that a detector found are evidence, not facts: with one of them, nothing counts as coded. Sides were
    looked at where any unit has one: another unit of that picture is then on both.
    """
    coded = evidence.get("coded")
    listed = evidence.get("aus") or ()
    detected = any(one.get("origin") == "detector" for one in listed)
    if detected:
        coded = None
    label = _inner(evidence.get("label"), "value")
    region = evidence.get("region", {"boxes": []} if label == "live" else None)
    return Facts(
        expression=_inner(evidence.get("expression"), "value"),
        label=label,
        attack=_inner(evidence.get("attack"), "species"),
        attack_class=_inner(evidence.get("attack_class"), "value"),
        aus=None if coded is None else _units(listed),
        coded=None if coded is None else frozenset(coded),
        sides=None if coded is None else _stated_sides(listed),
        boxes=None if region is None else _boxes(region.get("boxes") or ())[0],
        parts=_parts(evidence.get("parts")),
        questions=None if detected else questions_in(evidence.get("questions")),
    )


def facts_of_answer(structured: Mapping[str, Any]) -> Facts:
    """Return what an answer's structured part says, by the field names that the tasks share.

    `expression`, `label`, `attack` and `class` are words; `aus` holds numbers or objects with `au` and
    perhaps `side`, `intensity` (0-5 or A-E) or `present: false`; `absent` holds numbers; `boxes` holds (x, y,
    width, height) or objects with `box` and perhaps `confidence`; `regions` holds objects with `name` and
    `box`, and `answers` such with `question` and `answer`. What cannot be read so is as good as not said.
    """
    listed = structured.get("aus")
    units = _units(listed) if isinstance(listed, list) else None
    absent = structured.get("absent")
    places = structured.get("boxes")
    boxes, confidences = _boxes(places) if isinstance(places, list) else (None, None)
    coded = None
    if units is not None and isinstance(absent, list):
        coded = frozenset(units) | {number for one in absent if (number := _number(one)) is not None}
    regions = structured.get("regions")
    return Facts(
        expression=_inner(structured.get("expression"), "value"),
        label=_inner(structured.get("label"), "value"),
        attack=_inner(structured.get("attack"), "species"),
        attack_class=_inner(structured.get("class"), "value"),
        aus=units,
        coded=coded,
        sides=_stated_sides(listed) if isinstance(listed, list) else None,
        boxes=boxes,
        confidences=confidences,
        parts=_regions(regions) if isinstance(regions, list) else None,
        answers=answers_of(structured.get("answers")),
    )


def stated_in(structured: Mapping[str, Any]) -> set[str]:
    """Return the names of what an answer's structured part speaks of, as fields of `Facts`."""
    found = {field for field, key in _WORDS.items() if _inner(structured.get(field), key) is not None}
    if "class" in found:
        found = found - {"class"} | {"attack_class"}
    found |= {name for field, name in _LISTS.items() if isinstance(structured.get(field), list)}
    if "aus" in found and any(map(_side, structured["aus"])):
        found.add("sides")
    return found


def _inner(value: Any, key: str) -> str | None:
    if isinstance(value, dict):
        value = value.get(key)
    return value.strip().lower() if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    if isinstance(value, dict):
        value = value.get("au")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _units(listed: Sequence[Any]) -> dict[int, float | None]:
    units: dict[int, float | None] = {}
    for one in listed:
        number = _number(one)
        if number is None or (isinstance(one, dict) and one.get("present") is False):
            continue
        level = _intensity(one)
        if level == 0:
            continue  # intensity 0 is FACS for absent
        # A unit named twice, as for its two sides, counts once, with the stronger grade.
        earlier = units.get(number)
        units[number] = level if earlier is None else max(earlier, level or 0.0)
    return units


def _stated_sides(listed: Sequence[Any]) -> dict[int, str] | None:
    """Return the side of each unit that shows, or None where none is named."""
    if not any(map(_side, listed)):
        return None
    units = _units(listed)
    stated: dict[int, str] = {}
    for one in listed:
        side, number = _side(one), _number(one)
        if side is not None and number is not None and number in units:
            stated[number] = side if stated.get(number, side) == side else _BOTH
    return {unit: stated.get(unit, _BOTH) for unit in units} if stated else None


def _side(one: Any) -> str | None:
    return _SIDES.get(str(one.get("side", "")).strip().lower()) if isinstance(one, dict) else None


def _sides(sides: Mapping[str, Any], shows: Mapping[int, Any]) -> dict[int, str]:
    return {unit: _SIDES.get(str(sides.get(str(unit), _BOTH)).lower(), _BOTH) for unit in shows}


def _intensity(one: Any) -> float | None:
    if not isinstance(one, dict):
        return None
    level = one.get("intensity")
    if isinstance(level, int | float) and not isinstance(level, bool) and 0 <= level <= 5:
        return float(level)
    return _GRADES.get(str(one.get("grade", level)).strip().upper())


def _boxes(listed: Sequence[Any]) -> tuple[tuple[Box, ...], tuple[float, ...] | None]:
    boxes, confidences = [], []
    for one in listed:
        place = _box(one.get("box") if isinstance(one, dict) else one)
        if place is None:
            continue
        boxes.append(place)
        if isinstance(one, dict) and _is_real(one.get("confidence")):
            confidences.append(float(one["confidence"]))
    return tuple(boxes), tuple(confidences) if confidences and len(confidences) == len(boxes) else None


def _regions(listed: Sequence[Any]) -> dict[str, Box]:
    """Return the first box of each name."""
    found: dict[str, Box] = {}
    for one in listed:
        if isinstance(one, dict) and isinstance(name := one.get("name"), str):
            place = _box(one.get("box"))
            if place is not None:
                found.setdefault(name.strip().lower(), place)
    return found


def _parts(stated: Any) -> dict[str, Box] | None:
    if not isinstance(stated, Mapping):
        return None
    return {name: place for name, value in stated.items() if (place := _box(value)) is not None}


def _box(value: Any) -> Box | None:
    if not (isinstance(value, list | tuple) and len(value) == 4 and all(map(_is_real, value))):
        return None
    return float(value[0]), float(value[1]), float(value[2]), float(value[3])


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
