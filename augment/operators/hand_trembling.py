"""Motion of the hand during the exposure: the picture drawn out along a line."""

from __future__ import annotations

import math
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel, prepared
from facedata.augment.light import CODED, LINEAR
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity

__all__ = ["HandTrembling", "HandTremblingParameters"]


class HandTremblingParameters(Parameters):
    """Length and direction of the trace that a point leaves."""

    length: float = quantity(
        "length of the trace, of the shorter side (at 256 px: 1 to 16 px)",
        unit="%",
        low=0,
        high=25,
        draw={"uniform": [100 / 256, 1600 / 256]},
    )
    direction: float = quantity(
        "direction of the trace, counter-clockwise from the right",
        unit="deg",
        low=-180,
        high=180,
        draw={"choice": [0.0, 45.0, 90.0, 135.0]},
    )


class HandTrembling(Operator[HandTremblingParameters]):
    """Average linear light along a line: each point of the scene is spread evenly over its trace.

    A constant velocity during the exposure; the frame's edge mirrors. Energy is kept: the weights add up to
    one. The label is kept, as live captures tremble too.
    """

    name = "hand-trembling"
    strength: ClassVar[str] = "length"
    parameters = HandTremblingParameters

    def apply(self, image: Image, parameters: HandTremblingParameters) -> Applied:
        """Return the picture, uint8 height x width x 3, blurred along the direction."""
        image = prepared(image)
        height, width, _ = image.shape
        length = parameters.length / 100 * min(height, width)
        rows, columns, weights = trace(length, parameters.direction)
        if len(weights) == 1:
            return Applied(image.copy())
        down, across = int(np.abs(rows).max()), int(np.abs(columns).max())
        padded = np.asarray(
            cv2.copyMakeBorder(image, down, down, across, across, cv2.BORDER_REFLECT_101), np.uint8
        )
        return Applied(smear(padded, rows + down, columns + across, weights, height, width, LINEAR, CODED))


def trace(length: float, direction: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the taps of a line of `length` px at `direction` deg: row and column offsets, Q15 weights.

    Points at an eighth of a pixel along the line, each shared among its four neighbours by area; the weights
    add up to 32768 exactly, and the line is centred, so that the picture does not move.
    """
    count = max(1, math.ceil(length * 8)) | 1
    along = ((np.arange(count) + 0.5) / count - 0.5) * length
    x, y = along * math.cos(math.radians(direction)), -along * math.sin(math.radians(direction))
    # exact zeros, or the rounding of cos 90 deg would give every tap a neighbour of weight nothing
    x, y = np.round(x, 9), np.round(y, 9)
    reach = math.ceil(length / 2) + 1
    side = 2 * reach + 1
    column, row = np.floor(x), np.floor(y)
    right, low = x - column, y - row
    corner = ((row + reach) * side + column + reach).astype(np.int64)
    corners = np.concatenate([corner, corner + 1, corner + side, corner + side + 1])
    shares = np.concatenate([(1 - low) * (1 - right), (1 - low) * right, low * (1 - right), low * right])
    area = np.bincount(corners, shares, side * side) / count
    weights = np.rint(area * 32768).astype(np.int64)
    weights[reach * side + reach] += 32768 - weights.sum()
    (taps,) = np.nonzero(weights)
    return taps // side - reach, taps % side - reach, weights[taps]


@kernel
def smear(
    padded: Image,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    weights: NDArray[np.int64],
    height: int,
    width: int,
    linear: NDArray[np.uint16],
    coded: NDArray[np.uint8],
) -> Image:
    """Return the weighted sum of shifted rows of `padded` in linear light; offsets are not negative."""
    out = np.empty((height, width, 3), np.uint8)
    span = width * 3
    light = np.empty((padded.shape[0], padded.shape[1] * 3), np.uint16)
    for y in range(light.shape[0]):
        source = padded[y].reshape(-1)
        for i in range(light.shape[1]):
            light[y, i] = linear[source[i]]
    total = np.empty(span, np.int32)
    for y in range(height):
        total[:] = 16384
        for tap in range(weights.size):
            row = light[y + rows[tap], columns[tap] * 3 : columns[tap] * 3 + span]
            weight = np.int32(weights[tap])
            for i in range(span):
                total[i] += np.int32(row[i]) * weight
        target = out[y].reshape(-1)
        for i in range(span):
            target[i] = coded[np.uint32(total[i]) >> 17]
    return out
