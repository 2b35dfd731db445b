"""Decision thresholds, and where each of them comes from.

A threshold that was chosen on the test set says how well the test set could be parted by someone who knew the
answers. So a threshold carries its rule and its origin wherever it goes, and the default is chosen on
development presentations of the source domains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from facedata.datasets.errors import UsageError
from facedata.recipes.metrics.curve import Group, cuts

__all__ = ["BEST_ON_TEST", "DEV_EER", "Origin", "Threshold", "ThresholdRule", "choose", "parse_rule"]

Origin = Literal["source-dev", "best-on-test", "given"]

DEV_EER = "dev-eer"
BEST_ON_TEST = "best-on-test"
_DEV_APCER = re.compile(r"dev-apcer-(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """How a threshold is found.

    `eer`: where FAR and FRR are nearest. `f1`: where F1 of what is accepted is highest. `hter`: where HTER is
    least. `apcer`: the lowest at which no species is accepted more often than `limit`, in (0, 1). `value`:
    `limit` is the threshold.
    """

    origin: Origin
    kind: Literal["eer", "f1", "hter", "apcer", "value"]
    limit: float = 0.0

    def told(self) -> str:
        """Return the rule in words."""
        return {
            "eer": "FAR nearest to FRR",
            "f1": "highest F1",
            "hter": "least HTER",
            "apcer": f"least BPCER with no species' APCER above {100 * self.limit:g} %",
            "value": "a number",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A sample is accepted where its score is at least `value`; `of` says what that was chosen on."""

    value: float
    rule: ThresholdRule
    of: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return value, origin, rule and what it was chosen on."""
        return {
            "value": self.value,
            "origin": self.rule.origin,
            "rule": self.rule.told(),
            "chosen_on": self.of or None,
        }

    def told(self) -> str:
        """Return the threshold with its origin, in one line."""
        words = f"{self.value:.6g}, {self.rule.origin}: {self.rule.told()}"
        words += f", chosen on {self.of}" if self.of else ""
        if self.rule.origin == "best-on-test":
            words += "; chosen on what it is tested on, so errors at it are too low"
        return words


def parse_rule(text: str) -> ThresholdRule:
    """Return the rule of `dev-eer`, `dev-apcer-5` (per cent), `best-on-test` or a number.

    >>> parse_rule("dev-apcer-5")
    ThresholdRule(origin='source-dev', kind='apcer', limit=0.05)
    """
    if text == DEV_EER:
        return ThresholdRule("source-dev", "eer")
    if text == BEST_ON_TEST:
        return ThresholdRule("best-on-test", "hter")
    if (found := _DEV_APCER.fullmatch(text)) and 0 < float(found[1]) < 100:
        return ThresholdRule("source-dev", "apcer", float(found[1]) / 100)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise UsageError(
            f"--threshold {text!r} is not dev-eer, dev-apcer-N (N per cent), best-on-test or a number"
        )
    return ThresholdRule("given", "value", value)


def choose(live: Group, species: Iterable[Group], rule: ThresholdRule, of: str) -> Threshold:
    """Return the threshold that `rule` finds among presentations of both classes.

    `species` holds the attacks, a group each. Of thresholds that do equally well the one of the nearest FAR
    and FRR is taken (for `eer`, of the least HTER), then the lowest.
    """
    if rule.kind == "value":
        return Threshold(rule.limit, rule)
    attacks = list(species)
    thresholds = cuts(live, *attacks)
    frr = live.below(thresholds) / len(live.scores)
    rejected = np.stack([group.below(thresholds) for group in attacks])
    sizes = np.array([len(group.scores) for group in attacks])
    far = 1 - rejected.sum(0) / sizes.sum()
    apart, both = np.abs(frr - far), frr + far
    true, false = (1 - frr) * len(live.scores), far * sizes.sum()
    off = 1 - 2 * true / (true + len(live.scores) + false)  # 1 - F1
    cost = {"eer": (apart, both), "f1": (off, apart), "hter": (both, apart)}.get(rule.kind)
    if cost is None:
        apcer = (1 - rejected / sizes[:, None]).max(0)
        cost = (np.where(apcer > rule.limit + 1e-12, np.inf, frr), apart)
    first, then = (np.round(one, 12) for one in cost)  # equal shares of two sizes differ by rounding
    best = np.lexsort((then, first))[0]  # stable: the lowest of equals
    return Threshold(float(thresholds[best]), rule, of)
