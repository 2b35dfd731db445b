"""Small datasets of faces whose marks are their labels, and small runs, for the tests of label recipes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from recipe_parts import SIDE
from version_trees import make

from facedata.recipes.labels.config import LabelsConfig

MARKS = [(10.0, 12.0), (22.0, 12.0), (16.0, 17.0), (12.0, 23.0), (20.0, 23.0)]
"""Eyes, nose and corners of the mouth of every picture."""
SHOWN = {"neutral": (), "happiness": (12,), "anger": (4,), "disgust": (4, 12)}
"""Units of these faces' expressions: AU12 is a bright bar at the mouth, AU4 a dark one at the brows."""


def picture(person: int, number: int, units: Iterable[int], level: float = 5) -> np.ndarray:
    """A face of a person's colour, with a bar for each unit, as strong as its level."""
    draw = np.random.default_rng([person, number])
    made = np.full((SIDE, SIDE, 3), draw.integers(100, 150, 3), np.float64)
    for x, y in MARKS[:2]:
        made[int(y) - 1 : int(y) + 1, int(x) - 1 : int(x) + 1] *= 0.3
    if 12 in units:
        made[21:25, 10:22] += 18 * level
    if 4 in units:
        made[7:10, 9:23] -= 18 * level
    return np.clip(made + draw.normal(0, 4, made.shape), 0, 255).astype(np.uint8)


def face_row(person: int, number: int, shows: str, **more: Any) -> dict[str, Any]:
    """A line of a list: a live face that shows an expression, its units graded 5, with landmarks."""
    units = SHOWN.get(shows, ())
    return {
        "units": units,
        "person": person,
        "number": number,
        "label": "live",
        "subject": f"p{person}",
        "domain": f"place-{person % 2}",
        "expression": shows,
        "au": {str(unit): 5 for unit in units},
        "au_domain": [4, 12],
        "landmarks": MARKS,
        **more,
    }


def dataset(root: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """A dataset of such lines; a value of None is a cell left out."""
    folder = root / "pictures"
    folder.mkdir(parents=True)
    lines = []
    for place, row in enumerate(rows):
        told = {name: value for name, value in row.items() if value is not None}
        units, person, number = (told.pop(name) for name in ("units", "person", "number"))
        pixels = picture(person, number, units, told.pop("level", 5))
        cv2.imwrite(str(folder / f"{place}.png"), pixels[:, :, ::-1])
        lines.append(json.dumps({"path": f"{place}.png", **told}))
    (folder / "list.jsonl").write_text("\n".join(lines))
    return make(folder / "list.jsonl", root / "dataset", variants=0)


def split_of(person: int) -> str:
    """Half of the people train, a quarter each are for development and for the test."""
    return ("train", "train", "val", "test")[person % 4]


def people(count: int = 12, **more: Any) -> list[dict[str, Any]]:
    """Lines of people who show every expression once."""
    return [
        face_row(person, number, name, split=split_of(person), **more)
        for person in range(count)
        for number, name in enumerate(SHOWN)
    ]


TINY: dict[str, Any] = {
    "network": {"name": "small", "side": SIDE, "width": 4},
    "faces": {"reach": 1.3},
    "augment": {"shift": 0.02, "scale": 0.05, "light": 0.2, "tint": 0.05, "noise": 0.01},
    "loop": {"steps": 60, "batch": 8, "rate": 0.01, "warmup": 2, "dev_every": 20, "workers": 2, "memory": 8},
}


def tiny(**parts: dict[str, Any]) -> LabelsConfig:
    """A configuration that trains in some seconds; parts are merged into TINY."""
    names = {*TINY, *parts}
    return LabelsConfig.model_validate(
        {name: {**TINY.get(name, {}), **parts.get(name, {})} for name in names}
    )
