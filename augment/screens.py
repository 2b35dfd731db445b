"""Screens: how far ink coverage lies from tone at each place of a halftone cell, seen through a pixel.

A screen is a table of `tones x side x side` signed Q15 values with zero mean at every tone, so that a screen
never changes a tone; it is filtered for the size at which the camera sees the cell, so that what a pixel
cannot resolve is gone rather than aliased.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.bluenoise import MASK_SIDE, blue_noise

__all__ = ["ANGLES", "CELL_LEVELS", "CELL_SIDE", "DROP_LEVELS", "OCTAVE", "cell_table", "drop_table"]

ANGLES: Final = (15.0, 75.0, 0.0, 45.0)
"""Screen angles in deg of C, M, Y, K (ISO 12647-2:2004, 4.2.2.3: C, M, K 30 deg apart, Y between)."""
CELL_SIDE: Final = 32
"""Places along a side of the clustered-dot cell."""
CELL_LEVELS: Final = 64
"""Steps of tone of the clustered-dot cell."""
DROP_LEVELS: Final = 32
"""Steps of tone of the blue-noise tile, whose side is `MASK_SIDE` drops."""
OCTAVE: Final = 8
"""Steps an octave in which the pixel's size over the cell's is rounded, so that few tables are made."""
_OPTICS: Final = 0.35
"""Standard deviation, in px, of the least point spread that a camera has."""


@cache
def cell_table(step: int) -> NDArray[np.int16]:
    """Return how far coverage lies from tone within a cell of `2**(step / 8)` px.

    int16, 65 tones x 32 x 32 (flat), Q15: zero mean at every tone. The spot function is that of Euclidean
    round dots (round, then checkerboard at 50 %, then round holes), its values replaced by their ranks so
    that the tone is exact; then each pattern is filtered by the optics and the aperture of a pixel.
    """
    place = (np.arange(CELL_SIDE) + 0.5) / CELL_SIDE
    spot = np.cos(2 * np.pi * place)[:, None] + np.cos(2 * np.pi * place)[None, :]
    # cells at the same height take turns by a fixed irregular order, or a dot would grow lopsided
    turn = np.argsort(np.arange(CELL_SIDE**2) * 389 % CELL_SIDE**2).reshape(CELL_SIDE, CELL_SIDE)
    order = np.lexsort((turn.ravel(), -np.round(spot, 9).ravel()))
    rank = np.empty(CELL_SIDE**2, np.int64)
    rank[order] = np.arange(CELL_SIDE**2)
    return _seen(rank.reshape(CELL_SIDE, CELL_SIDE), CELL_LEVELS, 2 ** (step / OCTAVE))


@lru_cache(maxsize=8)
def drop_table(step: int) -> NDArray[np.int16]:
    """Return how far coverage lies from tone in a blue-noise tile whose drops are `2**(step / 8)` px apart.

    int16, 33 tones x 128 x 128 (flat), Q15: zero mean at every tone, filtered as `cell_table` is.
    """
    return _seen(blue_noise(), DROP_LEVELS, MASK_SIDE * 2 ** (step / OCTAVE))


def _seen(rank: NDArray[np.int64], levels: int, period: float) -> NDArray[np.int16]:
    """Return the patterns `rank < tone` less their mean, as a pixel sees tiles of `period` px."""
    side = len(rank)
    tones = np.arange(levels + 1)[:, None, None]
    pattern = (rank * levels < tones * side**2).astype(np.float64)
    wave = np.fft.fftfreq(side, 1 / side)
    frequency = np.hypot(wave[:, None], wave[None, :]) / period
    passed = np.exp(-2 * (np.pi * _OPTICS * frequency) ** 2) * np.sinc(frequency)
    passed *= 0.5 + 0.5 * np.cos(np.pi * np.clip((frequency - 0.4) / 0.1, 0, 1))
    passed[0, 0] = 0
    seen = np.fft.ifft2(np.fft.fft2(pattern) * passed).real
    return np.rint(seen * 32767).astype(np.int16).reshape(-1)
