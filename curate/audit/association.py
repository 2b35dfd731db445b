"""How far one label can be read off another: Cramer's V with an interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.annotate.score.bootstrap import Draws
from facedata.curate.audit.clusters import drawn_sums

__all__ = ["cramers_v", "cramers_v_of"]


def cramers_v(
    left: NDArray[np.int64], right: NDArray[np.int64], clusters: NDArray[np.integer[Any]], draws: Draws
) -> dict[str, float]:
    """Return `{"value", "low", "high", "n"}`: 0 where labels are independent, 1 where one gives the other.

    `left` and `right` are numbers of categories from 0, `clusters` numbers of what was drawn independently:
    pictures of one person are not. The value is corrected for the bias that few observations bring (Bergsma,
    J. Korean Statistical Society 42, 2013), with the number of clusters for that of observations; the
    interval is the percentile bootstrap over clusters. NaN where a label has one value alone.
    """
    _, left = np.unique(left, return_inverse=True)
    names, right = np.unique(right, return_inverse=True)
    _, cluster = np.unique(clusters, return_inverse=True)
    across, count = len(names), int(cluster.max(initial=-1)) + 1
    shape = (int(left.max(initial=-1)) + 1, across)
    cells = shape[0] * shape[1]
    flat = cluster.astype(np.int64) * cells + left * across + right
    sums = np.bincount(flat, minlength=count * cells).reshape(count, cells).astype(np.float64)
    value = float(cramers_v_of(sums.sum(axis=0).reshape(1, *shape), count)[0])
    if count < 2 or not np.isfinite(value):
        return {"value": value, "low": np.nan, "high": np.nan, "n": len(flat)}
    found = cramers_v_of(drawn_sums(sums, np.arange(count), draws)[1:].reshape(-1, *shape), count)
    found = found[np.isfinite(found)]  # a draw may hold one value alone
    tail = (1 - draws.level) / 2
    low, high = np.quantile(found, [tail, 1 - tail]) if len(found) else (np.nan, np.nan)
    return {"value": value, "low": float(low), "high": float(high), "n": len(flat)}


def cramers_v_of(tables: NDArray[np.float64], observations: float) -> NDArray[np.float64]:
    """Return the corrected V of contingency tables, float64 m x rows x columns.

    The correction takes each table for a sample of `observations` independent ones. Empty rows and columns
    count for nothing.
    """
    total = tables.sum(axis=(1, 2))
    down, across = tables.sum(axis=2), tables.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = down[:, :, None] * across[:, None, :]
        phi = np.nansum(tables**2 / expected, axis=(1, 2)) - 1  # chi squared over n
        rows, columns = (down > 0).sum(axis=1), (across > 0).sum(axis=1)
        spare = max(observations - 1, 1)
        phi = np.maximum(0, phi - (rows - 1) * (columns - 1) / spare)
        least = np.minimum(rows - (rows - 1) ** 2 / spare, columns - (columns - 1) ** 2 / spare) - 1
        value = np.sqrt(np.minimum(1, phi / least))
    value[(total == 0) | (rows < 2) | (columns < 2)] = np.nan
    return np.asarray(value, np.float64)
