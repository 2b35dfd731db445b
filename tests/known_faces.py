"""Pictures of which every column is filled somewhere and empty elsewhere, for the exports' tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from conftest import picture

from facedata.datasets.canonical import content_hash, identifier
from facedata.datasets.engine import Options, run
from facedata.datasets.items import Loaded
from facedata.datasets.sample import Sample, Source, ingested_id
from facedata.datasets.sources import by_prefix
from facedata.datasets.task import Ingest

SPLITS = ("train", "val", "test: day 2")


@dataclass(frozen=True)
class KnownItem:
    """Picture `number`: JPEG, PNG and WebP in turn; `noise` is the side of a PNG without structure."""

    number: int
    split: bool = True
    noise: int = 0

    @property
    def key(self):
        return identifier("place", self.place)

    @property
    def place(self):
        return f"day {self.number % 2}/günther {self.number}.x"

    def stamp(self):
        return ""

    def data(self):
        if self.noise:
            pixels = np.random.default_rng(self.number).integers(
                0, 256, (self.noise, self.noise, 3), np.uint8
            )
            return cv2.imencode(".png", pixels)[1].tobytes(), "png"
        suffix = ("jpg", "png", "webp")[self.number % 3]
        return cv2.imencode(f".{suffix}", picture(self.number))[1].tobytes(), suffix

    def load(self, max_pixels):
        number, (data, suffix) = self.number, self.data()
        sha256 = content_hash(data)
        spoof = number % 3 == 1
        values = {
            "width": self.noise or 48,
            "height": self.noise or 40,
            "label": None if number % 5 == 4 else "spoof" if spoof else "live",
            "attack": "print/laser" if spoof and number % 5 != 4 else None,
            "split": SPLITS[number % 3] if self.split else None,
            "subject": f"{number // 2:03d}",
            "domain": None if number % 4 == 0 else "lab $x_$",
            "confidence": 0.1 * number if number < 10 else None,
        }
        if number % 2:
            values |= {
                "box": (1.5, 2.25, 20.0, 30.0),
                "landmarks": ((1.0, 2.5), (3.25, 4.0)),
                "expression": "joy, with a comma",
                "valence": -0.25,
                "arousal": 1 / 3,
                "attributes": {"note": 'a "quoted" line\nand another', "number": number},
            }
        if number % 4 == 1:
            values |= {"au": {12: 3.5, 6: 0.1}, "au_domain": (4, 6, 12)}
        elif number % 4 == 3:
            values |= {"au": {25: 5.0}}
        sample = Sample(
            sample_id=ingested_id(sha256, self.place, number),
            image="",
            content_hash=sha256,
            source=Source(dataset="known", file=self.place, frame=number, licence="CC0", sha256=sha256),
            **values,
        )
        layers = {}
        if number % 2 == 0:
            layers = {"mask": cv2.imencode(".png", picture(number)[:, :, 0])[1].tobytes()}
        return Loaded(sample, data, suffix, lambda: picture(number), layers)


@dataclass(frozen=True)
class KnownSource:
    count: int = 12
    split: bool = True
    noise: int = 0
    notes: Sequence[str] = ()
    failures: Sequence = field(default_factory=list)
    parents: Sequence = ()

    def shards(self, size):
        return by_prefix([KnownItem(n, self.split, self.noise) for n in range(self.count)], size)


def make_known(target: Path, layout: str = "files", **choices) -> Path:
    """Write a dataset of known pictures and return its folder."""
    run("test", Ingest({"kind": "known"}), KnownSource(**choices), target, 0, Options(layout=layout))
    return target
