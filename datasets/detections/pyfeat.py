"""Output of py-feat: one CSV file for pictures and videos alike, a line a face.

Seen in public code: the columns `FaceRectX` to `FaceScore`, `AU01` to `AU43`, the seven expressions. From
memory: that `input` names the picture or video, that `frame` counts from 0, that a line without a face has
empty or `nan` cells, and that units and expressions are scores of 0-1, not intensities, so that they are
never taken for grades.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from facedata.datasets.detections.base import Detection, landmarks, named_runs, numbers, units
from facedata.datasets.errors import SourceError
from facedata.datasets.pictures import SUFFIXES
from facedata.datasets.readers.text import failure, table
from facedata.datasets.record import Failure

__all__ = ["read_pyfeat"]

_BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
_EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_POSE = ("Pitch", "Roll", "Yaw")


def read_pyfeat(root: Path, path: Path) -> Iterator[Detection | Failure]:
    """Yield the faces of one CSV file; lines without a face are failures, a run of them one.

    Raises SourceError where the file is none of py-feat's.
    """
    lost: list[str] = []
    counts: dict[tuple[str, int | None], int] = {}
    for row in table(root, path):
        if isinstance(row, Failure):
            yield row
            continue
        cells = row.cells
        if missing := [name for name in ("FaceScore", "input") if name not in cells]:
            raise SourceError(
                f"{row.where}: no output of py-feat: no column {', '.join(missing)}; write it with its inputs"
            )
        given = Path(cells["input"].replace("\\", "/"))
        if cells["FaceScore"].lower() in ("", "nan"):
            lost.append(row.where)
            continue
        try:
            # Of pictures, py-feat numbers the inputs; only a video has frames.
            frame = None if given.suffix.lower() in SUFFIXES else _frame(cells)
            values = _values(cells)
            score = (numbers(cells, ["FaceScore"]) or [0.0])[0]
        except ValueError as error:
            yield failure(row.where, "bad-value", f"{error}; mend the line")
            continue
        key = (given.with_suffix("").as_posix(), frame)
        counts[key] = counts.get(key, 0) + 1
        values["confidence"] = score
        yield Detection(*key, counts[key], score, values, row.where)
    for run in named_runs(lost):
        yield failure(run, "no-face", "py-feat found no face; the rows stay without")


def _frame(cells: Mapping[str, str]) -> int:
    found = numbers(cells, ["frame"])
    if found is None or found[0] != int(found[0]) or found[0] < 0:
        raise ValueError(f"frame {cells.get('frame')!r} is no whole number from 0")
    return int(found[0])


def _values(cells: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if (box := numbers(cells, _BOX, 2)) is not None:
        values["box"] = box
    if columns := units(cells, r"AU(\d+)"):
        values["au_score"] = {unit: (numbers(cells, [name]) or [0.0])[0] for unit, name in columns.items()}
    if (scores := numbers(cells, _EXPRESSIONS)) is not None:
        values["expression_score"] = dict(zip(_EXPRESSIONS, scores, strict=True))
    if (pose := numbers(cells, _POSE)) is not None:
        values["pose"] = dict(zip((name.lower() for name in _POSE), pose, strict=True))
    if (marks := landmarks(cells)) is not None:
        values["landmarks"] = marks
    return values
