"""The sensor: exposure, rolling shutter, photon and read noise, and the converter's steps."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel

__all__ = ["NOISE_STEPS", "deviations", "expose", "flicker_gain", "normal_table", "pedestal"]

NOISE_STEPS: Final = 4096
"""Entries of the table of normal deviates: quantiles up to 3.7 standard deviations."""
_HARMONICS: Final = 16


@cache
def normal_table() -> NDArray[np.int32]:
    """Return quantiles of the normal distribution at (i + 1/2) / 4096, int32, variance 2048^2, mean 0."""
    normal = NormalDist()
    half = np.array([normal.inv_cdf((i + 0.5) / NOISE_STEPS) for i in range(NOISE_STEPS // 2, NOISE_STEPS)])
    half /= math.sqrt(float(np.mean(half**2)))
    upper = np.rint(half * 2048).astype(np.int32)
    return np.concatenate([-upper[::-1], upper])


@lru_cache(maxsize=64)
def deviations(shot: float, read: float) -> NDArray[np.int32]:
    """Return the noise's standard deviation at a signal of (k + 1/2) / 4096, in 1/2^20 of full scale.

    variance = shot * x + read, in units of full scale (Foi et al., IEEE TIP 17, 2008; EMVA 1288).
    """
    x = (np.arange(4097) + 0.5) / 4096
    return np.asarray(np.rint(np.sqrt(shot * x + read) * 2**20), np.int32)


def pedestal(bits: int) -> int:
    """Return the black level in steps of the converter: a sixteenth of its range."""
    return 1 << (bits - 4)


def flicker_gain(
    rows: int,
    *,
    frequency: float,
    depth: float,
    duty: float,
    phase: float,
    exposure_time: float,
    readout: float,
) -> NDArray[np.float64]:
    """Return the gain of each row, float64 x rows, of a rolling shutter under a flickering light.

    g(y) = 1 + sum_n a_n sinc(n f T) cos(2 pi n f t(y) + n phase), with f = `frequency` (Hz), T =
    `exposure_time` (s) and t(y) the time at which the row's exposure is at its middle; the shutter crosses
    the rows in `readout` s. A lamp (`duty` 0) has a_1 = `depth` only; a pulse of that duty cycle has a_n =
    2 `depth` sinc(n duty). `phase` is in deg. Gains below nothing, which a cut series has, are set to 0.
    """
    if depth == 0:
        return np.ones(rows)
    time = (np.arange(rows) + 0.5) * (readout / rows)
    order = np.arange(1, _HARMONICS + 1) if duty > 0 else np.ones(1)
    amplitude = 2 * depth * np.sinc(order * duty) if duty > 0 else np.array([depth])
    amplitude = amplitude * np.sinc(order * frequency * exposure_time)
    angle = (2 * np.pi * frequency) * time + math.radians(phase)
    return np.asarray(np.maximum(1 + np.cos(np.outer(angle, order)) @ amplitude, 0), np.float64)


@kernel
def expose(
    mosaic: NDArray[np.uint16],
    row_gain: NDArray[np.int64],
    site_gain: NDArray[np.int64],
    fall: NDArray[np.int32],
    fall_rows: NDArray[np.int32],
    fall_columns: NDArray[np.int32],
    veil: NDArray[np.int64],
    flare: NDArray[np.uint16],
    sigma: NDArray[np.int32],
    normal: NDArray[np.int32],
    key: int,
    bits: int,
) -> NDArray[np.uint16]:
    """Return the raw frame in steps of the converter, uint16, with a border of two mirrored px all around.

    `mosaic` is light at the photosites, 32768 is white. Of it `fall[fall_rows[y] + fall_columns[x]]` (Q15)
    arrives; `veil` (one a site of the 2 x 2 cell) and `flare` (uint16 x 3, coarse, enlarged to the sensor; or
    1 x 1 x 3 where there is none) are added; the sum times `row_gain` (Q15) and `site_gain` (Q15 at a site,
    full scale at light 65536) is the signal. Noise: a hash of (key, pair of sites) picks two normal deviates,
    which `sigma[signal]` scales. (A product of 32-bit numbers is one of 64 bits here unless it is cast.)
    """
    height, width = mosaic.shape
    raw = np.empty((height + 4, width + 4), np.uint16)
    black, top = np.int32(1 << (bits - 4)), np.int32((1 << bits) - 1)
    span = np.int32(top - black)
    half = (width + 1) >> 1
    signal, noise = np.empty(2 * half, np.int32), np.empty(2 * half, np.int32)
    added, words = np.empty(2 * half, np.uint32), np.empty(half, np.uint32)
    signal[2 * half - 1] = 0
    across = np.empty(width, np.int64)
    for x in range(width):
        across[x] = _place(x, width, flare.shape[1])
    for y in range(height):
        source, target, cell = mosaic[y], raw[y + 2], 2 * (y & 1)
        even_veil, odd_veil = np.uint32(veil[cell]), np.uint32(veil[cell + 1])
        for x in range(width):
            added[x] = odd_veil if x & 1 else even_veil
        if flare.size > 3:
            _enlarge(flare, y, height, across, added)
        down = fall_rows[y]
        for x in range(width):
            signal[x] = fall[np.uint32(down + fall_columns[x])]
        even = np.uint64((row_gain[y] * site_gain[cell]) >> 15)
        odd = np.uint64((row_gain[y] * site_gain[cell + 1]) >> 15)
        for x in range(width):
            light = np.uint32(np.uint32(source[x]) * np.uint32(signal[x]) + np.uint32(16384)) >> np.uint32(15)
            product = np.uint64(light + added[x]) * (odd if x & 1 else even) + np.uint64(16384)
            signal[x] = np.int32(min(product >> np.uint64(15), np.uint64(65536)))
        for pair in range(half):
            word = np.uint32(np.uint32(np.uint32(y * half + pair) * np.uint32(0x9E3779B1)) ^ np.uint32(key))
            word = np.uint32(np.uint32(word ^ (word >> np.uint32(16))) * np.uint32(0x85EBCA6B))
            word = np.uint32(np.uint32(word ^ (word >> np.uint32(13))) * np.uint32(0xC2B2AE35))
            words[pair] = word ^ (word >> np.uint32(16))
        for pair in range(half):
            word, left, right = words[pair], np.uint32(signal[2 * pair]), np.uint32(signal[2 * pair + 1])
            noise[2 * pair] = normal[word & np.uint32(4095)] * sigma[left >> np.uint32(4)]
            noise[2 * pair + 1] = normal[word >> np.uint32(20)] * sigma[right >> np.uint32(4)]
        for x in range(width):
            value = np.int32(signal[x] + (np.int32(noise[x] + np.int32(16384)) >> np.int32(15)))
            steps = black + (np.int32(value * span + np.int32(32768)) >> np.int32(16))
            target[x + 2] = min(max(steps, np.int32(0)), top)
        _mirror(target)
    # as `_mirror` does along a row: a mosaic's mirror keeps its colours only about the middle of a px
    raw[1], raw[height + 2] = raw[3], raw[height]
    raw[0], raw[height + 3] = raw[4 if height > 2 else 2], raw[height - 1 if height > 2 else 3]
    return raw


@kernel
def _mirror(row: NDArray[np.uint16]) -> None:
    """Set the two outermost px at either end to those that lie as far from the third, on its other side."""
    width = row.size - 4
    row[1], row[width + 2] = row[3], row[width]
    row[0], row[width + 3] = row[4 if width > 2 else 2], row[width - 1 if width > 2 else 3]


@kernel
def _place(index: int, count: int, cells: int) -> int:
    """Return where px `index` of `count` lies among coarse cells, in 1/256 cell from the first one's middle.

    It is held within the outermost middles.
    """
    return min(max(((2 * index + 1) * cells * 128) // count - 128, 0), (cells - 1) * 256)


@kernel
def _enlarge(
    flare: NDArray[np.uint16], y: int, height: int, across: NDArray[np.int64], added: NDArray[np.uint32]
) -> None:
    """Add row `y` of `height` of the coarse `flare`, linearly enlarged, to the sites of that row.

    `across` is the place of each column among the flare's.
    """
    rows, columns, _ = flare.shape
    place = _place(y, height, rows)
    row = min(place >> 8, rows - 2)
    low, colour = place - (row << 8), y & 1
    first, second = flare[row].reshape(-1), flare[row + 1].reshape(-1)
    for x in range(across.size):
        column = min(across[x] >> 8, columns - 2)
        right, site = across[x] - (column << 8), np.uint64(3 * column + colour + (x & 1))
        near = np.int64(first[site]) * (256 - low) + np.int64(second[site]) * low
        site += np.uint64(3)
        far = np.int64(first[site]) * (256 - low) + np.int64(second[site]) * low
        added[x] += np.uint32((near * (256 - right) + far * right + 32768) >> 16)
