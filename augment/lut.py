"""A colour transform baked into a 33 x 33 x 33 table, and its tetrahedral interpolation in integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.light import srgb_decode
from facedata.augment.operator import Image

__all__ = ["FRACTION", "NODE", "SIDE", "STEPPED", "apply_lut", "bake"]

Floats = NDArray[np.float64]

SIDE: Final = 33
"""Nodes along each axis."""


def _places() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return node (0-31) and fraction (0-256 in 1/256 of a step) of each 8-bit code."""
    place = np.rint(np.arange(256) * (SIDE - 1) * 256 / 255).astype(np.int64)
    node = np.minimum(place >> 8, SIDE - 2)
    return node, place - (node << 8)


NODE, FRACTION = _places()
"""int64 x 256 each: the node below a code, and how far the code is above it, in 1/256 of a step."""

STEPPED: NDArray[np.uint16] = np.rint(srgb_decode(np.minimum(np.arange(4096) / 4080, 1)) * 65535).astype(
    np.uint16
)
"""uint16 x 4096: linear light of the table's 12-bit sRGB values, where 4080 (255 * 16) is white."""


def bake(transform: Callable[[Floats], Floats]) -> NDArray[np.int64]:
    """Return the table of `transform`, which maps sRGB values 0-1 (N x 3) to sRGB values 0-1 (N x 3).

    A node is one 64-bit word of three lanes of 21 bits, each holding 255 * 16 levels: the weighted sum of
    four nodes (weights add up to 256) is then three sums at once, and no lane spills into its neighbour.
    """
    axis = np.arange(SIDE) / (SIDE - 1)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    levels = np.rint(np.clip(transform(grid), 0, 1) * 4080).astype(np.int64)
    return levels[:, 0] | (levels[:, 1] << 21) | (levels[:, 2] << 42)


@kernel
def apply_lut(
    image: Image,
    table: NDArray[np.int64],
    node: NDArray[np.int64],
    fraction: NDArray[np.int64],
    stepped: NDArray[np.uint16],
    share: int,
    linear: NDArray[np.uint16],
    coded: NDArray[np.uint8],
) -> Image:
    """Return (1 - share) * image + share * table(image), mixed in linear light; share is Q15.

    Tetrahedral interpolation: the cube around a colour is cut along its grey diagonal into six tetrahedra,
    and the colour lies on a path that climbs the axes in the order of their fractions (Kasson et al. 1995).
    """
    out = np.empty_like(image)
    height, width, _ = image.shape
    rest = 32768 - share
    for y in range(height):
        for x in range(width):
            r, g, b = image[y, x, 0], image[y, x, 1], image[y, x, 2]
            fr, fg, fb = fraction[r], fraction[g], fraction[b]
            base = (node[r] * 33 + node[g]) * 33 + node[b]
            high, low = max(fr, fg, fb), min(fr, fg, fb)
            middle = fr + fg + fb - high - low
            # selects, not branches: faces jump between tetrahedra too often to be predicted
            first = 1089 if fr == high else (33 if fg == high else 1)
            second = 34 if fr == low else (1090 if fg == low else 1122)
            total = (
                table[np.uint64(base)] * (256 - high)
                + table[np.uint64(base + first)] * (high - middle)
                + table[np.uint64(base + second)] * (middle - low)
                + table[np.uint64(base + 1123)] * low
            )
            light = np.int64(stepped[np.uint64(((total & 0x1FFFFF) + 128) >> 8)])
            out[y, x, 0] = coded[np.uint64((np.int64(linear[r]) * rest + light * share + 16384) >> 17)]
            light = np.int64(stepped[np.uint64((((total >> 21) & 0x1FFFFF) + 128) >> 8)])
            out[y, x, 1] = coded[np.uint64((np.int64(linear[g]) * rest + light * share + 16384) >> 17)]
            light = np.int64(stepped[np.uint64(((total >> 42) + 128) >> 8)])
            out[y, x, 2] = coded[np.uint64((np.int64(linear[b]) * rest + light * share + 16384) >> 17)]
    return out
