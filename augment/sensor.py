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
def normal_table() -> NDArray[np.int64]:
    """Return quantiles of the normal distribution at (i + 1/2) / 4096, int64, variance 2048^2, mean 0."""
    normal = NormalDist()
    half = np.array([normal.inv_cdf((i + 0.5) / NOISE_STEPS) for i in range(NOISE_STEPS // 2, NOISE_STEPS)])
    half /= math.sqrt(float(np.mean(half**2)))
    upper = np.rint(half * 2048).astype(np.int64)
    return np.concatenate([-upper[::-1], upper])


@lru_cache(maxsize=64)
def deviations(shot: float, read: float) -> NDArray[np.int64]:
    """Return the noise's standard deviation at a signal of (k + 1/2) / 4096, in 1/2^20 of full scale.

    variance = shot * x + read, in units of full scale (Foi et al., IEEE TIP 17, 2008; EMVA 1288, eq. 9).
    """
    x = (np.arange(4097) + 0.5) / 4096
    return np.asarray(np.rint(np.sqrt(shot * x + read) * 2**20), np.int64)


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
    fall: NDArray[np.int64],
    fall_rows: NDArray[np.int64],
    fall_columns: NDArray[np.int64],
    veil: NDArray[np.int64],
    flare: NDArray[np.uint16],
    sigma: NDArray[np.int64],
    normal: NDArray[np.int64],
    key: int,
    bits: int,
) -> NDArray[np.uint16]:
    """Return the raw frame in steps of the converter, uint16, with a border of one mirrored px all around.

    `mosaic` is light at the photosites, 32768 is white. Of it `fall[fall_rows[y] + fall_columns[x]]` (Q15)
    arrives; `veil` (one a site of the 2 x 2 cell) and `flare` (height x width, or 1 x 1 where there is none)
    are added; the sum times `row_gain` (Q15) and `site_gain` (Q15 at a site, full scale at light 65536) is
    the signal. Noise: a hash of (key, site) picks a normal deviate, which `sigma[signal]` scales.
    """
    height, width = mosaic.shape
    raw = np.empty((height + 2, width + 2), np.uint16)
    black, top = np.int64(1 << (bits - 4)), np.int64((1 << bits) - 1)
    span = top - black
    flares = flare.shape[0] == height and flare.shape[1] == width
    added = np.empty(width + 1, np.int64)
    for y in range(height):
        for x in range(width):
            added[x] = veil[2 * (y & 1) + (x & 1)]
        if flares:
            for x in range(width):
                added[x] += flare[y, x]
        even = (row_gain[y] * site_gain[2 * (y & 1)]) >> 15
        odd = (row_gain[y] * site_gain[2 * (y & 1) + 1]) >> 15
        for pair in range((width + 1) >> 1):
            word = np.uint32(y * ((width + 1) >> 1) + pair) * np.uint32(0x9E3779B1) ^ np.uint32(key)
            word = (word ^ (word >> np.uint32(16))) * np.uint32(0x85EBCA6B)
            word = (word ^ (word >> np.uint32(13))) * np.uint32(0xC2B2AE35)
            word = word ^ (word >> np.uint32(16))
            for x in range(2 * pair, min(2 * pair + 2, width)):
                share = fall[np.uint64(fall_rows[y] + fall_columns[x])]
                light = ((np.int64(mosaic[y, x]) * share + 16384) >> 15) + added[x]
                signal = min((light * (odd if x & 1 else even) + 16384) >> 15, 65536)
                deviate = normal[np.uint64(word & np.uint32(4095))]
                word = word >> np.uint32(16)
                signal = (signal << 4) + ((deviate * sigma[np.uint64(signal >> 4)] + 1024) >> 11)
                steps = black + ((signal * span + (1 << 19)) >> 20)
                raw[y + 1, x + 1] = min(max(steps, 0), top)
        raw[y + 1, 0] = raw[y + 1, 2]
        raw[y + 1, width + 1] = raw[y + 1, width - 1]
    raw[0] = raw[2]
    raw[height + 1] = raw[height - 1]
    return raw
