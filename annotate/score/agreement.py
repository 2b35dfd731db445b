"""Measures of agreement as functions of counts, over any number of leading axes.

A point estimate is one row of counts and its bootstrap a thousand rows, through the same lines. Undefined is
NaN: a precision without positive answers, an agreement where chance alone explains everything.

Sources: Cohen 1960 (kappa); Gwet 2008, Computing inter-rater reliability and its variance in the presence of
high agreement (AC1); Shrout and Fleiss 1979, Intraclass correlations (ICC).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facedata.annotate.score.ratios import share_of

__all__ = ["ac1", "accuracy", "icc_consistency", "kappa", "precision_recall_f1"]

Values = NDArray[np.float64]


def precision_recall_f1(confusion: Values) -> tuple[Values, Values, Values]:
    """Return precision, recall and F1 of each class, (..., q), from confusion counts (..., q, p).

    Rows are the truth's classes and columns the answers'; p may be larger than q, for answers that are no
    class at all: they lower recall and are no class of their own.
    """
    classes = confusion.shape[-2]
    right = np.diagonal(confusion[..., :classes], axis1=-2, axis2=-1)
    actual = confusion.sum(-1)
    answered = confusion.sum(-2)[..., :classes]
    return share_of(right, answered), share_of(right, actual), share_of(2 * right, actual + answered)


def accuracy(confusion: Values) -> Values:
    """Return the share of right answers, (...), from confusion counts (..., q, p)."""
    return share_of(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def kappa(confusion: Values) -> Values:
    """Return Cohen's kappa, (...), from confusion counts (..., q, q)."""
    total = confusion.sum((-2, -1))
    observed = share_of(np.trace(confusion, axis1=-2, axis2=-1), total)
    chance = share_of((confusion.sum(-1) * confusion.sum(-2)).sum(-1), total**2)
    return share_of(observed - chance, 1 - chance)


def ac1(confusion: Values) -> Values:
    """Return Gwet's AC1, (...), from confusion counts (..., q, q), q >= 2.

    >>> ac1(np.array([[118.0, 5.0], [2.0, 0.0]])).round(4).item()
    0.9408
    """
    classes = confusion.shape[-1]
    total = confusion.sum((-2, -1))
    observed = share_of(np.trace(confusion, axis1=-2, axis2=-1), total)
    share = share_of((confusion.sum(-1) + confusion.sum(-2)) / 2, total[..., None])
    chance = (share * (1 - share)).sum(-1) / (classes - 1)
    return share_of(observed - chance, 1 - chance)


def icc_consistency(count: Values, sums: Values, products: Values) -> Values:
    """Return ICC(3,1), (...), of k raters from sufficient statistics.

    `count` (...) is the number of targets, `sums` (..., k) the raters' sums, and `products` (..., k, k) the
    sums of the products of each two raters' values. NaN below two targets, or where nothing varies.
    """
    raters = sums.shape[-1]
    centred = products - share_of(sums[..., :, None] * sums[..., None, :], count[..., None, None])
    freedom = count - 1
    between = share_of(centred.sum((-2, -1)) / raters, freedom)
    error = share_of(np.trace(centred, axis1=-2, axis2=-1), freedom) - between
    error = error / (raters - 1)
    # Centring cancels large numbers: what is left of no variation at all is rounding.
    spread = between + (raters - 1) * error
    scale = np.trace(products, axis1=-2, axis2=-1)
    return np.where(spread > 1e-12 * np.maximum(scale, 1.0), share_of(between - error, spread), np.nan)
