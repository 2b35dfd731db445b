"""Rows that hang together, and what is known of a number that they give.

Pictures of one person, and variants of one picture, are not independent. They are kept in one fold where a
model is fitted, and drawn together where an interval is made (the cluster bootstrap; Davison and Hinkley
1997, section 3.8); an AUC has a formula instead (Obuchowski 1997, Biometrics 53: 567-578).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from facedata.annotate.score.bootstrap import Draws, Estimate
from facedata.curate.audit.grouping import components, linked

__all__ = [
    "Codes",
    "Floats",
    "Mask",
    "auc",
    "clusters_of",
    "coded",
    "deal",
    "drawn_sums",
    "present",
    "spread",
    "told",
]

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_WEIGHTS = 2_000_000  # of clusters in draws, held at once: 16 MB


def clusters_of(frame: pd.DataFrame) -> Codes:
    """Return the number of each row's cluster: rows that a family or a person links, else its own."""
    links = [linked(frame[name]) for name in ("family", "person")]
    return np.unique(components(len(frame), links), return_inverse=True)[1].astype(np.int64)


def coded(column: pd.Series, names: Sequence[str]) -> Codes:
    """Return the place of each value in `names`, -1 for none and for what is not among them."""
    known, values = (pd.Index(np.asarray(one, dtype=object)) for one in (names, column))
    return np.asarray(known.get_indexer(values), dtype=np.int64)


def deal(clusters: Codes, classes: Codes, folds: int, seed: int) -> Codes:
    """Return a fold, 0 to `folds` - 1, for each row: whole clusters, dealt so that folds are alike.

    Clusters of one make-up (which classes they hold) are dealt in turn, larger ones first, to and fro; equal
    ones are shuffled by `seed`. It is what scikit-learn's StratifiedGroupKFold does, in one pass instead of
    one for every cluster and fold.
    """
    held = pd.DataFrame({"cluster": clusters, "class": classes}).groupby("cluster")["class"]
    kinds, low, high, size = held.nunique(), held.min(), held.max(), held.size()
    shuffle = np.random.default_rng(seed).permutation(len(size))
    order = np.lexsort((shuffle, -size, high, low, kinds))  # the last one counts most
    turn = np.arange(len(order)) % (2 * folds)
    dealt = np.empty(len(order), dtype=np.int64)
    dealt[order] = np.minimum(turn, 2 * folds - 1 - turn)
    return np.asarray(dealt[np.searchsorted(size.index, clusters)], dtype=np.int64)


def drawn_sums(values: ArrayLike, clusters: Codes, draws: Draws) -> Floats:
    """Return the sums of columns, (1 + draws, k): of all rows, then of each draw of whole clusters.

    `values` is (n, k), and any n cluster numbers will do. A cluster's weight in a draw is Poisson(1), by its
    number: sums of one call and of another are of the same draws, and ratios of them may be compared. With
    fewer than two clusters there are no draws.
    """
    values = np.asarray(values, dtype=np.float64)
    numbers, places = np.unique(clusters, return_inverse=True)
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(len(numbers)))
    sums = np.add.reduceat(values[order], starts, axis=0)
    drawn = np.zeros((1 + (draws.count if len(numbers) > 1 else 0), values.shape[1]))
    drawn[0] = sums.sum(0)
    if len(drawn) > 1:
        keys = np.array([draws.key(str(number)) for number in numbers], dtype=np.uint64)
        step = max(1, _WEIGHTS // draws.count)
        for start in range(0, len(keys), step):
            drawn[1:] += draws.weights(keys[start : start + step]).T @ sums[start : start + step]
    return drawn


def spread(estimate: Estimate, count: int) -> Mapping[str, Any]:
    """Return an estimate of `count` rows as an outcome's numbers hold it."""
    return {**estimate.to_json(), "n": int(count)}


def told(estimate: Estimate, digits: int = 2) -> str:
    """Return an estimate in words: `0.93 (0.91 to 0.95)`.

    >>> told(Estimate(0.93, 0.91, 0.95))
    '0.93 (0.91 to 0.95)'
    """
    if estimate.value is None:
        return "not defined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f} (one cluster: no interval)"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def present(column: pd.Series) -> Mask:
    """Return where a column has a value."""
    return np.asarray(column.notna().to_numpy(), dtype=bool)


def auc(scores: Floats, positive: Mask, clusters: Codes, folds: Codes | None = None) -> Estimate:
    """Return the area under the ROC curve with its 95 % interval, rows of one cluster being dependent.

    Scores of one fold are compared with each other only: those of two models share no scale. The interval is
    Obuchowski's, symmetric on the logit scale. Where every pair is in its right order that formula knows no
    spread; then k pairs of different clusters are k trials that all went well, and the area is at least
    0.025^(1/k) (Clopper and Pearson 1934). The area is NaN-free: None without both kinds in a fold.
    """
    from scipy.stats import norm

    folds = np.zeros(len(scores), np.int64) if folds is None else folds
    parts = [_area(scores[folds == f], positive[folds == f], clusters[folds == f]) for f in np.unique(folds)]
    parts = [part for part in parts if part is not None]
    if not parts:
        return Estimate(None)
    areas, variances, pairs, trials = (np.array(column) for column in zip(*parts, strict=True))
    share = pairs / pairs.sum()
    area, variance = float(share @ areas), float(share**2 @ np.nan_to_num(variances))
    if area in (0.0, 1.0):
        limit = 0.025 ** (1 / trials.sum())
        return Estimate(area, limit, 1.0) if area == 1.0 else Estimate(area, 0.0, 1 - limit)
    if not np.isfinite(variances).any():
        return Estimate(area)
    logit, error = np.log(area / (1 - area)), np.sqrt(variance) / (area * (1 - area))
    ends = logit + norm.ppf([0.025, 0.975]) * error
    low, high = 1 / (1 + np.exp(-ends))
    return Estimate(area, float(low), float(high))


def _area(scores: Floats, positive: Mask, clusters: Codes) -> tuple[float, float, float, int] | None:
    """Return area, variance, number of pairs, and of pairs of clusters that share none."""
    high, low = np.sort(scores[positive]), np.sort(scores[~positive])
    if not len(high) or not len(low):
        return None
    numbers, places = np.unique(clusters, return_inverse=True)
    # A row's component is the share of the other kind that it is on the right side of; ties count half.
    above = (np.searchsorted(low, scores[positive]) + np.searchsorted(low, scores[positive], "right")) / 2
    below = (np.searchsorted(high, scores[~positive]) + np.searchsorted(high, scores[~positive], "right")) / 2
    over, under = above / len(low), 1 - below / len(high)
    area = float(over.mean())
    size = len(numbers)
    count_p, count_n = (np.bincount(places[which], minlength=size) for which in (positive, ~positive))
    sum_p = np.bincount(places[positive], over - area, size)
    sum_n = np.bincount(places[~positive], under - area, size)
    with_p, with_n = int((count_p > 0).sum()), int((count_n > 0).sum())
    trials = min(with_p, with_n, size // 2) or 1
    if with_p < 2 or with_n < 2:
        return area, np.nan, float(len(high) * len(low)), trials
    variance = with_p / (with_p - 1) * float(sum_p @ sum_p) / len(high) ** 2
    variance += with_n / (with_n - 1) * float(sum_n @ sum_n) / len(low) ** 2
    variance += 2 * size / (size - 1) * float(sum_p @ sum_n) / (len(high) * len(low))
    return area, max(variance, 0.0), float(len(high) * len(low)), trials
