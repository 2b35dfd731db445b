"""Blur and noise on request, by filters that are known: what a network that is told them does not heed.

What quality changes in a picture is a thousandth of the squared error that a network learns by, and noise is
in no mean, so it learns next to nothing of either. The two qualities that pixels show can be made instead: a
filter that softens or sharpens until the blur is the one asked for, then grain, or less of the finest detail,
until the noise is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.synth.pictures import QUALITIES, seen_quality

__all__ = ["MATCHED", "Matched", "matched"]

MATCHED = QUALITIES[:2]
"""The qualities that filters can make: blur and noise."""

_TRIED = (-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 0.8, 1.2, 1.7, 2.4, 3.2)  # of `softened`
_SMOOTHEST = 8.0
_LOUDEST = 24.0  # codes
_EXACT = 0.02  # of a code, of a pixel

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Matched:
    """A picture that was brought to a quality, and how; `before` and `after` are as of `seen_quality`.

    `softened` is the deviation of a Gaussian in px, or under 0 how many times the detail that one of 1 px
    takes away was added. `noise` is the deviation of grey noise in codes, or under 0 how many times the
    detail that alternates from each pixel to the next, across and along at once, was taken away.
    """

    pixels: Pixels
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    softened: float
    noise: float

    def to_json(self) -> dict[str, Any]:
        """Return what a row keeps."""
        pairs = zip(MATCHED, self.before, self.after, strict=True)
        told = {name: {"network": round(float(a), 4), "made": round(float(b), 4)} for name, a, b in pairs}
        return {**told, "softened": round(self.softened, 4), "noise_added": round(self.noise, 4)}


def matched(
    pixels: Pixels, grain: Floats, *, blur: float | None = None, noise: float | None = None
) -> Matched:
    """Return a picture, uint8 RGB of an even side, with this blur and this noise, or as near as it goes.

    `blur` and `noise` are in the units of `QUALITIES`; None leaves one to what the filter for the other does
    to it. `grain`, height x width, is noise of unit deviation. What cannot be reached, because a picture has
    no more detail to sharpen or to take away, is come near to: `after` says how near.
    """
    filters = _Filters(pixels, grain)
    softened = 0.0 if blur is None else filters.softening_for(blur, noise)
    added = 0.0 if noise is None else filters.noise_for(noise, softened)
    made = filters(softened, added)
    return Matched(made, seen_quality(pixels), seen_quality(made), softened, added)


class _Filters:
    """What `matched` does to one picture, as products in its cosine transform."""

    def __init__(self, pixels: Pixels, grain: Floats) -> None:
        self.grain = grain[:, :, None]
        self.waves = [cv2.dct(one) for one in cv2.split(pixels.astype(np.float32))]

    def __call__(self, softened: float, noise: float) -> Pixels:
        """Return the picture with these of `Matched` done to it."""
        squares, alternating = _frequencies(*self.grain.shape[:2])
        if softened >= 0:
            gain = np.exp(-(softened**2) * squares / 2)
        else:  # not in the direction that the measure of noise looks in
            gain = 1 - softened * (1 - np.exp(-squares / 2)) * (1 - alternating)
        if noise < 0:
            gain = gain * (1 - alternating) ** -noise
        made = np.dstack([cv2.idct(one * gain.astype(np.float32)) for one in self.waves])
        if noise > 0:
            made = made + noise * self.grain
        return made.round().clip(0, 255).astype(np.uint8)

    def noise_for(self, wanted: float, softened: float) -> float:
        """Return the noise that gives `wanted`, log10 codes, or comes nearest to it."""

        def missed(noise: float) -> float:
            return float(seen_quality(self(softened, noise))[1] - wanted)

        at_none = missed(0.0)
        if at_none == 0:
            return 0.0
        low, high = (0.0, _LOUDEST) if at_none < 0 else (-_SMOOTHEST, 0.0)
        if missed(low) > 0:
            return low
        return high if missed(high) < 0 else _zero(missed, low, high)

    def softening_for(self, wanted: float, noise: float | None) -> float:
        """Return the softening that gives the blur `wanted`, or comes nearest, once the noise is put right.

        Noise hides blur, so each blur is tried with the noise that it then needs: their curve may turn, and
        of two ways to one blur the milder is taken.
        """

        def missed(softened: float) -> float:
            added = 0.0 if noise is None else self.noise_for(noise, softened)
            return float(seen_quality(self(softened, added))[0] - wanted)

        found = [missed(one) for one in _TRIED]
        crossings = [place for place in range(len(_TRIED) - 1) if found[place] * found[place + 1] <= 0]
        if not crossings:
            return _TRIED[int(np.argmin(np.abs(found)))]
        place = min(crossings, key=lambda one: abs(_TRIED[one] + _TRIED[one + 1]))
        return _zero(missed, *_TRIED[place : place + 2])


@lru_cache(maxsize=4)
def _frequencies(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return squared frequencies in radians a pixel, and how much of each alternates both ways (0-1)."""
    rows, columns = (np.pi * np.arange(side) / side for side in (height, width))
    both = np.outer(np.sin(rows / 2) ** 2, np.sin(columns / 2) ** 2)
    return rows[:, None] ** 2 + columns[None] ** 2, both


def _zero(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function is 0 that is not of one sign at the ends, to within _EXACT, by halving."""
    falls = function(low) > 0
    while high - low > _EXACT:
        middle = (low + high) / 2
        low, high = (middle, high) if (function(middle) > 0) is falls else (low, middle)
    return (low + high) / 2
