"""A blue-noise threshold mask by the void-and-cluster method (Ulichney, SPIE 1913, 1993)."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MASK_SIDE", "blue_noise"]

MASK_SIDE: Final = 128
"""Side of the mask in cells; a power of two, so that places wrap by a bit mask."""

_REACH: Final = 7
_SIGMA: Final = 1.5
_DOT: Final = 1 << 60
"""More than all energies."""


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


def void_and_cluster(side: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ranks 0 .. side**2 - 1 (int64, side x side) of a void-and-cluster dither array.

    `weights` is the integer Gaussian that a dot spreads over its neighbours, odd x odd, no larger than the
    mask. The starting pattern fills a tenth of the cells from a linear congruential generator, then dots move
    from clusters to voids until none would.
    """
    count, reach = side * side, weights.shape[0] // 2
    near = (np.arange(side)[:, None] + np.arange(-reach, reach + 1)) % side
    # dots are lifted above all cells without one: the greatest is the tightest cluster, the least the void
    energy = np.zeros((side, side), np.int64)
    cells = energy.reshape(-1)

    def toggle(place: int, sign: int) -> None:
        y, x = divmod(place, side)
        energy[near[y][:, None], near[x]] += sign * weights
        cells[place] += sign * _DOT

    state, placed = 1, 0
    while placed < count // 10:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        place = (state >> 16) % side * side + (state >> 8) % side
        if cells[place] < _DOT:
            toggle(place, 1)
            placed += 1
    while True:
        cluster = int(cells.argmax())
        toggle(cluster, -1)
        void = int(cells.argmin())
        toggle(void, 1)
        if void == cluster:
            break
    ranks, first = np.zeros(count, np.int64), cells.copy()
    for rank in range(placed - 1, -1, -1):
        cluster = int(cells.argmax())
        toggle(cluster, -1)
        ranks[cluster] = rank
    cells[:] = first
    for rank in range(placed, count):
        # past half full the minority are the voids: the emptiest void is also the tightest cluster of them
        void = int(cells.argmin())
        toggle(void, 1)
        ranks[void] = rank
    return ranks.reshape(side, side)
