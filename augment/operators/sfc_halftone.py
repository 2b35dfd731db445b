"""Dots of a laser or offset print: four clustered-dot screens at their angles."""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import faded, kernel, prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity
from facedata.augment.screens import ANGLES as CMYK_ANGLES
from facedata.augment.screens import OCTAVE, cell_table
from facedata.datasets.words import Words

__all__ = ["ClusteredHalftone", "ClusteredHalftoneParameters"]

ANGLES: Final = (CMYK_ANGLES[3], *CMYK_ANGLES[:3])
"""Screen angles in degrees of K, C, M and Y."""

LANE: Final = 2**30 - 1


class ClusteredHalftoneParameters(Parameters):
    """Ruling, how close the camera is, and how much of the dots it resolves."""

    strength: float = quantity(
        "share of the ink's contrast that survives the optics of the capture",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.01, 0.2]},
    )
    ruling: float = quantity(
        "screen ruling, lines an inch", unit="lpi", low=30, high=400, draw={"uniform": [85, 175]}
    )
    print_width: float = quantity(
        "length of print that the shorter side of the picture shows",
        unit="mm",
        low=5,
        high=1000,
        draw={"uniform": [8, 14]},
    )
    rotation: float = quantity(
        "rotation of the print before the camera, counter-clockwise",
        unit="deg",
        low=-180,
        high=180,
        draw={"uniform": [-10.0, 10.0]},
    )
    black: float = quantity(
        "share of the common grey of the inks that is printed in black",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.3, 0.9]},
    )
    pattern_seed: int = quantity(
        "place of the four screens on the paper",
        unit="1",
        low=0,
        high=2**31 - 1,
        draw={"integer": [0, 2**31 - 1]},
    )


class ClusteredHalftone(Operator[ClusteredHalftoneParameters]):
    """Screen C, M, Y and K with clustered dots and mix the print with the picture in linear light.

    The cell's dot pattern of each tone is low-pass filtered for the pixel it is seen through, without
    touching its mean: dots have soft edges, a harmonic above the Nyquist frequency is gone rather than
    aliased, and a screen of less than two px a cell fades to continuous tone. Inks block their own channel
    (density 1.6; darker tones are solid) and the screens' angles differ, so channel means multiply (Demichel)
    and the picture keeps its tone and colour. Grey and flat pictures need no special case: tone is absolute,
    never stretched.
    """

    name = "sfc-halftone"
    attack: ClassVar[str | None] = "print/laser"
    strength: ClassVar[str] = "strength"
    parameters = ClusteredHalftoneParameters

    def shows(self, parameters: ClusteredHalftoneParameters, width: int, height: int) -> bool:
        """Whether there is ink, in cells of two pixels or more."""
        return round(parameters.strength * ONE) > 0 and period_of(parameters, min(height, width)) >= 2

    def apply(self, image: Image, parameters: ClusteredHalftoneParameters) -> Applied:
        """Return the picture, uint8 height x width x 3, as a print in clustered dots."""
        image = prepared(image)
        height, width, _ = image.shape
        if not self.shows(parameters, width, height):
            return faded(image)
        period = period_of(parameters, min(height, width))
        share = round(parameters.strength * ONE)
        step = round(OCTAVE * math.log2(period))
        starts, steps = phases(height, period, parameters.rotation, parameters.pattern_seed)
        chance, base = tones(share)
        reach = share * (65535 - INK) // 65535
        black = round(parameters.black * ONE)
        table = cell_table(min(step, 5 * OCTAVE))
        return Applied(screens(image, table, starts, steps, chance, base, RECIPROCAL, black, reach, CODED))


def period_of(parameters: ClusteredHalftoneParameters, side: int) -> float:
    """Return the period of the screens in pixels, where the shorter side of the picture has `side`."""
    return 25.4 / parameters.ruling / parameters.print_width * side


INK: Final = 1642
"""Light of 65535 that solid ink reflects: density 1.6, toner or offset ink on office paper."""

RECIPROCAL: NDArray[np.int64] = 65536 * 65535 // (65535 - 256 * np.arange(256))
"""int64 x 256: Q16 reciprocal of 1 - k for black in steps of 256 of 65535, rounded down."""


def tones(share: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return by code the part of 65535 that stays paper, and the light that does not depend on the screen.

    `share` is the strength in Q15; the light is Q15 of 65535; int64 x 256 each.
    """
    light = LINEAR.astype(np.int64)
    ink = np.minimum(light, INK)
    chance = (light - ink) * 65535 // (65535 - INK)
    return chance, light * (ONE - share) + ink * share + 16384


def phases(
    height: int, period: float, rotation: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the phases of K, C, M, Y at each row's start (int64, height x 4), and their steps along x (4).

    A phase holds v in bits 0-29 and u in bits 31-60, in cycles of 2**30; bits 30 and 61 take the carries.
    """
    words = Words.of(seed, "screens")
    angles = np.radians(np.array(ANGLES) + rotation)
    along, across = np.cos(angles) / period, np.sin(angles) / period
    # y points down, angles turn counter-clockwise
    steps = np.rint(np.stack([along, across]) * 2.0**30).astype(np.int64)
    turns = np.rint(np.stack([-across, along]) * 2.0**30).astype(np.int64)
    origin = np.array([[words.integer(0, LANE) for _ in ANGLES] for _ in "uv"], np.int64)
    starts = (origin[:, None, :] + np.arange(height)[:, None] * turns[:, None, :]) & LANE
    steps &= LANE
    return (starts[0] << 31) | starts[1], (steps[0] << 31) | steps[1]


@kernel
def _paper(table: NDArray[np.int16], tone: int, phase: int) -> int:
    """Return the part of 65535 that a screen of ink coverage `tone` leaves bare at `phase`."""
    place = (((tone + 512) >> 10) << 10) + ((phase >> 20) & 0x3E0) + (phase >> 56)
    return 65535 - tone - 2 * int(table[np.uint64(place)])


@kernel
def screens(
    image: Image,
    table: NDArray[np.int16],
    starts: NDArray[np.int64],
    steps: NDArray[np.int64],
    chance: NDArray[np.int64],
    base: NDArray[np.int64],
    reciprocal: NDArray[np.int64],
    black: int,
    reach: int,
    coded: NDArray[np.uint8],
) -> Image:
    """Return base + reach * (bare of black) * (bare of the channel's ink); `black` and `reach` are Q15."""
    out = np.empty_like(image)
    height, width, _ = image.shape
    step_k, step_c, step_m, step_y = steps[0], steps[1], steps[2], steps[3]
    lanes = 0x1FFFFFFFBFFFFFFF
    for y in range(height):
        k, c, m, yellow = starts[y, 0], starts[y, 1], starts[y, 2], starts[y, 3]
        for x in range(width):
            red, green, blue = image[y, x, 0], image[y, x, 1], image[y, x, 2]
            r, g, b = chance[red], chance[green], chance[blue]
            step = ((65535 - max(r, g, b)) * black) >> 23
            inverse = reciprocal[np.uint64(step)]
            paper = _paper(table, step << 8, k) * reach
            bare = _paper(table, 65535 - ((r * inverse) >> 16), c)
            out[y, x, 0] = coded[np.uint64(min(max((base[red] + ((paper * bare) >> 16)) >> 17, 0), 16383))]
            bare = _paper(table, 65535 - ((g * inverse) >> 16), m)
            out[y, x, 1] = coded[np.uint64(min(max((base[green] + ((paper * bare) >> 16)) >> 17, 0), 16383))]
            bare = _paper(table, 65535 - ((b * inverse) >> 16), yellow)
            out[y, x, 2] = coded[np.uint64(min(max((base[blue] + ((paper * bare) >> 16)) >> 17, 0), 16383))]
            k, c = (k + step_k) & lanes, (c + step_c) & lanes
            m, yellow = (m + step_m) & lanes, (yellow + step_y) & lanes
    return out
