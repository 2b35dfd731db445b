"""Evidence: what is known of a sample, with its origin, as tasks, checks and people read it.

    label       {value, origin}                     attack   {species, origin}
    expression  {value, origin}
    aus         [{au, name, intensity, grade, strength, region, origin}, ...]   those that show
    coded       [1, 2, ...]  the units that were coded at all; absent: those of them that do not show
    steps       [{operator, parameters}]            what was rendered, in physical units
    region      {boxes: [[x, y, width, height]], share, origin}   where the attack medium shows
    face        [x, y, width, height]               picture  {width, height}

Only what the row says goes in. `origin` is `truth` (rendered), `human` (a dataset's coders) or `detector`.
Demographics are never taken up unless a task asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.annotate.facs import ACTION_UNITS, EXPRESSIONS, grade
from facedata.datasets.sample import Sample

__all__ = ["evidence_of", "region_of"]

_SMALLEST = 0.002  # of the picture: specks of a mask are no place that one would point at


def evidence_of(
    sample: Sample, mask: NDArray[np.uint8] | None = None, sensitive: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the evidence of a sample, JSON-ready; `mask`, uint8 H x W, is its layer of that name."""
    origin = _origin(sample)
    found: dict[str, Any] = {"picture": {"width": sample.width, "height": sample.height}}
    if sample.label is not None:
        found["label"] = {"value": sample.label, "origin": origin}
    if sample.attack is not None:
        found["attack"] = {"species": sample.attack, "origin": origin}
    found |= _expression(sample, origin)
    if sample.box is not None:
        found["face"] = [round(value, 1) for value in sample.box]
    if steps := _steps(sample.parameters):
        found["steps"] = steps
    if mask is not None and sample.label == "spoof" and (region := region_of(mask)) is not None:
        found["region"] = {**region, "origin": "truth"}
    known = sample.attributes or {}
    if asked := {name: known[name] for name in sensitive if known.get(name) is not None}:
        found["demographics"] = asked
    return found


def region_of(mask: NDArray[np.uint8]) -> dict[str, Any] | None:
    """Return boxes (x, y, width, height; pixels) of a mask's connected parts, largest first, and its share.

    A pixel counts from half coverage on. None where nothing is covered.
    """
    covered = (mask >= 128).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(covered, connectivity=8)
    parts = sorted((stats[number] for number in range(1, count)), key=lambda part: -int(part[4]))
    boxes = [[int(value) for value in part[:4]] for part in parts if part[4] >= _SMALLEST * mask.size]
    if not boxes:
        return None
    return {"boxes": boxes, "share": round(float(covered.mean()), 4)}


def _expression(sample: Sample, origin: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if sample.expression in EXPRESSIONS:
        found["expression"] = {"value": sample.expression, "origin": origin}
    if sample.au_domain is not None:
        found |= _action_units(sample.au or {}, sample.au_domain, origin)
    measured = {name: getattr(sample, name) for name in ("valence", "arousal", "confidence")}
    return found | {name: value for name, value in measured.items() if value is not None}


def _action_units(levels: Mapping[int, float | None], domain: tuple[int, ...], origin: str) -> dict[str, Any]:
    present = sorted(au for au, level in levels.items() if level is None or level > 0)
    return {
        "coded": sorted(domain),
        "absent": sorted(set(domain) - set(present)),
        "aus": [_unit(au, levels[au], origin) for au in present],
    }


def _unit(au: int, level: float | None, origin: str) -> dict[str, Any]:
    unit = ACTION_UNITS.get(au)
    found: dict[str, Any] = {"au": au, "name": unit.name if unit else f"action unit {au}", "origin": origin}
    if unit:
        found["region"] = unit.region
    if level is not None:
        letter, word = grade(level)
        found |= {"intensity": level, "grade": letter, "strength": word}
    return found


def _origin(sample: Sample) -> str:
    """Return where the row's labels come from; the rendered faces are known, a dataset's were coded."""
    stated = (sample.attributes or {}).get("origin")
    if isinstance(stated, str):
        return stated
    rendered = sample.source is not None and sample.source.dataset == "facedata-demo"
    return "truth" if rendered else "human"


def _steps(parameters: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if not parameters:
        return []
    return [
        {"operator": step["operator"], "parameters": step["parameters"]}
        for step in parameters.get("steps", ())
        if isinstance(step, Mapping) and "operator" in step
    ]
