"""Truth that goes with the picture: masks and layers, moved as an operator moves what they are of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.operator import Operator

__all__ = ["Course"]

Points = NDArray[np.float64]

_CLOSE: Final = 0.05
"""Residual in px at which the inverse of a map is good enough to pick the nearest pixel."""


@dataclass(frozen=True)
class Course:
    """Where an operator takes what was on a picture of `width` x `height` px before it."""

    operator: Operator[Any]
    parameters: Any
    width: int
    height: int

    @cached_property
    def source(self) -> NDArray[np.float32] | None:
        """The place (float32, height x width x 2) that each px comes from; None where nothing moves.

        `Operator.map_points` is inverted numerically, to a twentieth of a px or better.
        """

        def forward(points: Points) -> Points:
            return self.operator.map_points(points, self.parameters, self.width, self.height)

        corners = _grid(np.linspace(0, self.width - 1, 9), np.linspace(0, self.height - 1, 9))
        if np.array_equal(forward(corners), corners):
            return None
        return _inverse(forward, corners, self.height, self.width).astype(np.float32)

    @property
    def beside(self) -> bool:
        """Whether the picture also shows beside the medium, where it was."""
        return self.operator.live_beside(self.parameters)

    def carry(
        self, layer: NDArray[Any], medium: NDArray[np.uint8] | None, *, smooth: bool = False
    ) -> NDArray[Any]:
        """Return `layer` (height x width, or x channels; any dtype that OpenCV remaps) after the operator.

        `medium` is the mask that the operator returned. A px takes the nearest value, or, where `smooth`,
        the mean of four; from outside the frame comes 0. What does not move is returned as it is.
        """
        if not layer.any() or self.source is None:
            return layer
        moved = _taken(layer, self.source, smooth=smooth)
        if self.beside and medium is not None:
            live = medium < 128
            moved[live] = layer[live]
        return moved

    def join(
        self, mask: NDArray[np.uint8], medium: NDArray[np.uint8] | None, *, renders: bool
    ) -> NDArray[np.uint8]:
        """Return the mask of all media after the operator; `mask` is that of the media before it.

        `renders` says that the operator renders a medium: whatever it shows is that medium's.
        """
        if not renders:
            return self.carry(mask, None)
        own = np.full_like(mask, 255) if medium is None else medium
        before = self.carry(mask, own)
        # at its soft edge a sheet before a room shows no earlier medium but its own share of the px
        return np.maximum(own, before) if self.beside else np.where(own > 0, own, before)


def _taken(layer: NDArray[Any], source: NDArray[np.float32], *, smooth: bool) -> NDArray[Any]:
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    moved = cv2.remap(
        layer, source[..., 0], source[..., 1], how, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
    return np.asarray(moved, layer.dtype).reshape(layer.shape)


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
