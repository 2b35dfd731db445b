"""Small datasets of faces and attacks, and small models, for the tests of synthesis."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.pictures import Encoding
from facedata.datasets.sample import Sample, derived_id
from facedata.datasets.task import Planned, Rendered
from facedata.synth.config import TrainConfig
from facedata.synth.model import SIZES, SpoofUNet
from facedata.synth.pairs import find_pairs
from facedata.synth.pictures import Scale, Shelf

TINY = {
    "network": {"size": "tiny", "resolution": 16},
    "batch": 4,
    "warmup": 2,
    "save_every": 4,
    "grid_every": 99,
}
KINDS = ("print/paper", "replay/lcd")


def face(person: int, number: int, side: int = 24) -> np.ndarray:
    """An oval on a ground: its colours and place are the person's, its light the picture's."""
    draw = np.random.default_rng([person, 7])
    picture = np.full((side, side, 3), draw.integers(40, 120, 3), np.uint8)
    middle = (side // 2 + int(draw.integers(-2, 3)), side // 2)
    skin = tuple(int(v) for v in draw.integers(130, 220, 3))
    cv2.ellipse(picture, middle, (side // 4, side // 3), 0, 0, 360, skin, -1)
    return np.clip(picture.astype(int) + 6 * number, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Attack:
    """Two attacks of each face: a print is warm and flat, a replay is blue and has lines."""

    variants: int = 2
    encoding: Encoding = field(default_factory=lambda: Encoding("png"))
    keeps_originals: bool = True
    cacheable: bool = False
    preload: tuple[str, ...] = ()

    def settings(self) -> dict:
        return {"variants": self.variants}

    def plan(self, parent: Sample) -> list[Planned]:
        planned = []
        for variant in range(self.variants):
            kind = KINDS[variant % len(KINDS)]
            sample = parent.replace(
                sample_id=derived_id(parent.sample_id, "attack", {"kind": kind}, 0, variant),
                content_hash="",
                label="spoof",
                attack=kind,
                parent_id=parent.sample_id,
                operator="attack",
                parameters={"kind": kind},
                variant=variant,
                seed=0,
            )
            planned.append(Planned(sample, lambda: "", kind))
        return planned

    def render(self, planned: Planned, pixels: np.ndarray) -> Rendered:
        made = pixels.astype(np.float32)
        if planned.recipe == KINDS[0]:
            made = made * 0.6 + np.float32([90, 70, 40])
        else:
            made = made * 0.7 + np.float32([0, 20, 80])
            made[::3] *= 0.6
        return Rendered(np.clip(made, 0, 255).astype(np.uint8))


def make_faces(root: Path, people: int = 6, each: int = 2, columns: str = "", extra=lambda _: "") -> Path:
    """A dataset of live faces, `each` of every person."""
    folder = root / "pictures"
    folder.mkdir(parents=True)
    lines = [f"path,label,subject{columns}"]
    for person in range(people):
        for number in range(each):
            name = f"{person}-{number}.png"
            cv2.imwrite(str(folder / name), face(person, number)[:, :, ::-1])
            lines.append(f"{name},live,p{person}{extra(person)}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    return folder / "list.csv"


def make_attacks(root: Path, **options) -> Path:
    """A dataset of live faces and two attacks of each."""
    target = root / "attacks"
    run(
        "test",
        Attack(),
        open_input(make_faces(root, **options), Reading()),
        target,
        0,
        Options(engine="serial"),
    )
    return target


def tiny(**told) -> TrainConfig:
    """A configuration that trains in a second."""
    network = {**TINY["network"], **told.pop("network", {})}
    return TrainConfig.model_validate({**TINY, "steps": 8, **told, "network": network})


def tiny_network(**told) -> SpoofUNet:
    """A random network that hears its conditions: a fresh one predicts next to nothing of them."""
    torch.manual_seed(told.pop("seed", 0))
    network = SpoofUNet(**{"sample_size": 16, "kinds": 2, **SIZES["tiny"], **told}).eval()
    torch.nn.init.normal_(network.map_head[2].weight, std=0.05)
    return network


def shelf_of(dataset: Dataset, side: int = 16):
    """Pairs of a dataset, with their pictures and the scale of their quality."""
    pairs = find_pairs(dataset, tiny().pairs)
    shelf = Shelf(dataset, [one.image for one in pairs.faces], side)
    return pairs, shelf, Scale.of(shelf.qualities([pair.target for pair in pairs.pairs]))
