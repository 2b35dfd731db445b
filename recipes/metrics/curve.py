"""Error rates of presentation attack detection as a threshold moves, for any number of draws at once.

A score says how bona fide a presentation looks: it is accepted where its score reaches the threshold. FAR is
the share of attacks accepted (APCER, where the attacks are of one species), FRR the share of bona fide
presentations rejected (BPCER). A draw of the bootstrap is a row of weights, so the point estimate and a
thousand draws go through the same lines; no loop runs over presentations or draws.

Scores that are equal are accepted or rejected together. What a draw leaves undefined (it holds no bona fide
presentation, or no attack) is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedata.annotate.score.ratios import share_of

__all__ = ["Group", "Side", "auc", "cuts", "eer"]

Values = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Group:
    """Presentations of one kind, by score: `scores` (n,) ascending, `subject` (n,) the cluster of each."""

    scores: Values
    subject: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Values, subject: NDArray[np.int64]) -> Group:
        """Return presentations in any order as a group."""
        order = np.argsort(scores, kind="stable")
        return cls(scores[order], subject[order])

    def below(self, thresholds: Values) -> Places:
        """Return how many presentations each threshold rejects: those that score less."""
        return np.searchsorted(self.scores, thresholds, side="left")

    def weighed(self, weights: Values) -> Side:
        """Return the group as draws see it; `weights` (draws, subjects) says how often each draw has each."""
        sums = np.zeros((len(weights), len(self.scores) + 1))
        np.cumsum(weights[:, self.subject], axis=1, out=sums[:, 1:])
        return Side(self, sums)


@dataclass(frozen=True, slots=True)
class Side:
    """A group in some draws: `sums` (draws, n + 1), the weight of the lowest 0, 1, ..., n presentations."""

    group: Group
    sums: Values

    @property
    def total(self) -> Values:
        """The weight of all, (draws,)."""
        return self.sums[:, -1]

    def rejected(self, places: Places) -> Values:
        """Return the share, (draws, k), that is rejected where the lowest `places` are.

        `places` are (k,), or (draws, k) where each draw has its own.
        """
        part = self.sums[:, places] if places.ndim == 1 else np.take_along_axis(self.sums, places, axis=1)
        total = self.total[:, None]
        return share_of(part, total)

    def accepted_at_most(self, share: float, other: Group) -> Places:
        """Return, (draws,), how many of `other` the lowest threshold rejects that accepts `share` of these.

        "At most `share`": thresholds between two neighbouring scores are the same, and none is made up. Where
        a draw has none of these presentations, no threshold is needed and nothing of `other` is rejected.
        """
        levels = np.unique(self.group.scores)
        # a threshold below all, then one just above each level
        own = np.concatenate([[0], np.searchsorted(self.group.scores, levels, side="right")])
        others = np.concatenate([[0], np.searchsorted(other.scores, levels, side="right")])
        # 1e-12: 1 - 0.9 is less than 0.1 in binary, and one of ten is ten per cent
        enough = 1 - self.rejected(own) <= share + 1e-12
        first = np.where(self.total > 0, np.argmax(enough, axis=1), 0)
        found: Places = others[first]
        return found


def cuts(*groups: Group) -> Values:
    """Return the thresholds that differ in what they accept of the groups, ascending, (k + 1,) of k levels.

    Each lies midway between two neighbouring scores, so that it suits scores that were not seen as well as it
    can; the first accepts all and the last nothing.
    """
    levels = np.unique(np.concatenate([group.scores for group in groups]))
    middle = levels[:-1] / 2 + levels[1:] / 2  # halved first: the sum may be too large
    # midway between neighbouring numbers there is none: the upper one parts them just as well
    middle = np.where(middle > levels[:-1], middle, levels[1:])
    with np.errstate(over="ignore"):  # above the largest number there is infinity
        above = np.nextafter(levels[-1:], np.inf)
    return np.concatenate([levels[:1], middle, above])


def auc(live: Side, spoof: Side) -> Values:
    """Return the area under the ROC curve, (draws,): how often bona fide outscores attack, ties by half."""
    at = live.group.scores
    lower = np.searchsorted(spoof.group.scores, at, side="left")
    upper = np.searchsorted(spoof.group.scores, at, side="right")
    beaten = (spoof.rejected(lower) + spoof.rejected(upper)) / 2
    weights = np.diff(live.sums, axis=1)
    return share_of((weights * beaten).sum(1), live.total)


def eer(live: Side, spoof: Side) -> Values:
    """Return the equal error rate, (draws,): where FAR = FRR on the ROC curve.

    The curve is straight between thresholds, as it is for the area under it; with every score equal both are
    one half.
    """
    thresholds = cuts(live.group, spoof.group)
    rejected, kept = live.group.below(thresholds), spoof.group.below(thresholds)

    def rates(place: Places) -> tuple[Values, Values]:
        frr = live.rejected(rejected[place][:, None])[:, 0]
        return frr, 1 - spoof.rejected(kept[place][:, None])[:, 0]

    # FRR - FAR grows from -1 to 1 along the thresholds: halve the stretch where it passes 0
    low = np.zeros(len(live.sums), np.intp)
    high = np.full(len(live.sums), len(thresholds) - 1, np.intp)
    while (high - low).max() > 1:
        middle = (low + high) // 2
        frr, far = rates(middle)
        past = frr >= far
        low, high = np.where(past, low, middle), np.where(past, middle, high)
    (frr, far), (next_frr, next_far) = rates(low), rates(high)
    before, after = far - frr, next_frr - next_far
    return frr + (next_frr - frr) * before / (before + after)
