"""The sensor: exposure, rolling shutter, photon and read noise, and the converter's steps."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel

__all__ = ["NOISE_STEPS", "expose", "flicker_gain", "normal_table", "pedestal"]

NOISE_STEPS: Final = 4096
"""Entries of the table of normal deviates: quantiles up to 3.7 standard deviations."""
_HARMONICS: Final = 16
_DEVIATE: Final = np.float32(1 / 2048)

Floats = NDArray[np.float64]
Row = NDArray[np.float32]


@cache
def normal_table() -> NDArray[np.int32]:
    """Return quantiles of the normal distribution at (i + 1/2) / 4096, int32, variance 2048^2, mean 0."""
    normal = NormalDist()
    half = np.array([normal.inv_cdf((i + 0.5) / NOISE_STEPS) for i in range(NOISE_STEPS // 2, NOISE_STEPS)])
    half /= math.sqrt(float(np.mean(half**2)))
    upper = np.rint(half * 2048).astype(np.int32)
    return np.concatenate([-upper[::-1], upper])


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
) -> Floats:
    """Return the gain of each row, float64 x rows, of a rolling shutter under a flickering light.

    g(y) = 1 + sum_n a_n sinc(n f T) cos(2 pi n f t(y) + n phase), with f = `frequency` (Hz), T =
    `exposure_time` (s) and t(y) the time at which the row's exposure is at its middle; the shutter crosses
    the rows in `readout` s. A lamp (`duty` 0) has a_1 = `depth` only; a pulse of that duty cycle has a_n =
    2 `depth` sinc(n duty). `phase` is in deg. Gains below nothing, which a cut series has, are set to 0.
    """
    if depth == 0:
        return np.ones(rows)
    order = np.arange(1, _HARMONICS + 1) if duty > 0 else np.ones(1)
    amplitude = 2 * depth * np.sinc(order * duty) if duty > 0 else np.array([depth])
    turn = 2 * math.pi * frequency * readout / rows
    first = turn / 2 + math.radians(phase)
    return cosines(amplitude * np.sinc(order * (frequency * exposure_time)), first, turn, rows)


@kernel
def cosines(amplitude: Floats, first: float, turn: float, rows: int) -> Floats:
    """Return max(1 + sum_n amplitude[n - 1] cos(n angle), 0) at `rows` angles from `first` on, `turn` apart.

    Orders follow from the first by Clenshaw's recurrence, one cosine a row.
    """
    out = np.empty(rows)
    for y in range(rows):
        cosine = math.cos(first + y * turn)
        here, before = 0.0, 0.0
        for n in range(amplitude.size - 1, -1, -1):
            here, before = amplitude[n] + 2 * cosine * here - before, here
        out[y] = max(1 + here * cosine - before, 0.0)
    return out


@kernel
def expose(
    mosaic: NDArray[np.uint16],
    row_gain: NDArray[np.int64],
    response: NDArray[np.float64],
    lens: tuple[np.float32, np.float32],
    down: Row,
    across: Row,
    veil: Row,
    flare: NDArray[np.uint16],
    noise: tuple[np.float32, np.float32],
    normal: NDArray[np.int32],
    key: int,
    bits: int,
) -> NDArray[np.uint16]:
    """Return the raw frame in steps of the converter, uint16, with a border of two mirrored px all around.

    `mosaic` is light at the photosites, 32768 is white. Of it (1 - glare) / (1 + bend r^2)^2 arrives, where
    `lens` is (1 - glare, bend) and r^2 = `down[y]` + `across[x]`; `veil` (one a site of the 2 x 2 cell) and
    `flare` (uint16 x 3, coarse, enlarged to the sensor; or 1 x 1 x 3 where there is none) are added; the sum
    times `row_gain` (Q15) and `response` (float64, of red, green and blue: the signal of a unit of light) is
    the signal, 1 at most. Noise: a hash of (key, pair of sites) picks two deviates of the table `normal`,
    each times sqrt(a signal + b), where `noise` is (a, b). Floats are single and no two operations are fused,
    so that every machine computes the same frame. (A product of 32-bit integers has 64 bits unless cast.)
    """
    height, width = mosaic.shape
    raw = np.empty((height + 4, width + 4), np.uint16)
    black, top = 1 << (bits - 4), (1 << bits) - 1
    half = (width + 1) >> 1
    words, deviate = np.empty(half, np.uint32), np.empty(2 * half, np.float32)
    added, gain = np.empty(width, np.float32), np.empty(width, np.float32)
    place = np.empty(width, np.int64)
    for x in range(width):
        place[x] = _place(x, width, flare.shape[1])
    share, bend = lens
    shot, read = noise
    span, zero = np.float32(top - black), np.float32(black) + np.float32(0.5)
    none, one, most = np.float32(0), np.float32(1), np.float32(top)
    for y in range(height):
        source, target, cell = mosaic[y], raw[y + 2, 2 : width + 2], y & 1
        even_veil, odd_veil = veil[2 * cell], veil[2 * cell + 1]
        even = np.float32(response[cell] * row_gain[y] * 2.0**-15)
        odd = np.float32(response[cell + 1] * row_gain[y] * 2.0**-15)
        for x in range(width):
            added[x] = odd_veil if x & 1 else even_veil
        for x in range(width):
            gain[x] = odd if x & 1 else even
        if flare.size > 3:
            _enlarge(flare, y, height, place, added)
        for pair in range(half):
            word = np.uint32(np.uint32(np.uint32(y * half + pair) * np.uint32(0x9E3779B1)) ^ np.uint32(key))
            word = np.uint32(np.uint32(word ^ (word >> np.uint32(16))) * np.uint32(0x85EBCA6B))
            word = np.uint32(np.uint32(word ^ (word >> np.uint32(13))) * np.uint32(0xC2B2AE35))
            words[pair] = word ^ (word >> np.uint32(16))
        for pair in range(half):
            word, left = words[pair], np.uint64(2 * pair)
            deviate[left] = np.float32(normal[word & np.uint32(4095)]) * _DEVIATE
            deviate[left + np.uint64(1)] = np.float32(normal[word >> np.uint32(20)]) * _DEVIATE
        low = one + bend * down[y]
        for x in range(width):
            distance = low + bend * across[x]
            # np.divide, as `/` looks for a divisor of nothing at every px
            light = np.float32(source[x]) * np.divide(share, distance * distance) + added[x]
            signal = min(light * gain[x], one)
            value = signal + deviate[x] * np.sqrt(shot * signal + read)
            target[x] = np.uint16(np.int32(min(max(value * span + zero, none), most)))
        _mirror(raw[y + 2])
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
def _enlarge(flare: NDArray[np.uint16], y: int, height: int, across: NDArray[np.int64], added: Row) -> None:
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
        added[x] += np.float32((near * (256 - right) + far * right + 32768) >> 16)
