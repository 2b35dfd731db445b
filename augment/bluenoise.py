"""A blue-noise threshold mask by the void-and-cluster method (Ulichney, SPIE 1913, 1993)."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel

__all__ = ["MASK_SIDE", "blue_noise"]

MASK_SIDE: Final = 128
"""Side of the mask in cells; a power of two, so that places wrap by a bit mask."""

_REACH: Final = 7
_SIGMA: Final = 1.5


@cache
def blue_noise() -> NDArray[np.int64]:
    """Return the mask: int64, 128 x 128, ranks 0 .. 16383, each once; a cell is dotted where rank < tone.

    Thresholding a constant tone leaves dots with no power at low frequencies. All arithmetic is in integers
    and ties go to the first place, so every machine computes the same mask; it is made once per process.
    """
    offsets = np.arange(-_REACH, _REACH + 1)
    distance = offsets[:, None] ** 2 + offsets[None, :] ** 2
    weights = np.rint(np.exp(-distance / (2 * _SIGMA**2)) * 2**20).astype(np.int64)
    return void_and_cluster(MASK_SIDE, weights)


@kernel
def _extreme(energy: NDArray[np.int64], taken: NDArray[np.uint8], wanted: int, sign: int) -> tuple[int, int]:
    """Return the first place of greatest `sign * energy` among the cells whose state is `wanted`."""
    side = energy.shape[0]
    best, best_y, best_x = np.int64(-(1 << 62)), 0, 0
    for y in range(side):
        for x in range(side):
            if taken[y, x] == wanted and energy[y, x] * sign > best:
                best, best_y, best_x = energy[y, x] * sign, y, x
    return best_y, best_x


@kernel
def _toggle(
    energy: NDArray[np.int64], taken: NDArray[np.uint8], weights: NDArray[np.int64], y: int, x: int, sign: int
) -> None:
    """Add (sign 1) or remove (sign -1) a dot at y, x of the torus."""
    side, span = energy.shape[0], weights.shape[0]
    reach = span // 2
    taken[y, x] = 1 if sign > 0 else 0
    for i in range(span):
        for j in range(span):
            energy[(y + i - reach) % side, (x + j - reach) % side] += weights[i, j] * sign


@kernel
def void_and_cluster(side: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ranks 0 .. side**2 - 1 (int64, side x side) of a void-and-cluster dither array.

    `weights` is the integer Gaussian that a dot spreads over its neighbours. The starting pattern fills a
    tenth of the cells from a linear congruential generator, then dots move from clusters to voids until none
    would.
    """
    count = side * side
    ranks = np.zeros((side, side), np.int64)
    energy = np.zeros((side, side), np.int64)
    taken = np.zeros((side, side), np.uint8)
    state, placed = 1, 0
    while placed < count // 10:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        y, x = (state >> 16) % side, (state >> 8) % side
        if taken[y, x] == 0:
            _toggle(energy, taken, weights, y, x, 1)
            placed += 1
    while True:
        y, x = _extreme(energy, taken, 1, 1)
        _toggle(energy, taken, weights, y, x, -1)
        v, u = _extreme(energy, taken, 0, -1)
        _toggle(energy, taken, weights, v, u, 1)
        if v == y and u == x:
            break
    first_energy, first_taken = energy.copy(), taken.copy()
    for rank in range(placed - 1, -1, -1):
        y, x = _extreme(energy, taken, 1, 1)
        _toggle(energy, taken, weights, y, x, -1)
        ranks[y, x] = rank
    energy, taken = first_energy, first_taken
    for rank in range(placed, count):
        # past half full the minority are the voids: the emptiest void is also the tightest cluster of them
        y, x = _extreme(energy, taken, 0, -1)
        _toggle(energy, taken, weights, y, x, 1)
        ranks[y, x] = rank
    return ranks
