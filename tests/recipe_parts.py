"""Small datasets of faces and attacks, of several domains, and small runs, for the tests of recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.task import Ingest
from facedata.recipes.fas_config import FasConfig

SIDE = 32


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small tensors on one thread: on a busy machine several would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def face(person: int, number: int, domain: int, spoof: bool) -> np.ndarray:
    """An oval on a ground; an attack has lines, and a domain its own light."""
    draw = np.random.default_rng([person, number, domain, spoof])
    picture = np.full((SIDE, SIDE, 3), draw.integers(60, 120, 3), np.uint8)
    skin = tuple(int(value) for value in draw.integers(130, 200, 3))
    middle = (SIDE // 2 + int(draw.integers(-3, 4)), SIDE // 2)
    cv2.ellipse(picture, middle, (SIDE // 4, SIDE // 3), 0, 0, 360, skin, -1)
    made = picture.astype(np.float64) * (0.7 + 0.15 * domain)
    if spoof:
        made[number % 2 :: 4] *= 0.5
    return np.clip(made, 0, 255).astype(np.uint8)


def listed(root: Path, rows: list[dict[str, Any]]) -> Path:
    """A dataset of a list with these columns; a row's picture is `face` of its person, number and domain."""
    folder = root / "pictures"
    folder.mkdir(parents=True)
    columns = [name for name in rows[0] if name not in ("person", "number", "place")]
    lines = [",".join(["path", *columns])]
    for number, row in enumerate(rows):
        pixels = face(row["person"], row["number"], row["place"], row.get("label") == "spoof")
        cv2.imwrite(str(folder / f"{number}.png"), pixels[:, :, ::-1])
        lines.append(",".join([f"{number}.png", *(str(row[name]) for name in columns)]))
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    target = root / "dataset"
    source = open_input(folder / "list.csv", Reading())
    run("test", Ingest(), source, target, None, Options(engine="serial"))
    return target


def domains(
    root: Path,
    names: tuple[str, ...] = ("north", "south"),
    people: int = 6,
    each: int = 2,
    splits: bool = True,
) -> Path:
    """A dataset of people in one domain each, live and attacked; half of them train."""
    rows = []
    for place, name in enumerate(names):
        for person in range(people):
            split = ("train", "val", "test")[max(0, person % 4 - 1)]
            for number in range(each):
                for label in ("live", "spoof"):
                    attack = "" if label == "live" else ("print/laser", "replay/lcd")[number % 2]
                    rows.append(
                        {
                            "label": label,
                            "attack": attack,
                            "subject": f"{name}-{person}",
                            "domain": name,
                            **({"split": split} if splits else {}),
                            "person": 100 * place + person,
                            "number": number,
                            "place": place,
                        }
                    )
    return listed(root, rows)


TINY: dict[str, Any] = {
    "network": {"side": SIDE, "width": 4},
    "loop": {"steps": 8, "batch": 8, "warmup": 2, "dev_every": 4, "save_every": 4, "workers": 2, "memory": 8},
}


def tiny(**parts: dict[str, Any]) -> FasConfig:
    """A configuration that trains in a second; parts are merged into TINY."""
    names = {*TINY, *parts}
    return FasConfig.model_validate({name: {**TINY.get(name, {}), **parts.get(name, {})} for name in names})


def ids(dataset: Path, **wanted: str) -> list[str]:
    """The sample ids of the rows whose columns have these values."""
    rows = Dataset.open(dataset).rows()
    return [row["sample_id"] for row in rows if all(row[key] == value for key, value in wanted.items())]
