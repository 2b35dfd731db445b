"""Whether the face is still there, where it was."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.faces import FaceDetector

__all__ = ["face_kept", "overlap"]

Box = tuple[float, float, float, float]
_SIDES = (192, 256)  # px: detectors are made for faces of some size; a second one finds more of them


def overlap(first: Box, second: Box) -> float:
    """Return the intersection of two boxes (x, y, width, height) over their union."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    inside = max(width, 0.0) * max(height, 0.0)
    return inside / (first[2] * first[3] + second[2] * second[3] - inside)


def face_kept(made: NDArray[np.uint8], content: NDArray[np.uint8], detector: FaceDetector) -> float:
    """Return the overlap (IoU) of the face in `made` with that in `content`, 0 where there is none any more.

    NaN where the detector finds none in the live face either: then it has nothing to say.
    """
    before = _found(content, detector)
    if not before:
        return float("nan")
    # Of all boxes, not of the largest: a cascade finds some that are none, and those seldom come again.
    after = _found(made, detector)
    return max((overlap(one, other) for one in after for other in before), default=0.0)


def _found(pixels: NDArray[np.uint8], detector: FaceDetector) -> list[Box]:
    """Return boxes in pixels of the picture, of all faces that are found at the sides that are looked at."""
    boxes: list[Box] = []
    for side in _SIDES:
        scale = max(1.0, side / min(pixels.shape[:2]))
        large = pixels
        if scale > 1:
            how = cv2.INTER_CUBIC
            large = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=how), np.uint8)
        for face in detector.detect(large):
            x, y, width, height = (value / scale for value in face.box)
            boxes.append((x, y, width, height))
    return boxes
