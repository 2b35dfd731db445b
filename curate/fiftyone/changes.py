"""What somebody changed of a sample in FiftyOne, as edits of its row.

A click changes one thing. Where the row would then contradict itself, the edit that follows is derived and
told as a line of its own:

- label to live: the attack goes;
- an attack given to a live sample: the label becomes spoof;
- an action unit graded: it was coded, so it joins au_domain, where there is one;
- an action unit emptied: it is not coded, so it leaves au_domain. (Absent is 0.)

What contradicts itself all the same is a problem for people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facedata.curate.fiftyone.shown import BOX, CLASSES, NUMBERS, OURS, POINTS
from facedata.curate.fiftyone.survey import TAGS
from facedata.datasets.errors import UsageError
from facedata.datasets.sample import SCHEMA, Sample
from facedata.datasets.versions.edits_file import Edit, changed

__all__ = ["Change", "changes", "contradictions"]

_PLACES = 6  # decimals of a slider's value; what is left below is the slider's arithmetic
_PIXEL = 2  # decimals of a coordinate in px
_UNIT = re.compile(r"au\.AU(\d{1,2})")


@dataclass(frozen=True, slots=True)
class Change:
    """An edit of a sample: `follows` is the field that it was derived from, empty where a person made it."""

    field: str
    old: str
    new: str
    follows: str = ""


def changes(row: Mapping[str, Any], before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Return the edits that lead from what was shown to what is shown, derived ones last.

    `row` is the row as it was pushed, `before` what `shown` says of it, `now` the values of the same paths.
    Raises UsageError where a value cannot be one of its field.
    """
    found: list[Change] = []
    derived: list[Change] = []
    for path, value in now.items():
        if path.startswith("au.") or path in (BOX, POINTS, "tags", "au_domain"):
            continue
        found += _plain(path, row, before.get(path), value)
    _settle(found, derived, row)
    found += _shapes(row, before, now)
    _units(found, derived, row, before, now)
    found += _tags(row, now)
    return found + derived


def contradictions(row: Mapping[str, Any], wanted: Sequence[Change]) -> list[str]:
    """Return what would be wrong with the row after the changes that is not wrong with it now."""
    full: dict[str, Any] = {**dict.fromkeys(SCHEMA.names), **row, "layers": []}
    full["attributes"] = json.dumps(row["attributes"]) if row["attributes"] else None
    sample = Sample.from_row(full)
    known = sample.problems()
    for one in wanted:
        after = changed(sample, Edit("FiftyOne", sample.sample_id, one.field, one.old, one.new))
        if isinstance(after, str):
            return [f"{one.field} is {after!r}, not {one.old!r}"]
        sample = after
    return [problem for problem in sample.problems() if problem not in known]


def _plain(path: str, row: Mapping[str, Any], before: Any, now: Any) -> list[Change]:
    """Return the change of a text, a number or an attribute."""
    if isinstance(now, str):
        now = now.strip() or None
        if now is not None and not now.isprintable():
            raise UsageError(f"{path} {now!r} holds a control character")
    if now == before:
        return []
    if path.startswith("attributes."):
        name = path.removeprefix("attributes.")
        base = row["attributes"].get(name)
        return [Change(path, _attribute(base, base), _attribute(now, base))]
    if path in NUMBERS:
        new = None if now is None else round(float(now), _PLACES)
        return [] if new == before else [Change(path, _number(before), _number(new))]
    field = path.removesuffix(".label") if path.removesuffix(".label") in CLASSES else path
    return [Change(field, before or "", now or "")]


def _settle(found: list[Change], derived: list[Change], row: Mapping[str, Any]) -> None:
    """Derive what follows of label and attack."""
    made = {one.field: one.new for one in found}
    label = made.get("label", row["label"] or "")
    attack = made.get("attack", row["attack"] or "")
    if label == "live" and attack:
        if "attack" not in made:
            derived.append(Change("attack", attack, "", follows="label"))
        elif "label" not in made:
            derived.append(Change("label", label, "spoof", follows="attack"))


def _shapes(row: Mapping[str, Any], before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Return the changes of box and landmarks, in px of the picture, to a hundredth of one."""
    found = []
    width, height = row["width"], row["height"]
    for path, field in ((BOX, "box"), (POINTS, "landmarks")):
        if path not in now or (now[path] or None) == before[path]:
            continue
        if now[path] and len(now[path]) > 1:
            raise UsageError(f"{len(now[path])} of {field}, and a sample has one")
        old = row[field] if field == "box" else [part for point in row[field] or () for part in point]
        new: list[float] = []
        if now[path]:
            flat = now[path][0]
            flat = flat if field == "box" else [part for point in flat for part in point]
            sides = (width, height)
            new = [round(share * sides[number % 2], _PIXEL) for number, share in enumerate(flat)]
        found.append(Change(field, _numbers(old or ()), _numbers(new)))
    return found


def _units(
    found: list[Change],
    derived: list[Change],
    row: Mapping[str, Any],
    before: Mapping[str, Any],
    now: Mapping[str, Any],
) -> None:
    """Add the changes of action units, and of which were coded."""
    levels = {one["au"]: one["intensity"] for one in row["au"] or ()}
    old = row["au_domain"]
    told = now.get("au_domain", old)
    domain = None if told is None else {int(unit) for unit in told}
    stated = domain != (None if old is None else set(old))
    for path, value in now.items():
        match = _UNIT.fullmatch(path)
        if match is None:
            continue
        level = None if value is None else round(float(value), _PLACES)
        if level == before.get(path) or value == before.get(path):
            continue
        unit = int(match[1])
        if level is not None or unit in levels:
            found.append(Change(f"au.{unit}", _number(levels.get(unit)), _number(level)))
        if domain is not None:
            (domain.discard if level is None else domain.add)(unit)
    if domain != (None if old is None else set(old)):
        change = Change(
            "au_domain",
            " ".join(map(str, old or ())),
            " ".join(map(str, sorted(domain or ()))),
            "" if stated else "au",
        )
        (found if stated else derived).append(change)


def _tags(row: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    if "tags" not in now:
        return []
    old = row["attributes"].get(TAGS)
    before = sorted(old) if isinstance(old, list) else []
    after = sorted({tag for tag in now["tags"] or () if not tag.startswith(OURS)})
    if after == before:
        return []
    return [Change(f"attributes.{TAGS}", _json(old) if old else "", _json(after) if after else "")]


def _attribute(value: Any, base: Any) -> str:
    """Spell an attribute as `facedata edit` reads it: a text where it was one, else JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value if isinstance(base, str) else _json(value)
    if isinstance(value, float):
        value = round(value, _PLACES)
        if value.is_integer() and not isinstance(base, float):
            value = int(value)
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _number(value: float | None) -> str:
    """Spell a number so that it is read as the same; 2 for 2.0."""
    return "" if value is None else repr(float(value)).removesuffix(".0")


def _numbers(values: Sequence[float]) -> str:
    return " ".join(map(_number, values))
