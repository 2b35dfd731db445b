"""Ratios of sums, and means of what is defined: every measure of scores and of metrics is made of these."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_of_defined", "share_of"]

Values = NDArray[np.float64]


def share_of(part: Values, whole: Values) -> Values:
    """Return part / whole, which are broadcast, and NaN where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def mean_of_defined(values: Values) -> Values:
    """Return the mean over the last axis of what is defined there."""
    defined = np.isfinite(values)
    return share_of(np.where(defined, values, 0.0).sum(-1), defined.sum(-1).astype(np.float64))
