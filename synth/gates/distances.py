"""How far the made pictures of a dataset, taken together, are from real ones: FID and KID on any features.

Figures on the features of one embedder compare with figures on the same features only; those of papers rest
on an Inception network.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["frechet_distance", "kernel_distance"]

Vectors = NDArray[np.floating]


def frechet_distance(first: Vectors, second: Vectors) -> float:
    """Return the Fréchet distance of the normal distributions of two sets of vectors, n x d and m x d.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), Heusel et al. 2017 (arXiv 1706.08500). With S = R^T R (R from
    the QR decomposition of the centred vectors) that root's trace is the sum of the singular values of
    R1 R2^T, so no root of a singular matrix is needed. It is biased upward where there are few vectors.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    moved = one.mean(axis=0) - two.mean(axis=0)
    one, two = (
        np.asarray(np.linalg.qr((x - x.mean(axis=0)) / np.sqrt(max(len(x) - 1, 1)), mode="r"), np.float64)
        for x in (one, two)
    )
    cross = np.linalg.svd(one @ two.T, compute_uv=False).sum()
    return float(max(moved @ moved + np.square(one).sum() + np.square(two).sum() - 2 * cross, 0.0))


def kernel_distance(
    first: Vectors, second: Vectors, *, subsets: int = 100, size: int = 100, seed: int = 0
) -> tuple[float, float]:
    """Return the kernel distance of two sets of vectors and its standard error over subsets.

    The unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3, Bińkowski et al. 2018
    (arXiv 1801.01401): its mean over `subsets` draws of `size` from each; about 0 for two samples of one
    distribution, and it may be negative. NaN where a set has fewer than two vectors.
    """
    size = min(size, len(first), len(second))
    if size < 2:
        return float("nan"), float("nan")
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    draw = np.random.default_rng(seed)
    found = [
        _squared_discrepancy(
            one[draw.choice(len(one), size, replace=False)], two[draw.choice(len(two), size, replace=False)]
        )
        for _ in range(subsets)
    ]
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(subsets)) if subsets > 1 else 0.0


def _squared_discrepancy(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    width, count = one.shape[1], len(one)
    inside, outside, between = ((a @ b.T / width + 1) ** 3 for a, b in ((one, one), (two, two), (one, two)))
    pairs = count * (count - 1)
    own = (inside.sum() - np.trace(inside) + outside.sum() - np.trace(outside)) / pairs
    return float(own - 2 * between.mean())
