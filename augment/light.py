"""Linear light: sRGB code values to relative luminance and back, in 16-bit integers (IEC 61966-2-1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CODED", "LINEAR", "ONE", "srgb_decode", "srgb_encode"]

ONE = 32768
"""1.0 in the Q15 fixed point of strengths and weights."""

Floats = NDArray[np.float64]


def srgb_decode(coded: Floats) -> Floats:
    """Return linear light 0-1 of sRGB values 0-1 (IEC 61966-2-1, equation 5-7)."""
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def srgb_encode(linear: Floats) -> Floats:
    """Return sRGB values 0-1 of linear light 0-1; light outside 0-1 is clipped."""
    clipped = np.clip(linear, 0.0, 1.0)
    return np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)


LINEAR: NDArray[np.uint16] = np.rint(srgb_decode(np.arange(256) / 255) * 65535).astype(np.uint16)
"""uint16 x 256: linear light (65535 is display white) of each 8-bit sRGB code."""

CODED: NDArray[np.uint8] = np.rint(srgb_encode((np.arange(16384) * 4 + 1.5) / 65535) * 255).astype(np.uint8)
"""uint8 x 16384: sRGB code of linear light `v`, at index `v >> 2`.

Four units of 65535 a bin: the first code is 20 units wide, so `CODED[LINEAR[c] >> 2] == c` for every c, and
16 kB stay in the first-level cache.
"""
