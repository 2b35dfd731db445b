"""Evidence: what is known of a sample, with its origin, as tasks, checks and people read it.

    label       {value, origin}       attack   {species, class, family, medium, called, origin}; part
                and covering where only a part of the face is covered
    expression  {value, origin}       valence, arousal, confidence
    aus         [{au, name, region, side, intensity, grade, strength, origin}, ...]    those that show
    coded       [1, 2, ...]  the units that were coded at all; absent: those of them that do not show
    steps       [{operator, parameters}]     what was rendered, in physical units
    signs       [{name, kind, where, values}]    what gives a medium away, or speaks for a live face: signs.py
    region      {boxes: [[x, y, width, height]], share, edges, origin}    where the attack medium shows
    attack_class  one of twelve        lineage  [real] or [forged, family, medium, species]
    attributes  [{name, value, level, says}]    visible traits       parts    {eyes: box, ...}
    questions   [{question, answer, ...}]    choices  four expressions, the shown one among them
    face        [x, y, width, height]        picture  {width, height}

Only what the row says goes in; a key is missing where the row says nothing. `origin` is `truth` (rendered),
`human` (a dataset's coders), `detector` (with `tool`; only where no human coded the face) or `adjudicated`.
`side` is the person's own; a unit that is present without a grade has no intensity. What somebody felt or was
asked to show is never taken for an expression. Age, gender and race come under `demographics`, and only those
that are asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.annotate.facs import ACTION_UNITS, EXPRESSIONS, grade
from facedata.annotate.knowledge import knowledge, species
from facedata.annotate.questions import choices_of, questions_of
from facedata.annotate.signs import signs_of
from facedata.datasets.sample import Sample

__all__ = ["DEMOGRAPHICS", "demographics_of", "evidence_of", "origin_of", "region_of"]

DEMOGRAPHICS = ("age", "gender", "race")
_SMALLEST = 0.002  # of the picture: specks of a mask are no place that one would point at
_BARE = 0.3  # of a side of the picture that shows no medium: there the medium ends inside
_PARTS = {"brows": (17, 27), "eyes": (36, 48), "nose": (27, 36), "mouth": (48, 68)}
"""Points of iBUG's 68 by what they bound."""
_RIM = 0.1
"""Of the distance of the eyes' outer corners: the points run along brows and lips, not round them."""
_COVERED = ("upper", "lower", "left", "right", "eyes", "mouth")
"""Parts of a face that an attack may cover while the rest is alive."""
_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}


def evidence_of(
    sample: Sample, mask: NDArray[np.uint8] | None = None, wanted: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the evidence of a sample, JSON-ready; `mask`, uint8 H x W, is its layer of that name.

    `wanted` holds the keys that will be looked at, None all of them: what takes long and is not among them
    is left out.
    """
    found: dict[str, Any] = {"picture": {"width": sample.width, "height": sample.height}}
    if sample.label is not None:
        found["label"] = {"value": sample.label, "origin": origin_of(sample, "label")}
    if sample.attack is not None:
        known = {"species": sample.attack, **species(sample.attack)}
        found["attack"] = {**known, **_partly(sample), "origin": origin_of(sample, "attack")}
    found |= _classes(sample, found.get("attack", {}))
    found |= _expression(sample)
    if sample.box is not None:
        found["face"] = [round(value, 1) for value in sample.box]
    if sample.landmarks is not None and len(sample.landmarks) == 68 and _among("parts", wanted):
        found["parts"] = _parts(sample.landmarks, sample.width, sample.height)
    if steps := _steps(sample.parameters):
        found["steps"] = steps
    if sample.label == "live":
        found["region"] = {"boxes": [], "share": 0.0, "edges": [], "origin": origin_of(sample, "label")}
    elif mask is not None and sample.label == "spoof" and (region := region_of(mask)) is not None:
        found["region"] = {**region, "origin": "truth"}
    return found | _derived(sample, found, wanted)


def _among(key: str, wanted: Collection[str] | None) -> bool:
    return wanted is None or key in wanted


def _derived(sample: Sample, found: Mapping[str, Any], wanted: Collection[str] | None) -> dict[str, Any]:
    """Return what follows from the rest: signs, attributes, questions and options."""
    more: dict[str, Any] = {}
    if _among("signs", wanted) and (signs := signs_of(sample, found.get("region"))) is not None:
        more["signs"] = signs
    # what an attack's picture is of stays, but round it stands another scene in another light
    levels = ("person",) if sample.label == "spoof" else ("person", "image")
    if attributes := [one for one in _attributes(sample.attributes or {}) if one["level"] in levels]:
        more["attributes"] = attributes
    if _among("questions", wanted) and (questions := questions_of({**found, **more})):
        more["questions"] = questions
    if "expression" in found and _among("choices", wanted):
        more["choices"] = choices_of(found["expression"]["value"], sample.sample_id)
    return more


def demographics_of(sample: Sample, asked: Sequence[str]) -> dict[str, Any]:
    """Return the demographics that a task asks for and the row states; nothing else reads them."""
    known = sample.attributes or {}
    return {name: known[name] for name in asked if name in DEMOGRAPHICS and known.get(name) is not None}


def region_of(mask: NDArray[np.uint8]) -> dict[str, Any] | None:
    """Return boxes (x, y, width, height; pixels) of a mask's connected parts, largest first; share and edges.

    A pixel counts from half coverage on. `edges` names the sides at which the picture shows something else.
    None where nothing is covered.
    """
    covered = (mask >= 128).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(covered, connectivity=8)
    parts = sorted((stats[number] for number in range(1, count)), key=lambda part: -int(part[4]))
    boxes = [[int(value) for value in part[:4]] for part in parts if part[4] >= _SMALLEST * mask.size]
    if not boxes:
        return None
    borders = {"upper": covered[0], "lower": covered[-1], "left": covered[:, 0], "right": covered[:, -1]}
    edges = [name for name, pixels in borders.items() if 1 - float(pixels.mean()) >= _BARE]
    return {"boxes": boxes, "share": round(float(covered.mean()), 4), "edges": edges}


def _classes(sample: Sample, attack: Mapping[str, Any]) -> dict[str, Any]:
    """Return the class and the levels of the tree, where label and species tell them."""
    if sample.label == "live":
        return {"attack_class": "live", "lineage": ["real"]}
    if sample.label != "spoof" or "family" not in attack:
        return {}
    levels = ["forged", attack["family"], attack["medium"]]
    found: dict[str, Any] = {"lineage": [*levels, attack["known"]] if "/" in attack["known"] else levels}
    if "class" in attack:
        paper = "part" in attack and attack["species"].split("/")[0] in ("print", "paper")
        found["attack_class"] = "partial-paper" if paper else attack["class"]
    return found


def _partly(sample: Sample) -> dict[str, Any]:
    """Return which part of a live face the attack covers, where it is one, and what that is called."""
    for step in _steps(sample.parameters):
        told = step["parameters"]
        part = next((told[name] for name in ("part", "covers") if told.get(name) in _COVERED), None)
        if part is None and told.get("behind") == "live":
            part = "some"
        words = knowledge("attacks")["partly"].get(str(sample.attack).split("/")[0])
        if part is not None and words is not None:
            return {"part": part, **words}
    return {}


def _parts(landmarks: Sequence[tuple[float, float]], width: int, height: int) -> dict[str, list[float]]:
    """Return the boxes of the parts of a face, with a rim, inside the picture."""
    points = np.asarray(landmarks, np.float64)
    rim = _RIM * float(np.hypot(*(points[45] - points[36])))
    found = {}
    for name, (first, end) in _PARTS.items():
        left, top = np.maximum(points[first:end].min(0) - rim, 0)
        right, bottom = np.minimum(points[first:end].max(0) + rim, (width, height))
        if right > left and bottom > top:
            found[name] = [round(float(value), 1) for value in (left, top, right - left, bottom - top)]
    return found


def _expression(sample: Sample) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if sample.expression in EXPRESSIONS:
        found["expression"] = {"value": sample.expression, "origin": origin_of(sample, "expression")}
    if sample.au_domain is not None:
        origin = {"origin": origin_of(sample, "au")}
        sides = (sample.attributes or {}).get("au_side") or {}
        found |= _action_units(sample.au or {}, sample.au_domain, sides, origin)
    else:
        found |= _detected(sample)
    measured = {name: getattr(sample, name) for name in ("valence", "arousal", "confidence")}
    return found | {name: value for name, value in measured.items() if value is not None}


def _detected(sample: Sample) -> dict[str, Any]:
    """Return the units that a detector says show: the first tool by name that tells present from absent."""
    tools = (sample.attributes or {}).get("detected") or {}
    for name in sorted(tools):
        told = tools[name]
        if told.get("au_domain") and "au_present" in told:
            levels = {int(au): level for au, level in (told.get("au") or {}).items()}
            # a regressor's level of a unit that its classifier takes for absent, or of none, is no grade
            present = {int(au): levels.get(int(au)) or None for au in told["au_present"]}
            return _action_units(present, told["au_domain"], {}, {"origin": "detector", "tool": name})
    return {}


def _action_units(
    levels: Mapping[int, float | None],
    domain: Sequence[int],
    sides: Mapping[str, str],
    origin: Mapping[str, str],
) -> dict[str, Any]:
    present = sorted(au for au, level in levels.items() if (level is None or level > 0) and au in domain)
    return {
        "coded": sorted(domain),
        "absent": sorted(set(domain) - set(present)),
        "aus": [_unit(au, levels[au], sides.get(str(au), ""), origin) for au in present],
    }


def _unit(au: int, level: float | None, side: str, origin: Mapping[str, str]) -> dict[str, Any]:
    unit = ACTION_UNITS.get(au)
    found: dict[str, Any] = {"au": au, "name": unit.name if unit else f"action unit {au}", **origin}
    if unit:
        found["region"] = unit.region
    if side.lower() in _SIDES:
        found["side"] = _SIDES[side.lower()]
    if level is not None:
        letter, word = grade(level)
        found |= {"intensity": level, "grade": letter, "strength": word}
    return found


def _attributes(stated: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, table in knowledge("attributes").items():
        value: Any = stated
        for part in table["path"].split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        for word, look in _looks(value, table):
            found.append({"name": name, "value": word, "level": table["level"], **look})
    return found


def _looks(value: Any, table: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return what a value looks like: its short name and phrases, by the table of its attribute."""
    looks: list[dict[str, Any]] = []
    if "each" in table and isinstance(value, Sequence) and not isinstance(value, str):
        looks = [table["each"][one] for one in value if one in table["each"]]
    elif isinstance(value, str) and value in table.get("values", {}):
        looks = [table["values"][value]]
    elif isinstance(value, int | float):
        looks = [look for low, high, look in table.get("ranges", ()) if low <= value < high]
    return [(look["short"], {"says": look["says"]}) for look in looks]


def origin_of(sample: Sample, field: str) -> str:
    """Return where a field of the row comes from; the rendered faces are known, a dataset's were coded.

    `attributes.origin` is one word for all of the row, or a word for each field.
    """
    stated = (sample.attributes or {}).get("origin")
    if isinstance(stated, Mapping):
        stated = stated.get(field)
    if isinstance(stated, str):
        return stated
    rendered = sample.source is not None and sample.source.dataset == "facedata-demo"
    # what an operator put before the camera is known, whoever coded the face
    if field in ("label", "attack") and sample.label == "spoof" and sample.parent_id is not None:
        rendered = True
    return "truth" if rendered else "human"


def _steps(parameters: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if not parameters:
        return []
    return [
        {"operator": step["operator"], "parameters": step["parameters"]}
        for step in parameters.get("steps", ())
        if isinstance(step, Mapping) and "operator" in step
    ]
