"""Rows that belong together, and verdicts by share: what several audits do alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facedata.curate.audit.base import Verdict

__all__ = [
    "MOST_GROUPS",
    "components",
    "disagreeing",
    "graded",
    "linked",
    "members",
    "named",
    "numbered",
    "percent",
    "where",
    "worst",
]

MOST_GROUPS = 1000
"""Groups that become findings: of more, the numbers tell how many there are, and fields mark every row."""


def numbered(column: pd.Series) -> NDArray[np.int64]:
    """Return a column as numbers that are equal where its values are, -1 for none."""
    return np.asarray(pd.factorize(column)[0], np.int64)


def linked(column: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the links of each row to the first one of equal value: (row, first row), less the first."""
    codes = numbered(column)
    known = np.flatnonzero(codes >= 0)
    _, first, back = np.unique(codes[known], return_index=True, return_inverse=True)
    start = known[first][back]
    other = known != start
    return known[other], start[other]


def components(count: int, links: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> NDArray[np.int64]:
    """Return, for each of `count` rows, the least row that links connect it to."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = [np.concatenate(side) for side in zip(*links, strict=True)] if links else [np.empty(0, int)] * 2
    graph = coo_array((np.ones(len(ones[0]), bool), (ones[0], ones[1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, first, back = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(first[back], np.int64)


def disagreeing(group: NDArray[np.int64], column: pd.Series) -> NDArray[np.bool_]:
    """Return whether each row's group holds two values of a column; no value contradicts none."""
    codes = numbered(column)
    width = int(codes.max(initial=0)) + 1
    known = codes >= 0
    held = np.unique(group[known] * width + codes[known]) // width
    return np.asarray((np.bincount(held, minlength=len(group)) > 1)[group], bool)


def members(group: NDArray[np.int64], urgent: NDArray[np.bool_] | None = None) -> list[NDArray[np.int64]]:
    """Return the rows of groups of two or more, `MOST_GROUPS` at most; -1 is no group.

    Groups of urgent rows come first, then the larger ones, then those of earlier rows.
    """
    order = np.argsort(group, kind="stable")
    order = order[group[order] >= 0]
    _, starts, sizes = np.unique(group[order], return_index=True, return_counts=True)
    first = np.zeros(len(group), bool) if urgent is None else urgent
    places = np.lexsort((starts, -sizes, ~first[order[starts]]))
    places = places[sizes[places] > 1][:MOST_GROUPS]
    return [order[starts[one] : starts[one] + sizes[one]] for one in places]


def named(values: pd.Series, none: str = "none") -> str:
    """Return the values that a column holds, sorted, for a sentence."""
    return ", ".join(sorted({none if value is None else str(value) for value in values}))


def graded(value: float, warn: float, fail: float) -> Verdict:
    """Return the verdict of a number that is bad when it is large."""
    return "fail" if value > fail else "warn" if value > warn else "pass"


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst of verdicts; what was skipped is no verdict beside others."""
    return max(verdicts, key=("skipped", "pass", "warn", "fail").index, default="skipped")


def where(chosen: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[np.object_]:
    """Return the values of the chosen rows, and None of the others."""
    found = np.full(len(chosen), None, object)
    found[chosen] = values[chosen]
    return found


def percent(share: float) -> str:
    """Return `3.2 %`; what is small and not nothing does not read as nothing."""
    if 0 < share < 0.0005:
        return "under 0.05 %"
    return f"{100 * share:.1f} %"
