"""What people see and can change of a row, by its path in FiftyOne.

The same function fills the documents of a push and says, at the pull, what had been there: so whatever
differs by then is somebody's edit, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from facedata.curate.fiftyone.survey import TAGS

__all__ = [
    "BOX",
    "CLASSES",
    "NUMBERS",
    "OURS",
    "POINTS",
    "SOURCES",
    "TEXTS",
    "editable",
    "shown",
    "unit_path",
]

CLASSES = ("label", "attack", "expression")
NUMBERS = ("valence", "arousal", "confidence")
TEXTS = ("split", "subject", "domain")
SOURCES = ("source.dataset", "source.licence")
BOX = "box.detections.bounding_box"
POINTS = "landmarks.keypoints.points"

OURS = "audit:"
"""Tags with this prefix were put there by a push, and are not pulled."""


def unit_path(unit: int) -> str:
    """Return the path of an action unit.

    >>> unit_path(12)
    'au.AU12'
    """
    return f"au.AU{unit}"


def editable(units: Iterable[int], attributes: Iterable[str]) -> list[str]:
    """Return the paths that a pull reads."""
    names = [f"{name}.label" for name in CLASSES]
    names += [*NUMBERS, *TEXTS, *SOURCES, BOX, POINTS, "tags", "au_domain"]
    return names + [unit_path(unit) for unit in units] + [f"attributes.{name}" for name in attributes]


def shown(row: Mapping[str, Any], units: Iterable[int], attributes: Iterable[str]) -> dict[str, Any]:
    """Return the value of each path; `row` is one of samples.parquet with its attributes parsed.

    A unit that was coded and does not show is 0; one that was not coded, or is present and not graded, is
    None. Boxes are x, y, width, height and points x, y, as shares of the picture's sides; there is a list of
    boxes and of faces' points, of one or none.
    """
    values: dict[str, Any] = {f"{name}.label": row[name] for name in CLASSES}
    for name in (*NUMBERS, *TEXTS):
        values[name] = row[name]
    source = row["source"] or {}
    values["source.dataset"], values["source.licence"] = source.get("dataset"), source.get("licence")
    width, height = row["width"], row["height"]
    values[BOX] = values[POINTS] = None
    if (box := row["box"]) is not None:
        values[BOX] = [[box[0] / width, box[1] / height, box[2] / width, box[3] / height]]
    if (points := row["landmarks"]) is not None:
        values[POINTS] = [[[x / width, y / height] for x, y in points]]
    known = row["attributes"]
    values["tags"] = sorted(known[TAGS]) if isinstance(known.get(TAGS), list) else []
    values["au_domain"] = row["au_domain"]
    levels = {one["au"]: one["intensity"] for one in row["au"] or ()}
    coded = row["au_domain"] or ()
    for unit in units:
        values[unit_path(unit)] = levels.get(unit, 0.0 if unit in coded else None)
    for name in attributes:
        value = known.get(name)
        values[f"attributes.{name}"] = float(value) if type(value) is int else value
    return values
