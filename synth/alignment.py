"""Where the live face lies in a picture of its attack: a medium is tilted, bent and not quite in the frame.

A network that had to guess where its face goes would learn an average of places, which is a blur. So content
is laid onto its target before the network sees the two, by the landmarks of both: exactly for a flat medium,
whose landmarks physics moves with it, and nearly for a bent one. When attacks are sampled, the face stays
where it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_of", "laid_onto"]

Size = tuple[int, int]
"""Width and height, px."""

_FLAT = 20
"""Landmarks from which on a homography is fitted: five of a detector would turn their noise into a tilt."""
_ZOOM = 4.0
"""Beyond this change of size, or its inverse, landmarks are wrong."""
_FINER = 4
"""How much finer than the network's picture content is resampled, so that it stays as sharp as its parent."""


def fit_of(
    content: Sequence[Sequence[float]] | NDArray[np.float32] | None,
    target: Sequence[Sequence[float]] | NDArray[np.float32] | None,
    *,
    same_moment: bool = True,
) -> NDArray[np.float32] | None:
    """Return what takes content's pixels to the target's, 3 x 3, by n landmarks (x, y) of each.

    Of the same moment (a picture and what was made of it) a plane's homography where there are 20 landmarks
    or more; else a similarity: turn, zoom and shift. None where landmarks are missing, differ in number, or
    do not fit.
    """
    if content is None or target is None or len(content) != len(target) or len(target) < 2:
        return None
    before, after = np.asarray(content, np.float64), np.asarray(target, np.float64)
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return None
    if same_moment and len(after) >= _FLAT:
        found, _ = cv2.findHomography(before, after)
    else:
        part, _ = cv2.estimateAffinePartial2D(before, after, method=cv2.LMEDS)
        found = None if part is None else np.vstack([part, [0.0, 0.0, 1.0]])
    if found is None or not np.isfinite(found).all():
        return None
    matrix = np.asarray(found, np.float64)
    if not _ZOOM**-2 < _stretch(matrix, before.mean(axis=0)) < _ZOOM**2:
        return None
    return np.asarray(matrix / matrix[2, 2], np.float32)


def laid_onto(
    pixels: NDArray[np.uint8], fit: NDArray[np.float32], target: Size, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return content as it lies in the middle square of a target of size `target`, at `side` px.

    Gives uint8 side x side x 3, grey where the content does not reach, and side x side, how much of each
    pixel it covers: 0-255.
    """
    least = min(target)
    fine = side * _FINER if least >= side * _FINER else max(side, least)
    zoom = fine / least
    left, top = (target[0] - least) // 2, (target[1] - least) // 2
    square = np.array([[zoom, 0, -zoom * left], [0, zoom, -zoom * top], [0, 0, 1.0]])
    way = square @ fit.astype(np.float64)
    height, width = pixels.shape[:2]
    smaller = _stretch(way, np.array([width / 2, height / 2])) ** 0.5
    if smaller < 0.5:  # resampling looks at a few pixels; shrink first, by areas, so that it sees all
        size = max(1, round(width * smaller)), max(1, round(height * smaller))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        way = way @ np.diag([width / size[0], height / size[1], 1.0])
    # Landmarks count from the picture's corner, OpenCV from the centre of its first pixel.
    way = _shift(-0.5) @ way @ _shift(0.5)
    covered = cv2.warpPerspective(np.full(pixels.shape[:2], 255, np.uint8), way, (fine, fine))
    laid = cv2.warpPerspective(
        pixels, way, (fine, fine), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    cover = covered[..., None].astype(np.float32) / 255
    mixed = (laid * cover + 127.5 * (1 - cover)).astype(np.float32)
    small, part = (cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in (mixed, covered))
    return small.round().clip(0, 255).astype(np.uint8), part.astype(np.uint8)


def _shift(by: float) -> NDArray[np.float64]:
    return np.array([[1.0, 0, by], [0, 1, by], [0, 0, 1]])


def _stretch(way: NDArray[np.float64], at: NDArray[np.float64]) -> float:
    """Return by how much a homography changes areas near a point; 0 where that is beyond its horizon."""
    w = float(way[2] @ [*at, 1.0])
    return max(0.0, float(np.linalg.det(way)) / w**3) if w else 0.0
