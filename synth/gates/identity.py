"""Who is shown: a cosine between embeddings that heeds what attacks leave alone.

An attack changes a picture a lot: its colours, its light, its frame. Along the directions in which attacks
move embeddings, a difference says little of who is shown; so embeddings are first scaled by the covariance of
that movement, as speaker recognition does with channels (WCCN: Hatch, Kajarekar and Stolcke, Interspeech
2006). That covariance is learned from pairs of a live face and what was made of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Whitening", "more_alike", "unit"]

Vectors = NDArray[np.float32]
_SHRINK = 0.2  # share of a round covariance: with it, as many pairs as there are numbers suffice


def unit(vectors: Vectors) -> Vectors:
    """Return the vectors, n x d, at length 1; one of zeros stays."""
    return np.asarray(
        vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12), np.float32
    )


@dataclass(frozen=True, slots=True)
class Whitening:
    """`factor` (d x d) scales embeddings; `centre` is the mean live one, `shift` what attacks add to it."""

    centre: Vectors
    shift: Vectors
    factor: Vectors

    @classmethod
    def of(cls, live: Vectors, content: Vectors, attack: Vectors) -> Whitening:
        """Return the whitening of pairs: `content` and `attack` are n x d, row by row; `live` m x d."""
        moved = attack.astype(np.float64) - content
        shift = moved.mean(axis=0)
        covariance = (moved - shift).T @ (moved - shift) / len(moved)
        width = len(shift)
        round_one = np.eye(width) * max(np.trace(covariance) / width, 1e-12)
        factor = np.linalg.cholesky(np.linalg.inv((1 - _SHRINK) * covariance + _SHRINK * round_one))
        return cls(live.mean(axis=0).astype(np.float32), shift.astype(np.float32), factor.astype(np.float32))

    def live(self, vectors: Vectors) -> Vectors:
        """Return unit vectors of live faces."""
        return unit(np.asarray((vectors - self.centre) @ self.factor, np.float32))

    def attack(self, vectors: Vectors) -> Vectors:
        """Return unit vectors of attacks: the same as of the live face, where who is shown is kept."""
        return unit(np.asarray((vectors - self.centre - self.shift) @ self.factor, np.float32))


def more_alike(made: Vectors, own: Vectors, others: Vectors) -> float:
    """Return the share of `others`, n x d, that are less like `made` than `own` is: unit vectors of width d.

    A picture of somebody else gives a number that is uniform in [0, 1], so one that is asked to be 0.99 lets
    one wrong person in a hundred pass. NaN where there are no others.
    """
    if not len(others):
        return float("nan")
    return float((others @ made < own @ made).mean())
