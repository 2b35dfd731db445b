"""Clips of a dataset: its rows of one video, put back in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.pictures import read_picture

__all__ = ["Clip", "clips_of"]

_COLUMNS = ("sample_id", "image", "width", "height", "parent_id", "label", "attack", "box", "source")

_ALIKE = ("width", "height", "label", "attack")


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of one video that follow each other.

    `frames` are uint8 t x h x w x 3 RGB; `numbers` theirs in the video, `stride` apart, so that a video of r
    frames a second makes a clip of r / stride. `sample_ids`, `label` and `attack` are those of the rows.
    """

    file: str
    numbers: tuple[int, ...]
    stride: int
    sample_ids: tuple[str, ...]
    label: str | None
    attack: str | None
    frames: NDArray[np.uint8]


def clips_of(dataset: Dataset, *, least: int = 2, crop: bool = True) -> Iterator[Clip]:
    """Yield the clips of a dataset, by file and frame; `least` is the frames that a clip has at least.

    A video parts where a frame is missing, or where frames change their size or their label. With `crop`, a
    clip is cut to one place in all of its frames, so that it does not shake: to the median of its rows'
    boxes, where every row has one. Rows that were made from others are left out: their frames were drawn one
    by one. The pictures of one clip are in memory at a time.

    Raises UsageError where no row is a frame of a video, PictureError where a frame cannot be read.
    """
    rows = [row for row in dataset.rows(_COLUMNS) if _frame(row) is not None and row["parent_id"] is None]
    if not rows:
        raise UsageError(
            f"{dataset.root} has no frames of videos; ingest videos, with as many frames a second as you can"
        )
    rows.sort(key=lambda row: (_file(row), _frame(row)))
    for _, group in groupby(rows, key=_file):
        for run, stride in _runs(list(group)):
            if len(run) >= least:
                yield _clip(dataset, run, stride, crop)


def _file(row: dict[str, Any]) -> tuple[str, str]:
    return row["source"]["dataset"] or "", row["source"]["file"] or ""


def _frame(row: dict[str, Any]) -> int | None:
    frame: int | None = (row["source"] or {}).get("frame")
    return frame


def _runs(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Yield runs of rows alike whose frames are as far apart as most of the video's, and that distance."""
    numbers = [row["source"]["frame"] for row in rows]
    steps = [after - before for before, after in pairwise(numbers)]
    stride = max(sorted(set(steps)), key=steps.count, default=1)
    run = [rows[0]]
    for step, row in zip(steps, rows[1:], strict=True):
        if step != stride or any(row[name] != run[-1][name] for name in _ALIKE):
            yield run, stride
            run = []
        run.append(row)
    yield run, stride


def _clip(dataset: Dataset, run: Sequence[dict[str, Any]], stride: int, crop: bool) -> Clip:
    place = _place(run) if crop else (slice(None), slice(None))
    frames = [read_picture(dataset.read(row["image"]), row["sample_id"]).pixels[place] for row in run]
    return Clip(
        run[0]["source"]["file"],
        tuple(row["source"]["frame"] for row in run),
        stride,
        tuple(row["sample_id"] for row in run),
        run[0]["label"],
        run[0]["attack"],
        np.stack(frames),
    )


def _place(run: Sequence[dict[str, Any]]) -> tuple[slice, slice]:
    """Return rows and columns of the median box, inside the picture; all of it where a box is missing."""
    if any(row["box"] is None for row in run):
        return slice(None), slice(None)
    x, y, width, height = np.median([row["box"] for row in run], axis=0)
    left, right = np.clip(np.round([x, x + width]), 0, run[0]["width"]).astype(int)
    top, bottom = np.clip(np.round([y, y + height]), 0, run[0]["height"]).astype(int)
    if left >= right or top >= bottom:
        return slice(None), slice(None)
    return slice(top, bottom), slice(left, right)
