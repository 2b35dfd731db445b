"""The lens: light on the sensor from light in front of it, one colour a photosite."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.light import ONE

__all__ = ["falloff", "focus", "mirrored", "point_spread", "site_means"]

Light = NDArray[np.uint16]


@lru_cache(maxsize=256)
def point_spread(sigma: float) -> NDArray[np.int32]:
    """Return the taps of a defocus of `sigma` px, int32, odd length, Q15, adding up to 32768 exactly.

    The discrete Gaussian T(n) = exp(-s^2) I_n(s^2) (Lindeberg, IEEE PAMI 12, 1990, eq. 20): unlike a sampled
    Gaussian its variance is sigma^2 at every sigma, and blurs add in quadrature. Its transfer function is
    exp(s^2 (cos w - 1)), from which it is computed.
    """
    reach = math.ceil(4.5 * sigma) + 2
    count = 1 << (4 * reach).bit_length()
    frequency = 2 * np.pi * np.arange(count // 2 + 1) / count
    taps = np.fft.irfft(np.exp(sigma * sigma * (np.cos(frequency) - 1)), count)
    whole = np.rint(np.roll(taps, reach)[: 2 * reach + 1] * ONE).astype(np.int32)
    whole[reach] += ONE - whole.sum()
    trimmed = int(np.nonzero(whole)[0][0])
    return whole[trimmed : len(whole) - trimmed].copy()


def mirrored(count: int, reach: int) -> NDArray[np.int64]:
    """Return indices -reach .. count + reach - 1 mirrored into 0 .. count - 1, the edge repeated.

    With this border a symmetric point spread keeps the sum of the light exactly.
    """
    place = np.arange(-reach, count + reach) % (2 * count)
    return np.minimum(place, 2 * count - 1 - place)


@kernel
def focus(
    light: Light, weights: NDArray[np.int32], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Light:
    """Return the mosaic (RGGB, uint16, height x width) of `light` (uint16, height x width x 3) blurred.

    `weights` are the Q15 taps of the separable point spread, `rows` and `columns` the mirrored indices. The
    columns are summed for all colours, the rows for the two colours that a row of the mosaic has.
    """
    height, width, _ = light.shape
    out = np.empty((height, width), np.uint16)
    span, taps = 3 * width, weights.size
    total = np.empty(span, np.int32)
    even, odd = np.empty(columns.size, np.int32), np.empty(columns.size, np.int32)
    even_sum, odd_sum = np.empty(width, np.int32), np.empty(width, np.int32)
    for y in range(height):
        total[:] = 16384
        for tap in range(taps):
            row, weight = light[rows[y + tap]].reshape(-1), weights[tap]
            for i in range(span):
                total[i] += np.int32(row[i]) * weight
        first, second = np.int64(y & 1), np.int64((y & 1) + 1)
        for i in range(columns.size):
            place = 3 * columns[i]
            even[i] = total[np.uint64(place + first)] >> 15
            odd[i] = total[np.uint64(place + second)] >> 15
        even_sum[:] = 16384
        odd_sum[:] = 16384
        for tap in range(taps):
            weight = weights[tap]
            for x in range(width):
                even_sum[x] += even[x + tap] * weight
                odd_sum[x] += odd[x + tap] * weight
        for x in range(width):
            out[y, x] = (odd_sum[x] if x & 1 else even_sum[x]) >> 15
    return out


@kernel
def site_means(mosaic: Light) -> NDArray[np.int64]:
    """Return the mean light of the four sites of the mosaic's 2 x 2 cell, in reading order, int64."""
    sums, counts = np.zeros((2, 2), np.int64), np.zeros((2, 2), np.int64)
    height, width = mosaic.shape
    for y in range(height):
        row = mosaic[y]
        both, odd = np.int64(0), np.int64(0)
        for x in range(width):
            both += row[x]
            odd += np.int64(row[x]) * (x & 1)
        sums[y & 1, 0] += both - odd
        sums[y & 1, 1] += odd
        counts[y & 1, 0] += (width + 1) >> 1
        counts[y & 1, 1] += width >> 1
    return ((sums + (counts >> 1)) // np.maximum(counts, 1)).reshape(-1)


def falloff(field_angle: float, steps: int = 1024) -> NDArray[np.int64]:
    """Return cos^4 of the angle off the axis, Q15, int64 x (steps + 2): the k-th at r^2 = k / steps.

    r is the distance from the axis over that of the picture's corner, which lies `field_angle` deg off the
    axis. The natural illumination of a thin lens (Slyusarev, Aberration and Optical Design Theory, 1984).
    """
    squared = np.arange(steps + 2) / steps
    tangent = math.tan(math.radians(field_angle))
    return np.asarray(np.rint(ONE / (1 + squared * (tangent * tangent)) ** 2), np.int64)
