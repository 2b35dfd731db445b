"""Dots of an inkjet print: a frequency-modulated (blue-noise) screen, seen close by."""

from __future__ import annotations

from functools import cache
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.bluenoise import MASK_SIDE, blue_noise
from facedata.augment.kernels import faded, kernel, prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity
from facedata.datasets.words import Words

__all__ = ["BlueNoiseHalftone", "BlueNoiseHalftoneParameters"]

_SHIFTS: Final = ((37, 85), (91, 23), (64, 107), (0, 0))
"""Rows and columns by which the masks of C, M, Y and K are shifted, so that the inks do not coincide."""
_INK: Final = 4135
"""Light of 65535 that solid ink reflects: density 1.2, a plain paper's (1.0-1.5)."""
_TONES: Final = MASK_SIDE**2
_PARTS: Final = 4
"""Steps in which the part of a dot that a pixel sees is rounded, along each axis."""


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

    Each of C, M, Y and K either is at a place or is not. Inks block their own channel down to 6 % of the
    light (density 1.2), so a channel is lit where neither its ink nor black is, and tones darker than the ink
    are solid. The dots' mean is the picture's linear light: tone is kept at every strength. A dot covers `dot
    / print_width` of the shorter side and runs into its neighbours over half its pitch; dots smaller than a
    pixel lose contrast in proportion, as their average over the pixel does.
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
            return faded(image)
        words = Words.of(parameters.pattern_seed, "mask")
        rows = cells(height, pitch, words.integer(0, MASK_SIDE - 1))
        columns = cells(width, pitch, words.integer(0, MASK_SIDE - 1))
        lit, shades = tones(share)
        black = round(parameters.black * ONE)
        return Applied(dots(image, _packed(), rows, columns, lit, RECIPROCAL, black, shades))


RECIPROCAL: NDArray[np.int64] = (2**30 // np.maximum(_TONES - 64 * np.arange(257), 1)) * (
    np.arange(257) < 256
)
"""int64 x 257: Q30 reciprocal of the paper that black leaves free, for black in steps of 64 of 16384."""


@cache
def _packed() -> NDArray[np.int64]:
    """Return the four shifted masks in one word: 15-bit lanes of C, M, Y and K from the lowest, 128 x 128."""
    mask = blue_noise()
    lanes = [np.roll(mask, shift, axis=(0, 1)) << (15 * i) for i, shift in enumerate(_SHIFTS)]
    return np.ascontiguousarray(sum(lanes[1:], lanes[0]))


def tones(share: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the chance of being lit (of 16384, by code) and the code seen (by lit parts 0-16 and code).

    `share` is the strength in Q15; int64 x 256 and uint8 x 17 x 256.
    """
    light = LINEAR.astype(np.int64)
    ink = np.minimum(light, _INK)
    lit = (light - ink) * _TONES // (65535 - _INK)
    printed = ink + np.arange(_PARTS**2 + 1)[:, None] * (65535 - ink) // _PARTS**2
    return lit, CODED[(light * (ONE - share) + printed * share + 16384) >> 17]


def cells(length: int, pitch: float, start: int) -> NDArray[np.int64]:
    """Return for each of `length` px a cell and the parts of 4 of the px that the cell after it fills.

    int64, length x 2. `pitch` is px per cell, taken as 1 where smaller. Between two cells' centres the parts
    rise over half a pitch, or over a pixel where that is more: drops of ink are round and run.
    """
    step = max(1.0, pitch)
    place = (np.arange(length) + 0.5) / step - 0.5
    cell = np.floor(place + 1e-9)
    ramp = max(1 / step, 0.8)
    parts = np.clip((place - cell - 0.5) / ramp + 0.5, 0, 1)
    return np.stack([cell.astype(np.int64) + start, np.rint(parts * _PARTS).astype(np.int64)], axis=1)


@kernel
def _lit(tone: int, ranks: int) -> int:
    """Return 1 in the C, M and Y lanes that are lit: those whose rank is below the tone, black's too.

    Four comparisons in one subtraction: a lane of `tone` holds chance + 16383, which leaves the lane's top
    bit set exactly where rank < chance.
    """
    bits = ((tone - ranks) >> 14) & 0x200040008001
    return (bits & 0x40008001) * (bits >> 45)


@kernel
def dots(
    image: Image,
    packed: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    lit: NDArray[np.int64],
    reciprocal: NDArray[np.int64],
    black: int,
    shades: NDArray[np.uint8],
) -> Image:
    """Return the picture in dots; `black` is Q15, the side of `packed` a power of two."""
    out = np.empty_like(image)
    height, width, _ = image.shape
    wrap = packed.shape[0] - 1
    for y in range(height):
        upper, lower = packed[rows[y, 0] & wrap], packed[(rows[y, 0] + 1) & wrap]
        low = rows[y, 1]
        for x in range(width):
            r, g, b = lit[image[y, x, 0]], lit[image[y, x, 1]], lit[image[y, x, 2]]
            step = ((16384 - max(r, g, b)) * black) >> 21
            inverse = reciprocal[np.uint64(step)]
            tone = (
                ((r * inverse) >> 16)
                + (((g * inverse) >> 16) << 15)
                + (((b * inverse) >> 16) << 30)
                + ((16384 - (step << 6)) << 45)
                + 0x7FFEFFFDFFFBFFF  # 16383 in each lane
            )
            left, right = columns[x, 0] & wrap, (columns[x, 0] + 1) & wrap
            across = columns[x, 1]
            parts = (
                _lit(tone, upper[np.uint64(left)]) * (4 - across)
                + _lit(tone, upper[np.uint64(right)]) * across
            ) * (4 - low)
            if low:
                parts += (
                    _lit(tone, lower[np.uint64(left)]) * (4 - across)
                    + _lit(tone, lower[np.uint64(right)]) * across
                ) * low
            out[y, x, 0] = shades[np.uint64(parts & 31), image[y, x, 0]]
            out[y, x, 1] = shades[np.uint64((parts >> 15) & 31), image[y, x, 1]]
            out[y, x, 2] = shades[np.uint64((parts >> 30) & 31), image[y, x, 2]]
    return out
