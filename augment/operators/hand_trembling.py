"""Motion of the hand during the exposure: the picture drawn out along a line."""

from __future__ import annotations

import math
from typing import ClassVar, Final, NamedTuple

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
        passes = traces(length, parameters.direction)
        if len(passes[0].weights) == 1:
            return Applied(image.copy())
        down, across = sum(p.down for p in passes), sum(p.across for p in passes)
        padded = np.asarray(
            cv2.copyMakeBorder(image, down, down, across, across, cv2.BORDER_REFLECT_101), np.uint8
        )
        light = linearised(padded, LINEAR)
        for trace in passes[:-1]:
            light = spread(light, trace.rows, trace.columns, trace.weights)
        trace = passes[-1]
        return Applied(smear(light, trace.rows, trace.columns, trace.weights, CODED))


class Trace(NamedTuple):
    """Taps of a trace: rows and columns counted from the corner of its bounding box, and Q15 weights.

    `down` and `across` are the reach from the centre: the box is (2 down + 1) x (2 across + 1).
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: NDArray[np.int64]
    down: int
    across: int


_LONG: Final = 24
"""Length in px from which a trace is drawn in two passes."""


def traces(length: float, direction: float) -> list[Trace]:
    """Return the passes that draw a line of `length` px at `direction` deg: one, or for a long line two.

    A line is a shorter line repeated end to end, so a long one costs two passes of about the square root of
    its taps. Points stand an eighth of a pixel apart, or less.
    """
    parts = round(math.sqrt(0.43 * length)) if length > _LONG else 1
    points = max(1, math.ceil(length / parts * 8)) | 1
    first = splat(length / parts, points, direction)
    return [first] if parts == 1 else [first, splat(length, parts, direction)]


def splat(length: float, count: int, direction: float) -> Trace:
    """Return the taps of `count` points, the middles of equal parts of a centred line of `length` px.

    Each point is shared among its four neighbours by area; the weights add up to 32768 exactly.
    """
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
    rows, columns = taps // side - reach, taps % side - reach
    down, across = int(np.abs(rows).max()), int(np.abs(columns).max())
    return Trace(rows + down, columns + across, weights[taps], down, across)


@kernel
def linearised(image: Image, linear: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return linear light of the picture, uint16, height x (3 width)."""
    height, span = image.shape[0], image.shape[1] * 3
    light = np.empty((height, span), np.uint16)
    for y in range(height):
        source = image[y].reshape(-1)
        for i in range(span):
            light[y, i] = linear[source[i]]
    return light


@kernel
def _gather(
    total: NDArray[np.int32],
    light: NDArray[np.uint16],
    y: int,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    weights: NDArray[np.int64],
) -> None:
    """Set `total` to the weighted sum of shifted rows plus a half: under 2**31, as weights add to 2**15."""
    total[:] = 16384
    for tap in range(weights.size):
        row = light[y + rows[tap], columns[tap] * 3 : columns[tap] * 3 + total.size]
        weight = np.int32(weights[tap])
        for i in range(total.size):
            total[i] += np.int32(row[i]) * weight


@kernel
def spread(
    light: NDArray[np.uint16],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    weights: NDArray[np.int64],
) -> NDArray[np.uint16]:
    """Return the weighted sum of shifted copies of `light`, smaller by the extent of the taps."""
    out = np.empty((light.shape[0] - rows.max(), light.shape[1] - 3 * columns.max()), np.uint16)
    total = np.empty(out.shape[1], np.int32)
    for y in range(out.shape[0]):
        _gather(total, light, y, rows, columns, weights)
        for i in range(total.size):
            out[y, i] = np.uint32(total[i]) >> 15
    return out


@kernel
def smear(
    light: NDArray[np.uint16],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    weights: NDArray[np.int64],
    coded: NDArray[np.uint8],
) -> Image:
    """Return what `spread` does as a picture, uint8 height x width x 3."""
    height, span = light.shape[0] - rows.max(), light.shape[1] - 3 * columns.max()
    out = np.empty((height, span // 3, 3), np.uint8)
    total = np.empty(span, np.int32)
    for y in range(height):
        _gather(total, light, y, rows, columns, weights)
        target = out[y].reshape(-1)
        for i in range(span):
            target[i] = coded[np.uint32(total[i]) >> 17]
    return out
