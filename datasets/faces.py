"""Face detectors behind one small interface.

Which one is the user's choice: OpenCV's cascade comes with OpenCV and needs no weights, but misses faces that
are turned, dark or partly covered, and finds some that are none. YuNet, or any other ONNX detector that keeps
to one of the two output conventions below, is given by the path of its file; facedata brings no weights.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import cv2.data
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.canonical import content_hash
from facedata.datasets.errors import UsageError

__all__ = ["CASCADE", "Cascade", "Face", "FaceDetector", "largest", "open_detector"]

CASCADE = "cascade"
"""The name of the default detector."""

_LONG_SIDE = 640  # pixels: what is detected on
_LEAST_FACE = 40  # pixels: smaller ones are mostly false, and looking for them takes most of the time
_FEWEST_SCORE = 0.6
_OVERLAP = 0.3
_SIZE = re.compile(r"@(\d+)x(\d+)$")


@dataclass(frozen=True, slots=True)
class Face:
    """A face that was found: `box` (x, y, width, height) and `landmarks` (x, y) in pixels of the picture.

    `score` is the detector's own, in [0, 1] where it has one, else None.
    """

    box: tuple[float, float, float, float]
    score: float | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None


class FaceDetector(Protocol):
    """Finds faces; the same pixels give the same faces."""

    @property
    def name(self) -> str:
        """What rows and records call it."""
        ...

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Return the faces in uint8 height x width x 3 RGB `pixels`, in any order."""
        ...


def largest(faces: Sequence[Face]) -> Face | None:
    """Return the face of the largest box: the one that the picture is of; None of none."""
    return max(faces, key=lambda face: (face.box[2] * face.box[3], face.box), default=None)


@lru_cache(maxsize=4)
def open_detector(detector: str) -> FaceDetector:
    """Return the detector of that name, `cascade`, or of that ONNX file (`PATH`, or `PATH@WIDTHxHEIGHT`).

    Raises UsageError where there is no such file or it is no detector of a convention that is supported.
    """
    if detector == CASCADE:
        return Cascade()
    stated = _SIZE.search(detector)
    path = Path(detector[: stated.start()] if stated else detector)
    if not path.is_file():
        raise UsageError(f"--detector {detector!r} is neither {CASCADE} nor the path of an ONNX file")
    data = path.read_bytes()
    try:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
        outputs = set(net.getUnconnectedOutLayersNames())
    except cv2.error as error:
        raise UsageError(
            f"--detector {path}: OpenCV cannot load it as ONNX ({error.err}); give another"
        ) from None
    name = f"{path.name} {content_hash(data)[:16]}"
    if outputs >= {"cls_8", "obj_8", "bbox_8", "kps_8"}:
        return YuNet(path, name)
    if outputs >= {"scores", "boxes"}:
        if stated is None:
            raise UsageError(f"--detector {path}: state the size of its input, such as {path}@320x240")
        return ScoresAndBoxes(net, name, (int(stated[1]), int(stated[2])))
    raise UsageError(
        f"--detector {path}: its outputs {', '.join(sorted(outputs))} follow no convention that is known: "
        "those of YuNet (cls_8, obj_8, bbox_8, kps_8, ...), or scores (1 x N x 2) with boxes (1 x N x 4)"
    )


def _shrunk(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Return the picture at the size that is detected on, and its scale."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _LONG_SIDE / max(height, width))
    if scale == 1:
        return pixels, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8), scale


class Cascade:
    """OpenCV's frontal-face cascade of Haar features (Viola and Jones 2001), as it comes with OpenCV.

    Faces narrower than a sixteenth of the picture's longer side are not looked for.
    """

    name = CASCADE

    def __init__(self) -> None:
        file = Path(cv2.data.haarcascades, "haarcascade_frontalface_default.xml")
        self._cascade = cv2.CascadeClassifier(str(file))

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Return the faces; a cascade gives them no score that could be compared."""
        small, scale = _shrunk(pixels)
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        found = self._cascade.detectMultiScale(
            grey, scaleFactor=1.1, minNeighbors=5, minSize=(_LEAST_FACE,) * 2
        )
        return [Face(_box(box, 1 / scale)) for box in found]


class YuNet:
    """YuNet (Wu, Peng and Yu 2023) through OpenCV's own class, with five landmarks."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self._net = cv2.FaceDetectorYN.create(str(path), "", (32, 32), _FEWEST_SCORE, _OVERLAP, 5000)

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Return the faces; landmarks: right eye, left eye, nose tip, right and left mouth corner."""
        small, scale = _shrunk(pixels)
        self._net.setInputSize((small.shape[1], small.shape[0]))
        _, found = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        faces = []
        for row in found if found is not None else ():
            points = tuple((float(x) / scale, float(y) / scale) for x, y in row[4:14].reshape(5, 2))
            faces.append(Face(_box(row[:4], 1 / scale), float(row[14]), points))
        return faces


class ScoresAndBoxes:
    """An ONNX detector of the convention of single-shot ones, such as the Ultra-Light-Fast detector.

    One input, 1 x 3 x height x width of fixed size, RGB, (value - 127) / 128; two outputs, `scores` 1 x N x 2
    (background, face; in [0, 1]) and `boxes` 1 x N x 4 (left, top, right, bottom; as shares of the sides),
    before suppression of overlaps.
    """

    def __init__(self, net: Any, name: str, size: tuple[int, int]) -> None:
        self.name = name
        self._net = net
        self._size = size

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Return the faces whose score is at least 0.6, overlaps over 0.3 suppressed."""
        height, width = pixels.shape[:2]
        self._net.setInput(cv2.dnn.blobFromImage(pixels, 1 / 128, self._size, (127, 127, 127)))
        scores, boxes = self._net.forward(["scores", "boxes"])
        scores, corners = scores.reshape(-1, 2)[:, 1], boxes.reshape(-1, 4) * (width, height, width, height)
        sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        kept = cv2.dnn.NMSBoxes(sizes.tolist(), scores.tolist(), _FEWEST_SCORE, _OVERLAP)
        return [Face(_box(sizes[number], 1), float(scores[number])) for number in kept]


def _box(box: Sequence[float], scale: float) -> tuple[float, float, float, float]:
    x, y, width, height = (float(value) * scale for value in box)
    return x, y, width, height
