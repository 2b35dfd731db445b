"""Sums by subject, and intervals from drawing subjects anew.

Pictures of one person are not independent, so whole subjects are drawn (the cluster bootstrap; Davison and
Hinkley 1997, section 3.8). Every measure is a function of sums over records, so a draw needs only each
subject's sums and how often it was drawn: a thousand draws of 100,000 records take about a second.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Drawn", "Draws", "Estimate", "Sums", "estimate", "resample"]

_WEIGHTS = 2_000_000  # weights held at once: 16 MB
_FOLD = 1_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure with the ends of its interval; None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """Return value, low and high."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Draws:
    """How intervals are made: `count` draws by `seed`, and the share of them an interval spans."""

    count: int = 1000
    seed: int = 0
    level: float = 0.95

    def weights(self, subjects: int) -> Iterator[NDArray[np.float64]]:
        """Yield blocks, (block, subjects), of how often each subject is in a draw."""
        generator = np.random.default_rng(self.seed)
        block = max(1, _WEIGHTS // max(1, subjects))
        for first in range(0, self.count, block):
            rows = min(block, self.count - first)
            drawn = generator.integers(0, subjects, size=(rows, subjects))
            drawn += np.arange(rows)[:, None] * subjects
            counts = np.bincount(drawn.ravel(), minlength=rows * subjects)
            yield counts.reshape(rows, subjects).astype(np.float64)


class Sums:
    """Sums of `width` quantities for each of some groups (an action unit, a pair of classes), by subject.

    Additions are folded every million, so memory grows with the subjects and groups, not with the records.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.groups: dict[Hashable, int] = {}
        self._subjects, self._cells, self._values = array("i"), array("i"), array("d")
        self._fold_at = _FOLD

    def add(self, subject: int, group: Hashable, column: int, value: float = 1.0) -> None:
        """Add `value` to a quantity of a group, for a subject."""
        number = self.groups.setdefault(group, len(self.groups))
        self._subjects.append(subject)
        self._cells.append(number * self.width + column)
        self._values.append(value)
        if len(self._values) >= self._fold_at:
            self._fold()

    def _fold(self) -> None:
        places = np.asarray(self._subjects, np.int64) << 32 | np.asarray(self._cells, np.int64)
        kept, where = np.unique(places, return_inverse=True)
        self._values = array("d", np.bincount(where, np.asarray(self._values)).tobytes())
        self._subjects = array("i", (kept >> 32).astype(np.intc).tobytes())
        self._cells = array("i", (kept & 0xFFFFFFFF).astype(np.intc).tobytes())
        self._fold_at = max(_FOLD, 2 * len(self._values))

    def matrix(self, subjects: int) -> Any:
        """Return the sums as a sparse matrix, (subjects, groups * width)."""
        from scipy.sparse import csr_matrix

        place = (np.asarray(self._subjects), np.asarray(self._cells))
        shape = (subjects, len(self.groups) * self.width)
        return csr_matrix((np.asarray(self._values), place), shape=shape)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Sums over all subjects, `total` (groups, width), and of each draw, `draws` (draws, groups, width)."""

    groups: tuple[Hashable, ...]
    total: NDArray[np.float64]
    draws: NDArray[np.float64]

    def both(self, measure: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return a measure of the totals, then of each draw, (1 + draws, ...)."""
        return measure(np.concatenate([self.total[None], self.draws]))


def resample(sums: Sequence[Sums], subjects: int, draws: Draws) -> list[Drawn]:
    """Return each of `sums` totalled and resampled; all of them by the same draws of subjects.

    With fewer than two subjects there is nothing to draw from, and no draw.
    """
    from scipy.sparse import hstack

    widths = [len(one.groups) * one.width for one in sums]
    joined = hstack([one.matrix(subjects) for one in sums], format="csr")
    total = np.asarray(joined.sum(0)).ravel()
    drawn = np.empty((0, total.size))
    if subjects > 1 and draws.count:
        turned = joined.T.tocsr()
        drawn = np.concatenate([(turned @ block.T).T for block in draws.weights(subjects)])
    found = []
    for one, end, width in zip(sums, np.cumsum(widths), widths, strict=True):
        part = slice(end - width, end)
        shape = (len(one.groups), one.width)
        draw = drawn[:, part].reshape(len(drawn), *shape)
        found.append(Drawn(tuple(one.groups), total[part].reshape(shape), draw))
    return found


def estimate(values: NDArray[np.float64], draws: Draws) -> Estimate:
    """Return the estimate of a measure, (1 + draws,), the first of them being of all subjects as they are.

    The interval holds the percentiles of those draws in which the measure is defined.
    """
    value, drawn = values[0], values[1:]
    if not np.isfinite(value):
        return Estimate(None)
    defined = drawn[np.isfinite(drawn)]
    if not defined.size:
        return Estimate(float(value))
    tail = (1 - draws.level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(float(value), float(low), float(high))
