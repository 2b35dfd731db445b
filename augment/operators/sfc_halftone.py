"""Dots of a laser or offset print: four clustered-dot screens at their angles."""

from __future__ import annotations

import math
from functools import cache
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel, prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity
from facedata.datasets.words import Words

__all__ = ["ClusteredHalftone", "ClusteredHalftoneParameters"]

ANGLES: Final = (45.0, 15.0, 75.0, 0.0)
"""Screen angles in degrees of K, C, M and Y (ISO 12647-2:2004, 4.2.2.3: C, M, K 30 deg apart, Y between)."""

_SIDE: Final = 32
_LEVELS: Final = 64
_OCTAVE: Final = 8
"""Steps an octave in which the pixel's size over the cell's is rounded, so that few tables are made."""
_OPTICS: Final = 0.35
"""Standard deviation of the camera's point spread in px."""


class ClusteredHalftoneParameters(Parameters):
    """Ruling, how close the camera is, and how much of the dots it resolves."""

    strength: float = quantity(
        "share of the ink's contrast that survives the optics of the capture",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.01, 0.2]},
    )
    ruling: float = quantity("screen ruling, lines an inch", unit="lpi", low=30, high=400, draw={"uniform": [85, 175]})
    print_width: float = quantity(
        "length of print that the shorter side of the picture shows",
        unit="mm",
        low=5,
        high=1000,
        draw={"uniform": [8, 18]},
    )
    rotation: float = quantity(
        "rotation of the print before the camera", unit="deg", low=-180, high=180, draw={"uniform": [-10.0, 10.0]}
    )
    black: float = quantity(
        "share of the common grey of the inks that is printed in black", unit="1", low=0, high=1, draw={"uniform": [0.3, 0.9]}
    )
    pattern_seed: int = quantity(
        "place of the four screens on the paper", unit="1", low=0, high=2**31 - 1, draw={"integer": [0, 2**31 - 1]}
    )


class ClusteredHalftone(Operator[ClusteredHalftoneParameters]):
    """Screen C, M, Y and K with clustered dots and mix the print with the picture in linear light.

    The cell's dot pattern of each tone is low-pass filtered for the pixel it is seen through, without touching
    its mean: dots have soft edges, a harmonic above the Nyquist frequency is gone rather than aliased, and a
    screen of less than two px a cell fades to continuous tone. Inks are ideal block dyes and the screens'
    angles differ, so channel means multiply (Demichel) and the picture keeps its tone and colour. Grey and flat
    pictures need no special case: tone is absolute, never stretched.
    """

    name = "sfc-halftone"
    attack: ClassVar[str | None] = "print/laser"
    strength: ClassVar[str] = "strength"
    parameters = ClusteredHalftoneParameters

    def apply(self, image: Image, parameters: ClusteredHalftoneParameters) -> Applied:
        """Return the picture, uint8 height x width x 3, as a print in clustered dots."""
        image = prepared(image)
        height, width, _ = image.shape
        period = 25.4 / parameters.ruling / parameters.print_width * min(height, width)
        share = round(parameters.strength * ONE)
        step = round(_OCTAVE * math.log2(period))
        if share == 0 or period < 2:
            return Applied(image.copy())
        axes = _axes(period, parameters.rotation, parameters.pattern_seed)
        black = round(parameters.black * ONE)
        return Applied(screens(image, cell_table(min(step, 5 * _OCTAVE)), axes, RECIPROCAL, black, share, LINEAR, CODED))


RECIPROCAL: NDArray[np.int64] = np.rint(65536 * 65535 / (65535 - 256 * np.arange(256))).astype(np.int64)
"""int64 x 256: Q16 reciprocal of 1 - k for black in steps of 256 of 65535."""


def _axes(period: float, rotation: float, seed: int) -> NDArray[np.int64]:
    """Return for each of K, C, M, Y: steps of u along x and y, of v along x and y, and starts, in cycles of 2**32."""
    words = Words.of(seed, "screens")
    axes = []
    for angle in ANGLES:
        radians = math.radians(angle + rotation)
        along, across = math.cos(radians) / period, math.sin(radians) / period
        # y points down, angles turn counter-clockwise
        axes.append([along, -across, across, along, words.unit(), words.unit()])
    return np.rint(np.array(axes) * 2.0**32).astype(np.int64)


@cache
def cell_table(step: int) -> NDArray[np.int16]:
    """Return how far coverage lies from tone within a cell of `2**(step / 8)` px.

    int16, 65 tones x 32 x 32, Q15: zero mean at every tone. The spot function is that of Euclidean round dots
    (round, then checkerboard at 50 %, then round holes), its values replaced by their ranks so that the tone is
    exact; then each pattern is filtered by the optics and the aperture of a pixel.
    """
    place = (np.arange(_SIDE) + 0.5) / _SIDE
    spot = np.cos(2 * np.pi * place)[:, None] + np.cos(2 * np.pi * place)[None, :]
    # cells at the same height take turns by a fixed irregular order, or a dot would grow lopsided
    turn = np.argsort(np.arange(_SIDE**2) * 389 % _SIDE**2).reshape(_SIDE, _SIDE)
    order = np.lexsort((turn.ravel(), -np.round(spot, 9).ravel()))
    rank = np.empty(_SIDE**2, np.int64)
    rank[order] = np.arange(_SIDE**2)
    tones = np.arange(_LEVELS + 1)[:, None, None]
    pattern = (rank.reshape(_SIDE, _SIDE) * _LEVELS < tones * _SIDE**2).astype(np.float64)
    wave = np.fft.fftfreq(_SIDE, 1 / _SIDE)
    frequency = np.hypot(wave[:, None], wave[None, :]) * 2 ** (-step / _OCTAVE)
    passed = np.exp(-2 * (np.pi * _OPTICS * frequency) ** 2) * np.sinc(frequency)
    passed *= 0.5 + 0.5 * np.cos(np.pi * np.clip((frequency - 0.4) / 0.1, 0, 1))
    passed[0, 0] = 0
    seen = np.fft.ifft2(np.fft.fft2(pattern) * passed).real
    return np.rint(seen * 32767).astype(np.int16)


@kernel
def screens(
    image: Image,
    table: NDArray[np.int16],
    axes: NDArray[np.int64],
    reciprocal: NDArray[np.int64],
    black: int,
    share: int,
    linear: NDArray[np.uint16],
    coded: NDArray[np.uint8],
) -> Image:
    """Return (1 - share) * light + share * print; `black` and `share` are Q15."""
    out = np.empty_like(image)
    height, width, _ = image.shape
    rest = 32768 - share
    for y in range(height):
        ku, kv = axes[0, 1] * y + axes[0, 4], axes[0, 3] * y + axes[0, 5]
        cu, cv = axes[1, 1] * y + axes[1, 4], axes[1, 3] * y + axes[1, 5]
        mu, mv = axes[2, 1] * y + axes[2, 4], axes[2, 3] * y + axes[2, 5]
        yu, yv = axes[3, 1] * y + axes[3, 4], axes[3, 3] * y + axes[3, 5]
        for x in range(width):
            r = np.int64(linear[image[y, x, 0]])
            g = np.int64(linear[image[y, x, 1]])
            b = np.int64(linear[image[y, x, 2]])
            step = ((65535 - max(r, g, b)) * black) >> 23
            inverse = reciprocal[step]
            tone = step << 8
            paper = 65535 - tone - 2 * np.int64(table[(tone + 512) >> 10, (kv >> 27) & 31, (ku >> 27) & 31])
            tone = 65535 - min((r * inverse) >> 16, 65535)
            bare = 65535 - tone - 2 * np.int64(table[(tone + 512) >> 10, (cv >> 27) & 31, (cu >> 27) & 31])
            mixed = (r * rest + ((paper * bare) >> 16) * share + 16384) >> 17
            out[y, x, 0] = coded[min(max(mixed, 0), 16383)]
            tone = 65535 - min((g * inverse) >> 16, 65535)
            bare = 65535 - tone - 2 * np.int64(table[(tone + 512) >> 10, (mv >> 27) & 31, (mu >> 27) & 31])
            mixed = (g * rest + ((paper * bare) >> 16) * share + 16384) >> 17
            out[y, x, 1] = coded[min(max(mixed, 0), 16383)]
            tone = 65535 - min((b * inverse) >> 16, 65535)
            bare = 65535 - tone - 2 * np.int64(table[(tone + 512) >> 10, (yv >> 27) & 31, (yu >> 27) & 31])
            mixed = (b * rest + ((paper * bare) >> 16) * share + 16384) >> 17
            out[y, x, 2] = coded[min(max(mixed, 0), 16383)]
            ku, kv = ku + axes[0, 0], kv + axes[0, 2]
            cu, cv = cu + axes[1, 0], cv + axes[1, 2]
            mu, mv = mu + axes[2, 0], mv + axes[2, 2]
            yu, yv = yu + axes[3, 0], yv + axes[3, 2]
    return out
