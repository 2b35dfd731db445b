"""Dots of an inkjet print: a frequency-modulated (blue-noise) screen, seen close by."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.bluenoise import MASK_SIDE, blue_noise
from facedata.augment.kernels import kernel, prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity
from facedata.datasets.words import Words

__all__ = ["BlueNoiseHalftone", "BlueNoiseHalftoneParameters"]

_SHIFTS: Final = np.array([[0, 0], [37, 85], [91, 23], [64, 107]], np.int64)
"""Rows and columns by which the masks of K, C, M and Y are shifted, so that the inks do not coincide."""


class BlueNoiseHalftoneParameters(Parameters):
    """Size of the dots on paper, how close the camera is, and how much of the dots it resolves."""

    strength: float = quantity(
        "share of the ink's contrast that survives the optics of the capture",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.01, 0.4]},
    )
    dot: float = quantity(
        "pitch of the dots on paper", unit="um", low=10, high=500, draw={"uniform": [85, 170]}
    )
    print_width: float = quantity(
        "length of print that the shorter side of the picture shows",
        unit="mm",
        low=5,
        high=1000,
        draw={"uniform": [15, 35]},
    )
    black: float = quantity(
        "share of the common grey of the inks that is printed in black",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.2, 0.8]},
    )
    pattern_seed: int = quantity(
        "place of the mask on the paper", unit="1", low=0, high=2**31 - 1, draw={"integer": [0, 2**31 - 1]}
    )


class BlueNoiseHalftone(Operator[BlueNoiseHalftoneParameters]):
    """Threshold each ink's tone by a void-and-cluster mask and mix the dots with the picture in linear light.

    Each of C, M, Y and K either is at a place or is not. Inks are ideal block dyes, so a channel is lit where
    neither its ink nor black is: the dots' mean is the picture's linear light, and tone is kept at every
    strength. A dot covers `dot / print_width` of the shorter side; dots smaller than a pixel lose contrast in
    proportion, as their average over the pixel does.
    """

    name = "bn-halftone"
    attack: ClassVar[str | None] = "print/inkjet"
    strength: ClassVar[str] = "strength"
    parameters = BlueNoiseHalftoneParameters

    def apply(self, image: Image, parameters: BlueNoiseHalftoneParameters) -> Applied:
        """Return the picture, uint8 height x width x 3, as a print in dots."""
        image = prepared(image)
        height, width, _ = image.shape
        pitch = parameters.dot / 1000 / parameters.print_width * min(height, width)
        share = round(parameters.strength * min(pitch, 1.0) * ONE)
        if share == 0:
            return Applied(image.copy())
        words = Words.of(parameters.pattern_seed, "mask")
        rows = cells(height, pitch, words.integer(0, MASK_SIDE - 1))
        columns = cells(width, pitch, words.integer(0, MASK_SIDE - 1))
        black = round(parameters.black * ONE)
        return Applied(dots(image, blue_noise(), _SHIFTS, rows, columns, black, share, LINEAR, CODED))


def cells(length: int, pitch: float, start: int) -> NDArray[np.int64]:
    """Return for each of `length` px the cell it begins in and the part of it (0-256) that lies there.

    int64, length x 2. `pitch` is px per cell, taken as 1 where smaller, so that a pixel meets at most two cells.
    """
    step = max(1.0, pitch)
    begin = np.arange(length) / step
    cell = np.floor(begin)
    inside = np.minimum((cell + 1 - begin) * step, 1.0)
    return np.stack([cell.astype(np.int64) + start, np.rint(inside * 256).astype(np.int64)], axis=1)


@kernel
def dots(
    image: Image,
    mask: NDArray[np.uint16],
    shifts: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    black: int,
    share: int,
    linear: NDArray[np.uint16],
    coded: NDArray[np.uint8],
) -> Image:
    """Return (1 - share) * light + share * dots; `black` and `share` are Q15, `mask` has a power-of-two side."""
    out = np.empty_like(image)
    height, width, _ = image.shape
    wrap = mask.shape[0] - 1
    rest = 32768 - share
    k_y, k_x, c_y, c_x = shifts[0, 0], shifts[0, 1], shifts[1, 0], shifts[1, 1]
    m_y, m_x, y_y, y_x = shifts[2, 0], shifts[2, 1], shifts[3, 0], shifts[3, 1]
    for y in range(height):
        row, upper = rows[y, 0], rows[y, 1]
        for x in range(width):
            column, left = columns[x, 0], columns[x, 1]
            r = np.int64(linear[image[y, x, 0]])
            g = np.int64(linear[image[y, x, 1]])
            b = np.int64(linear[image[y, x, 2]])
            key = ((65535 - max(r, g, b)) * black) >> 15
            free = 65536 - key
            lit_r, lit_g, lit_b = 0, 0, 0
            for i in range(1 if upper == 256 else 2):
                tall = upper if i == 0 else 256 - upper
                v = row + i
                for j in range(1 if left == 256 else 2):
                    area = tall * (left if j == 0 else 256 - left)
                    u = column + j
                    if np.int64(mask[(v + k_y) & wrap, (u + k_x) & wrap]) >= key:
                        # given no black, a channel is lit with probability light / (1 - black): no division
                        if np.int64(mask[(v + c_y) & wrap, (u + c_x) & wrap]) * free < r << 16:
                            lit_r += area
                        if np.int64(mask[(v + m_y) & wrap, (u + m_x) & wrap]) * free < g << 16:
                            lit_g += area
                        if np.int64(mask[(v + y_y) & wrap, (u + y_x) & wrap]) * free < b << 16:
                            lit_b += area
            out[y, x, 0] = coded[(r * rest + ((lit_r * 65535) >> 16) * share + 16384) >> 17]
            out[y, x, 1] = coded[(g * rest + ((lit_g * 65535) >> 16) * share + 16384) >> 17]
            out[y, x, 2] = coded[(b * rest + ((lit_b * 65535) >> 16) * share + 16384) >> 17]
    return out
