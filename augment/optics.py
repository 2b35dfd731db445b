"""The lens: light on the sensor from light in front of it, one colour a photosite."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.light import ONE

__all__ = [
    "falloff",
    "focus",
    "mirrored",
    "point_spread",
    "shade",
    "site_means",
    "sites",
    "soften",
]

Light = NDArray[np.uint16]


@lru_cache(maxsize=256)
def point_spread(sigma: float) -> NDArray[np.int32]:
    """Return the taps of a defocus of `sigma` px, int32, odd length, Q15, adding up to 32768 exactly.

    The discrete Gaussian T(n) = exp(-s^2) I_n(s^2) (Lindeberg, IEEE PAMI 12, 1990, eq. 20): unlike a sampled
    Gaussian its variance is sigma^2 at every sigma, and blurs add in quadrature. Its transfer function is
    exp(s^2 (cos w - 1)), from which it is computed.
    """
    reach = math.ceil(4.5 * sigma) + 2
    whole = np.rint(_spread(sigma, reach, 1 << (4 * reach).bit_length()) * ONE).astype(np.int32)
    # taps of a ten-thousandth change the variance by less than a percent, and cost as much as the others
    whole[whole < 4] = 0
    whole[reach] += ONE - whole.sum()
    trimmed = int(np.nonzero(whole)[0][0])
    return whole[trimmed : len(whole) - trimmed].copy()


@kernel
def _spread(sigma: float, reach: int, count: int) -> NDArray[np.float64]:
    """Return T(-reach .. reach) from `count` samples of its transfer function, which is real and even."""
    cosines, out = np.empty(count), np.zeros(2 * reach + 1)
    for k in range(count):
        cosines[k] = math.cos(2 * math.pi * k / count)
    for k in range(count // 2 + 1):
        passed = math.exp(sigma * sigma * (cosines[k] - 1)) / count
        if 0 < k < count // 2:
            passed *= 2
        for n in range(reach + 1):
            out[reach + n] += passed * cosines[(k * n) % count]
    for n in range(reach):
        out[n] = out[2 * reach - n]
    return out


@lru_cache(maxsize=256)
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
    columns are summed for all colours, the rows for the two colours that a row of the mosaic has. Taps either
    side of the middle are equal, so that one product serves two; no sum exceeds 31 bits, as weights add up to
    15.
    """
    height, width, _ = light.shape
    out = np.empty((height, width), np.uint16)
    reach = weights.size >> 1
    total = np.empty(3 * width, np.int32)
    even, odd = np.empty(columns.size, np.int32), np.empty(columns.size, np.int32)
    even_sum, odd_sum = np.empty(width, np.int32), np.empty(width, np.int32)
    for y in range(height):
        _set_weighted(total, light[rows[y + reach]].reshape(-1), weights[reach])
        for tap in range(reach):
            above, below = light[rows[y + tap]].reshape(-1), light[rows[y + 2 * reach - tap]].reshape(-1)
            _add_pair(total, above, below, weights[tap])
        first = np.int64(y & 1)
        for i in range(columns.size):
            place = np.uint64(3 * columns[i] + first)
            even[i] = total[place] >> 15
            odd[i] = total[place + np.uint64(1)] >> 15
        _set_weighted(even_sum, even[reach : reach + width], weights[reach])
        _set_weighted(odd_sum, odd[reach : reach + width], weights[reach])
        for tap in range(reach):
            near, far = slice(tap, tap + width), slice(2 * reach - tap, 2 * reach - tap + width)
            _add_pair(even_sum, even[near], even[far], weights[tap])
            _add_pair(odd_sum, odd[near], odd[far], weights[tap])
        target = out[y]
        for x in range(width):
            target[x] = (odd_sum[x] if x & 1 else even_sum[x]) >> 15
    return out


@kernel
def soften(
    light: Light, weights: NDArray[np.int32], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Light:
    """Return the light (uint16, height x width x 3) through a lens with the Q15 taps `weights`.

    `rows` and `columns` are the indices that go on beyond the border (`mirrored`).
    """
    height, width, _ = light.shape
    out = np.empty_like(light)
    reach = weights.size // 2
    span = 3 * width
    line = np.empty(span + 6 * reach, np.int32)
    total = np.empty(span, np.int32)
    for y in range(height):
        middle = light[rows[y + reach]].reshape(-1)
        _set_weighted(total, middle, weights[reach])
        for tap in range(reach):
            above, below = light[rows[y + tap]].reshape(-1), light[rows[y + 2 * reach - tap]].reshape(-1)
            _add_pair(total, above, below, weights[tap])
        for i in range(span):
            line[3 * reach + i] = total[i] >> 15
        for i in range(reach):
            for channel in range(3):
                line[3 * i + channel] = line[3 * (columns[i] + reach) + channel]
                end = width + reach + i
                line[3 * end + channel] = line[3 * (columns[end] + reach) + channel]
        _set_weighted(total, line[3 * reach : 3 * reach + span], weights[reach])
        for tap in range(reach):
            near, far = 3 * tap, 3 * (2 * reach - tap)
            _add_pair(total, line[near : near + span], line[far : far + span], weights[tap])
        target = out[y].reshape(-1)
        for i in range(span):
            target[i] = total[i] >> 15
    return out


# Loops of their own: the compiler turns them into vector instructions only where it sees two or three arrays.
@kernel
def _set_weighted(total: NDArray[np.int32], row: NDArray[Any], weight: np.int32) -> None:
    """Set `total` to `weight` times the row, plus a half of Q15."""
    for i in range(total.size):
        total[i] = np.int32(16384) + np.int32(row[i]) * weight


@kernel
def _add_pair(total: NDArray[np.int32], first: NDArray[Any], second: NDArray[Any], weight: np.int32) -> None:
    """Add `weight` times the sum of two rows."""
    for i in range(total.size):
        total[i] += (np.int32(first[i]) + np.int32(second[i])) * weight


@kernel
def sites(light: Light) -> Light:
    """Return the mosaic (RGGB, uint16, height x width) of `light` (uint16, height x width x 3) as it is."""
    height, width, _ = light.shape
    out = np.empty((height, width), np.uint16)
    for y in range(height):
        row, target, first = light[y].reshape(-1), out[y], y & 1
        for x in range(width):
            target[x] = row[np.uint64(3 * x + first + (x & 1))]
    return out


@kernel
def shade(
    mosaic: Light, corner: NDArray[np.int64], across: NDArray[np.int64], down: NDArray[np.int64]
) -> None:
    """Multiply the mosaic in place by a gain that is linear over the frame, for red, green and blue each.

    The gain (Q15) at row y, column x is (corner + x across + y down) >> 16; light is cut at 65535.
    """
    height, width = mosaic.shape
    for y in range(height):
        row, phase = mosaic[y], y & 1
        even, odd = corner[phase] + y * down[phase], corner[phase + 1] + y * down[phase + 1]
        even_step, odd_step = across[phase], across[phase + 1]
        for x in range(width):
            gain = (odd + x * odd_step) if x & 1 else (even + x * even_step)
            row[x] = min((np.int64(row[x]) * (gain >> 16) + 16384) >> 15, 65535)


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


def falloff(field_angle: float) -> float:
    """Return b of cos^4 = 1 / (1 + b r^2)^2, the natural illumination of a thin lens off its axis.

    r is the distance from the axis over that of the picture's corner, which lies `field_angle` deg off the
    axis (Slyusarev, Aberration and Optical Design Theory, 1984).
    """
    return math.tan(math.radians(field_angle)) ** 2
