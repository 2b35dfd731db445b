"""What is known of a picture, and what an answer says of it, in one form that the measures compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facedata.annotate.evidence import evidence_of
from facedata.annotate.facs import EXPRESSIONS
from facedata.datasets.sample import Sample

__all__ = ["Box", "Facts", "facts_of_answer", "facts_of_evidence", "facts_of_sample"]

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels of the stored picture."""

_GRADES = {letter: float(level) for level, letter in enumerate("ABCDE", start=1)}


@dataclass(frozen=True, slots=True)
class Facts:
    """Statements about one picture; None where nothing is said.

    `attack` is a species and `attack_class` one of the classes that a task distinguishes. `aus` maps each
    action unit that shows to its intensity (0-5, None where it is not graded); `coded` are the units that
    were looked at, so that one of them outside `aus` is absent, and any other one not coded. `boxes` say
    where the attack medium shows, none at all in a live picture; `confidences`, one a box, are None where
    they were not stated.
    """

    expression: str | None = None
    label: str | None = None
    attack: str | None = None
    attack_class: str | None = None
    aus: Mapping[int, float | None] | None = None
    coded: frozenset[int] | None = None
    boxes: tuple[Box, ...] | None = None
    confidences: tuple[float, ...] | None = None

    def stated(self) -> set[str]:
        """Return the names of what is said at all."""
        return {
            name
            for name in ("expression", "label", "attack", "attack_class", "aus", "boxes")
            if getattr(self, name) is not None
        }


def facts_of_sample(sample: Sample) -> Facts:
    """Return the facts that a row states; its mask is read by `reading.Truth.boxes`."""
    coded = None if sample.au_domain is None else frozenset(sample.au_domain)
    levels = sample.au or {}
    attack_class = sample.label if sample.label == "live" else None
    if sample.label == "spoof":
        # The parameters of a rendered attack decide its class; only spoofs are worth working that out for.
        attack_class = evidence_of(sample).get("attack_class")
    return Facts(
        expression=sample.expression if sample.expression in EXPRESSIONS else None,
        label=sample.label,
        attack=sample.attack,
        attack_class=attack_class,
        aus=None
        if coded is None
        else {au: level for au, level in levels.items() if level is None or level > 0},
        coded=coded,
        boxes=() if sample.label == "live" else None,
    )


def facts_of_evidence(evidence: Mapping[str, Any]) -> Facts:
    """Return the facts in a sample's evidence; see `annotate.evidence`.

    Units that a detector found are evidence, not facts: with one of them, nothing counts as coded.
    """
    coded = evidence.get("coded")
    if any(one.get("origin") == "detector" for one in evidence.get("aus") or ()):
        coded = None
    label = _inner(evidence.get("label"), "value")
    region = evidence.get("region", {"boxes": []} if label == "live" else None)
    return Facts(
        expression=_inner(evidence.get("expression"), "value"),
        label=label,
        attack=_inner(evidence.get("attack"), "species"),
        attack_class=_inner(evidence.get("attack_class"), "value"),
        aus=None if coded is None else _units(evidence.get("aus") or ()),
        coded=None if coded is None else frozenset(coded),
        boxes=None if region is None else _boxes(region.get("boxes") or ())[0],
    )


def facts_of_answer(structured: Mapping[str, Any]) -> Facts:
    """Return what an answer's structured part says, by the field names that the tasks share.

    `expression`, `label`, `attack` and `class` are words; `aus` holds numbers or objects with `au` and
    perhaps `intensity` (0-5 or A-E) or `present: false`; `absent` holds numbers; `boxes` holds (x, y, width,
    height) or objects with `box` and perhaps `confidence`. What cannot be read so is as good as not said.
    """
    listed = structured.get("aus")
    units = _units(listed) if isinstance(listed, list) else None
    absent = structured.get("absent")
    places = structured.get("boxes")
    boxes, confidences = _boxes(places) if isinstance(places, list) else (None, None)
    coded = None
    if units is not None and isinstance(absent, list):
        coded = frozenset(units) | {number for one in absent if (number := _number(one)) is not None}
    return Facts(
        expression=_inner(structured.get("expression"), "value"),
        label=_inner(structured.get("label"), "value"),
        attack=_inner(structured.get("attack"), "species"),
        attack_class=_inner(structured.get("class"), "value"),
        aus=units,
        coded=coded,
        boxes=boxes,
        confidences=confidences,
    )


def _inner(value: Any, key: str) -> str | None:
    if isinstance(value, Mapping):
        value = value.get(key)
    return value.strip().lower() if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    if isinstance(value, Mapping):
        value = value.get("au")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _units(listed: Sequence[Any]) -> dict[int, float | None]:
    units: dict[int, float | None] = {}
    for one in listed:
        number = _number(one)
        if number is None or (isinstance(one, Mapping) and one.get("present") is False):
            continue
        level = _intensity(one)
        if level == 0:
            continue  # intensity 0 is FACS for absent
        # A unit named twice, as for its two sides, counts once, with the stronger grade.
        earlier = units.get(number)
        units[number] = level if earlier is None else max(earlier, level or 0.0)
    return units


def _intensity(one: Any) -> float | None:
    if not isinstance(one, Mapping):
        return None
    level = one.get("intensity")
    if isinstance(level, int | float) and not isinstance(level, bool) and 0 <= level <= 5:
        return float(level)
    return _GRADES.get(str(one.get("grade", level)).strip().upper())


def _boxes(listed: Sequence[Any]) -> tuple[tuple[Box, ...], tuple[float, ...] | None]:
    boxes, confidences = [], []
    for one in listed:
        place = one.get("box") if isinstance(one, Mapping) else one
        if not (isinstance(place, list | tuple) and len(place) == 4 and all(map(_is_real, place))):
            continue
        boxes.append((float(place[0]), float(place[1]), float(place[2]), float(place[3])))
        if isinstance(one, Mapping) and _is_real(one.get("confidence")):
            confidences.append(float(one["confidence"]))
    return tuple(boxes), tuple(confidences) if confidences and len(confidences) == len(boxes) else None


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
