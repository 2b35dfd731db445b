"""What the adapters share: masks moved by an operator's geometry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["moved_mask"]

Points = NDArray[np.float64]

_CLOSE: Final = 0.05
"""Residual in px at which the inverse of a map is good enough to pick the nearest pixel."""


def moved_mask(mask: NDArray[Any], forward: Callable[[Points], Points]) -> NDArray[Any]:
    """Return `mask` (any dtype that OpenCV remaps, height x width, or x channels) where `forward` moves it.

    `forward` maps N x 2 points (x, y) of the picture, a pixel's centre at whole numbers, to where they lie
    afterwards; it is inverted numerically. Each pixel takes the nearest value, 0 from outside the frame.
    A map that moves no point gives `mask` itself.
    """
    height, width = mask.shape[:2]
    corners = _grid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
    if np.array_equal(forward(corners), corners):
        return mask
    source = _inverse(forward, corners, height, width).astype(np.float32)
    moved = cv2.remap(
        mask, source[..., 0], source[..., 1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
    return np.asarray(moved, mask.dtype).reshape(mask.shape)


def _grid(x: NDArray[np.float64], y: NDArray[np.float64]) -> Points:
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _inverse(forward: Callable[[Points], Points], probes: Points, height: int, width: int) -> Points:
    """Return for each pixel the point that `forward` moves there, height x width x 2, by Newton's method.

    The first guess is the homography that fits the probes best, which is exact for a flat picture.
    """
    goal = _grid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    homography, _ = cv2.findHomography(forward(probes), probes)
    found = goal if homography is None else cv2.perspectiveTransform(goal[None], homography)[0]
    with np.errstate(all="ignore"):
        for _ in range(8):
            missed = forward(found) - goal
            if not np.nanmax(np.abs(missed)) > _CLOSE:
                break
            across = forward(found + np.array([0.5, 0])) - goal - missed
            down = forward(found + np.array([0, 0.5])) - goal - missed
            area = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
            x = (missed[:, 0] * down[:, 1] - missed[:, 1] * down[:, 0]) / area
            y = (across[:, 0] * missed[:, 1] - across[:, 1] * missed[:, 0]) / area
            found = found - 0.5 * np.stack([x, y], axis=-1)
        missed = np.abs(forward(found) - goal).max(axis=1)
    # what no point is moved to lies outside
    return np.where((missed < 1)[:, None], found, -1e6).reshape(height, width, 2)
