"""A process with FiftyOne, a MongoDB of its own, and small datasets in which every field is filled.

FiftyOne takes seconds to import and warns while it does, so the tests send their functions to one process.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
from conftest import jpeg

from facedata.datasets.dataset import Dataset
from facedata.datasets.record import RECORD_NAME, Record, write_text
from facedata.datasets.sample import Layer, Sample, Source, derived_id, ingested_id, to_table
from facedata.datasets.storage import open_writer
from facedata.datasets.versions.derive import write_rows


def _begin(environment: dict[str, str]) -> None:
    os.environ.update(environment)


class Fifty:
    """Runs functions in a process that is connected to the database at `uri`."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.environment = {
            "FIFTYONE_DATABASE_URI": uri,
            "FIFTYONE_DATABASE_NAME": "tests",
            "FIFTYONE_DO_NOT_TRACK": "1",
        }
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer=_begin, initargs=(self.environment,))

    def __call__(self, function, *arguments, **named):
        return self._pool.submit(function, *arguments, **named).result(timeout=60)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def samples(people: int = 2) -> list[tuple[Sample, bytes, dict[str, bytes]]]:
    """Of each person a live picture and two attacks made from it, with their pictures and layers."""
    found = []
    for number in range(people):
        data = jpeg(number)
        place = f"p{number}.jpg"
        parent = Sample(
            sample_id=ingested_id(sha256(data).hexdigest(), place),
            image=f"images/{place}",
            content_hash=sha256(data).hexdigest(),
            width=48,
            height=40,
            split="train",
            subject=f"person-{number}",
            domain="studio",
            label="live",
            box=(4.5, 3.25, 30.0, 31.5),
            landmarks=((10.1, 12.2), (30.3, 12.4), (20.5, 22.6), (12.7, 30.8), (28.9, 31.1)),
            expression="happiness",
            au={6: 1.37, 12: 3.3, 25: None},
            au_domain=(4, 6, 12, 25),
            valence=0.1 + number / 3,
            arousal=-0.7,
            confidence=0.3,
            attributes={
                "age": 30 + number,
                "glasses": False,
                "session": "007",
                "pose": {"yaw": 1.5},
                "tags": ["b"],
            },
            source=Source(dataset="made", file=place, licence="CC0", sha256=sha256(data).hexdigest()),
        )
        regions = _png(np.full((40, 48), number + 1, np.uint8))
        found.append((_with_layer(parent, "regions", regions), data, {"regions": regions}))
        for variant, attack in enumerate(("print/laser", "replay/lcd")):
            data = jpeg(10 + 2 * number + variant)
            mask = _png(np.full((40, 48), 255 - variant, np.uint8))
            parameters = {"policy": "made", "steps": []}
            child = dataclasses.replace(
                parent,
                sample_id=derived_id(parent.sample_id, "test", parameters, 3, variant),
                image=f"images/p{number}-{variant}.jpg",
                content_hash=sha256(data).hexdigest(),
                label="spoof",
                attack=attack,
                parent_id=parent.sample_id,
                operator="test",
                parameters=parameters,
                variant=variant,
                seed=3,
                confidence=None,
                attributes=None,
            )
            found.append((_with_layer(child, "mask", mask), data, {"mask": mask}))
    return found


def make(root: Path, layout: str = "files", *, change: Callable[[Sample], Sample] | None = None) -> Path:
    """Write them as a dataset, each row changed by `change`."""
    root.mkdir(parents=True)
    writer = open_writer(layout, root)
    made = samples()
    for sample, data, layers in made:
        writer.put(data, sample.image)
        for layer in sample.layers:
            writer.put(layers[layer.name], layer.ref)
    final = writer.close()
    rows = sorted((one for one, _, _ in made), key=lambda one: one.sample_id)
    rows = [change(one) if change else one for one in rows]
    rows = [
        one.replace(
            image=final.get(one.image, one.image),
            layers=tuple(
                dataclasses.replace(layer, ref=final.get(layer.ref, layer.ref)) for layer in one.layers
            ),
        )
        for one in rows
    ]
    version, counts = write_rows([to_table(rows)], root)
    record = Record(version=version, verb="test", layout=layout, counts=counts)
    write_text(root / RECORD_NAME, record.model_dump_json(indent=2) + "\n")
    return root


def rows_of(root: Path) -> dict[str, Sample]:
    return {sample.sample_id: sample for sample in Dataset.open(root)}


def edits_in(root: Path) -> list[str]:
    """The edits that a version keeps, without their author and time."""
    lines = (root / "curation" / "edits.csv").read_text().splitlines()[1:]
    return [",".join(line.split(",")[:-3]) for line in lines]


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def _with_layer(sample: Sample, name: str, data: bytes) -> Sample:
    layer = Layer(
        name=name, ref=f"layers/{name}/{sample.sample_id[:8]}.png", content_hash=sha256(data).hexdigest()
    )
    return sample.replace(layers=(layer,))
