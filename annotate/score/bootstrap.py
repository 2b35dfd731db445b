"""Sums over records and over draws of subjects, in memory that does not grow with the records.

Pictures of one person are not independent, so whole subjects are drawn (the cluster bootstrap; Davison and
Hinkley 1997, section 3.8). How often a subject is in a draw is Poisson(1), by hash words of the seed and the
subject's name, in place of counts that add up to the number of subjects: so the subjects need not be known
before the first record is read, and their order plays no part (Hanley and MacGibbon 2006; Chamandy et al.
2012, Estimating uncertainty for massive data streams). Measures are ratios of sums: how large a draw is does
not matter to them.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bank", "Drawn", "Draws", "Estimate", "Sums", "estimate"]

_WEIGHTS = 2_000_000  # weights held at once: 16 MB
_ADDITIONS = 500_000  # held before they are summed up: 6 MB
_STEPS = 1 << 16
_ONES = array("d", [1.0]) * 64

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure with the ends of its interval; None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """Return value, low and high."""
        return {"value": self.value, "low": self.low, "high": self.high}


def _poisson_table() -> Values:
    """Return what each of 65,536 even steps of a uniform is as a Poisson(1) count."""
    below = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(12)])
    return np.searchsorted(below, (np.arange(_STEPS) + 0.5) / _STEPS).astype(np.float64)


_COUNTS: Final = _poisson_table()


@dataclass(frozen=True, slots=True)
class Draws:
    """How intervals are made: `count` draws by `seed`, and the share of them an interval spans."""

    count: int = 1000
    seed: int = 0
    level: float = 0.95

    def key(self, subject: str) -> int:
        """Return the word that a subject's weights come from."""
        digest = blake2b(f"{self.seed}\0{subject}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little")

    def weights(self, keys: NDArray[np.uint64]) -> Values:
        """Return how often each subject is in each draw, (subjects, draws): SplitMix64, four a word."""
        steps = np.arange(1, -(-self.count // 4) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        words = keys[:, None] + steps
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        words ^= words >> np.uint64(31)
        quarters = words.astype("<u8", copy=False).view("<u2")
        drawn: Values = _COUNTS[quarters[:, : self.count]]
        return drawn


class Bank:
    """Adds up numbered cells over all records, and over the records of each draw.

    A record is begun with its subject's key; what is added from then on is that subject's. Memory grows with
    the cells, 8 bytes for each draw, and not with records or subjects.
    """

    def __init__(self, draws: Draws) -> None:
        self.draws = draws
        self.cells = 0
        self._total: Values = np.zeros(0)
        self._drawn: Values = np.zeros((0, draws.count))
        self._keys, self._starts = array("Q"), array("q")
        self._cells, self._values = array("i"), array("d")
        self._most = max(64, _WEIGHTS // max(1, draws.count))

    def begin(self, key: int) -> None:
        """Begin what is added for a subject."""
        if len(self._keys) >= self._most or len(self._values) >= _ADDITIONS:
            self._fold()
        self._keys.append(key)
        self._starts.append(len(self._values))

    def add(self, cell: int, value: float) -> None:
        """Add `value` to a cell, for the subject that was begun last."""
        self._cells.append(cell)
        self._values.append(value)

    def count(self, cells: list[int]) -> None:
        """Add 1 to each of the cells, for the subject that was begun last."""
        self._cells.extend(cells)
        self._values.extend(_ONES[: len(cells)] if len(cells) <= len(_ONES) else [1.0] * len(cells))

    def sums(self) -> tuple[Values, Values]:
        """Return the sums over all records, (cells,), and over those of each draw, (draws, cells)."""
        self._fold()
        return self._total, self._drawn.T

    def _fold(self) -> None:
        from scipy.sparse import csr_matrix

        more = self.cells - len(self._total)
        if more:
            self._total = np.concatenate([self._total, np.zeros(more)])
            self._drawn = np.concatenate([self._drawn, np.zeros((more, self.draws.count))])
        if not self._keys:
            return
        starts = np.append(np.asarray(self._starts), len(self._values))
        shape = (len(self._keys), self.cells)
        counts = csr_matrix((np.asarray(self._values), np.asarray(self._cells), starts), shape=shape)
        counts.sum_duplicates()
        self._total += np.asarray(counts.sum(0)).ravel()
        if self.draws.count:
            keys = np.asarray(self._keys, dtype=np.uint64)
            self._drawn += counts.T.tocsr() @ self.draws.weights(keys)
        self._keys, self._starts = array("Q"), array("q")
        self._cells, self._values = array("i"), array("d")


class Sums:
    """Sums of `width` quantities for each of some groups (an action unit, a pair of classes), in a bank."""

    def __init__(self, width: int, bank: Bank) -> None:
        self.width = width
        self.groups: dict[Hashable, int] = {}
        """The first cell of each group."""
        self._bank = bank

    def add(self, group: Hashable, column: int, value: float = 1.0) -> None:
        """Add `value` to a quantity of a group, for the bank's present subject."""
        self._bank.add(self._first(group) + column, value)

    def count(self, columns: Iterable[tuple[Hashable, int]]) -> None:
        """Add 1 to a quantity of each of some groups."""
        self._bank.count([self._first(group) + column for group, column in columns])

    def _first(self, group: Hashable) -> int:
        first = self.groups.get(group)
        if first is None:
            first = self.groups[group] = self._bank.cells
            self._bank.cells += self.width
        return first

    def drawn(self, *, intervals: bool = True) -> Drawn:
        """Return the sums, and those of each draw unless there is nothing to draw from."""
        total, draws = self._bank.sums()
        cells = np.asarray(list(self.groups.values()), dtype=np.int64)[:, None] + np.arange(self.width)
        kept = draws if intervals else draws[:0]
        return Drawn(tuple(self.groups), total[cells], kept[:, cells])


@dataclass(frozen=True, slots=True)
class Drawn:
    """Sums over all subjects, `total` (groups, width), and of each draw, `draws` (draws, groups, width)."""

    groups: tuple[Hashable, ...]
    total: Values
    draws: Values

    def both(self, measure: Callable[[Values], Values]) -> Values:
        """Return a measure of the totals, then of each draw, (1 + draws, ...)."""
        return measure(np.concatenate([self.total[None], self.draws]))


def estimate(values: Values, draws: Draws) -> Estimate:
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
