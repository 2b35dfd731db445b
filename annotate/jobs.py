"""From samples to requests: one job for each sample, task and draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.annotate.evidence import demographics_of, evidence_of
from facedata.annotate.providers.base import Image, Request, Sampling
from facedata.annotate.tasks import Task
from facedata.datasets.canonical import content_hash, identifier
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError
from facedata.datasets.sample import Sample
from facedata.datasets.words import Words

__all__ = ["Job", "Jobs"]

_MARGIN = 0.25  # of the face box, on each side of a face crop


@dataclass(frozen=True)
class Job:
    """One question about one sample; `draw` numbers answers to the same question."""

    sample: Sample
    task: Task
    request: Request
    evidence: dict[str, Any]
    words: Words
    draw: int = 0


@dataclass
class Jobs:
    """The jobs of a run, made one by one; `passed_over` counts samples by task and what they lack."""

    dataset: Dataset
    tasks: Sequence[Task]
    seed: int
    sampling: Sampling = field(default_factory=Sampling)
    draws: int = 1
    passed_over: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Job]:
        self.passed_over.clear()
        wanted = {key for task in self.tasks for key in (*task.needs, *task.uses)}
        masks = any("region" in (*task.needs, *task.uses) or "signs" in task.needs for task in self.tasks)
        for sample in self.dataset:
            evidence = evidence_of(sample, self._mask(sample) if masks else None, wanted)
            for task in self.tasks:
                yield from self._jobs(sample, task, evidence)

    def _jobs(self, sample: Sample, task: Task, evidence: dict[str, Any]) -> Iterator[Job]:
        if task.sensitive and (stated := demographics_of(sample, task.sensitive)):
            evidence = {**evidence, "demographics": stated}
        if missing := task.missing(evidence):
            self.passed_over[task.name, missing[0]] += 1
            return
        evidence = task.looked_at(evidence)
        words = Words.of(self.seed, sample.sample_id, task.name)
        system, prompt = task.asked(evidence, words)
        images = tuple(self._image(sample, role) for role in task.images)
        for draw in range(self.draws):
            stream = words if draw == 0 else words.named(f"draw {draw}")
            sampling = self.sampling if self.draws == 1 else _numbered(self.sampling, draw)
            request = Request(system, prompt, images, task.response, sampling, task, evidence, stream)
            yield Job(sample, task, request, evidence, stream, draw)

    def _mask(self, sample: Sample) -> NDArray[np.uint8] | None:
        if sample.label != "spoof":
            return None
        layer = next((layer for layer in sample.layers if layer.name == "mask"), None)
        if layer is None:
            return None
        data = np.frombuffer(self.dataset.read(layer.ref), np.uint8)
        mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        return None if mask is None else np.asarray(mask, np.uint8)

    def _image(self, sample: Sample, role: str) -> Image:
        read = partial(_picture, self.dataset, sample)
        if role == "face" and sample.box is not None:
            margin = 1 + 2 * _MARGIN
            crop = (int(margin * sample.box[2]) + 1, int(margin * sample.box[3]) + 1)
            size = (min(sample.width, crop[0]), min(sample.height, crop[1]))
            return Image(
                identifier("face", sample.content_hash, sample.box), partial(_face, read, sample.box), size
            )
        return Image(sample.content_hash, read, (sample.width, sample.height))


def _picture(dataset: Dataset, sample: Sample) -> bytes:
    """Return a row's picture, and no other: what lies in its place might be a link to anything."""
    data = dataset.read(sample.image)
    if content_hash(data) != sample.content_hash:
        raise DatasetError(f"{dataset.root}: {sample.image} is not its row's picture; run facedata validate")
    return data


def _numbered(sampling: Sampling, draw: int) -> Sampling:
    return replace(sampling, seed=(sampling.seed or 0) + draw)


def _face(read: Callable[[], bytes], box: tuple[float, ...]) -> bytes:
    """Return the face with a margin of context, as PNG: nothing is lost to a second compression."""
    pixels = cv2.imdecode(np.frombuffer(read(), np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise DatasetError("a picture of the dataset cannot be decoded; run facedata validate")
    x, y, width, height = box
    rows, columns = pixels.shape[:2]
    left, right = (
        int(np.clip(value, 0, columns)) for value in (x - _MARGIN * width, x + (1 + _MARGIN) * width)
    )
    top, bottom = (
        int(np.clip(value, 0, rows)) for value in (y - _MARGIN * height, y + (1 + _MARGIN) * height)
    )
    crop = pixels[top:bottom, left:right]
    return cv2.imencode(".png", crop if crop.size else pixels)[1].tobytes()
