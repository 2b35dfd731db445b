"""Output of OpenFace 2: a CSV file for each video, or for each picture.

Seen in its sources and its documentation: `frame, face_id, timestamp, confidence, success` begin the header
for videos (older builds leave `face_id` out), `face, confidence` for pictures; a space follows each comma;
frames count from 1; `AUxx_r` is an intensity of 0-5, `AUxx_c` presence, pose in millimetres and radians, gaze
in radians, landmarks in pixels of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from facedata.datasets.detections.base import Detection, landmarks, named_runs, numbers, units
from facedata.datasets.errors import SourceError
from facedata.datasets.readers.text import failure, relative, table
from facedata.datasets.record import Failure

__all__ = ["read_openface"]

_POSE = ("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz")
_GAZE = ("gaze_angle_x", "gaze_angle_y")


def read_openface(root: Path, path: Path) -> Iterator[Detection | Failure]:
    """Yield the faces of one CSV file; lines that say `success` 0 are failures, a run of them one.

    Raises SourceError where the file is none of OpenFace's.
    """
    picture = relative(root, path.with_suffix(""))
    lost: list[str] = []
    for row in table(root, path):
        if isinstance(row, Failure):
            yield row
            continue
        cells = row.cells
        if "confidence" not in cells or not {"frame", "face"} & set(cells):
            raise SourceError(
                f"{row.where}: no output of OpenFace: columns frame (or face) and confidence are expected, "
                f"and {', '.join(list(cells)[:5])}, ... found"
            )
        try:
            confidence = numbers(cells, ["confidence"])
            frame, face = _whole(cells, "frame"), _whole(cells, "face_id" if "frame" in cells else "face")
            success = _whole(cells, "success")
            if frame is not None and frame < 1:
                raise ValueError(f"frame {frame} is not counted from 1")
            if success == 0:
                lost.append(row.where)
                continue
            values = _values(cells)
        except ValueError as error:
            yield failure(row.where, "bad-value", f"{error}; mend the line")
            continue
        score = confidence[0] if confidence else 0.0
        values["confidence"] = score
        yield Detection(picture, None if frame is None else frame - 1, face or 0, score, values, row.where)
    for run in named_runs(lost):
        yield failure(run, "no-face", "OpenFace found no face (success 0); the rows stay without")


def _values(cells: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if graded := units(cells, r"AU(\d+)_r"):
        levels = {unit: (numbers(cells, [name]) or [0.0])[0] for unit, name in graded.items()}
        if bad := {unit: level for unit, level in levels.items() if not 0 <= level <= 5}:
            raise ValueError(f"AU intensity outside 0-5: {bad}")
        values["au"] = levels
    if coded := units(cells, r"AU(\d+)_c"):
        values["au_present"] = [int(unit) for unit, name in coded.items() if numbers(cells, [name]) == [1.0]]
        values["au_domain"] = [int(unit) for unit in coded]
    for name, columns in (("pose", _POSE), ("gaze", _GAZE)):
        if (found := numbers(cells, columns)) is not None:
            values[name] = dict(zip((column.split("_", 1)[1] for column in columns), found, strict=True))
    if (marks := landmarks(cells)) is not None:
        values["landmarks"] = marks
    return values


def _whole(cells: Mapping[str, str], name: str) -> int | None:
    found = numbers(cells, [name])
    if found is None:
        return None
    if found[0] != int(found[0]):
        raise ValueError(f"{name} {cells[name]!r} is not a whole number")
    return int(found[0])
