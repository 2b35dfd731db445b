"""Error rates of presentations at a threshold and along the curve, each with its interval.

Names and definitions are those of ISO/IEC 30107-3 where it has them; docs/metrics.md spells them out. Whole
subjects are drawn for an interval, and the threshold stays where it is: an interval says how the rates vary
with the people tested, not with those that the threshold was chosen on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.annotate.score.bootstrap import Draws, Estimate, estimate
from facedata.recipes.metrics import curve
from facedata.recipes.metrics.curve import Group
from facedata.recipes.metrics.presentations import Presentations
from facedata.recipes.metrics.resampling import Clusters

__all__ = ["APCER_LIMITS", "FPR_LIMITS", "Rates", "rates_of"]

Values = NDArray[np.float64]

APCER_LIMITS = (0.1, 0.05, 0.01)
FPR_LIMITS = (0.01,)


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of some presentations; undefined ones (a class is missing) have the value None.

    `at` holds hter, far, bpcer, apcer_max and acer, at the threshold, and `apcer` each species' own; `along`
    holds auc, eer and what is read off the curve of these very presentations at a fixed FAR or APCER.
    """

    bona_fide: int
    subjects: int
    species: dict[str, int]
    at: dict[str, Estimate]
    along: dict[str, Estimate]
    apcer: dict[str, Estimate]

    @property
    def attacks(self) -> int:
        """How many attacks there are."""
        return sum(self.species.values())

    @property
    def worst(self) -> str | None:
        """The species that is accepted most often; None where none is accepted."""
        values = {name: one.value for name, one in self.apcer.items() if one.value}
        return max(values, key=lambda name: values[name]) if values else None

    def to_json(self) -> dict[str, Any]:
        """Return counts and rates, JSON-ready."""
        return {
            "bona_fide": self.bona_fide,
            "attacks": self.attacks,
            "subjects": self.subjects,
            **{name: one.to_json() for name, one in {**self.at, **self.along}.items()},
            "apcer_worst": self.worst,
            "apcer": {
                name: {"attacks": self.species[name], **one.to_json()} for name, one in self.apcer.items()
            },
        }


def rates_of(presentations: Presentations, threshold: float, draws: Draws) -> Rates:
    """Return the rates of `presentations`, accepted where their score is at least `threshold`."""
    live, spoof, species = presentations.groups()
    clusters = Clusters(presentations.clusters(), draws)
    parts = [
        _rates(live, spoof, species, threshold, weights) for weights in clusters.blocks(len(presentations))
    ]
    found = {name: estimate(np.concatenate([part[name] for part in parts]), draws) for name in parts[0]}
    apcer = {name: found.pop(f"apcer {name}") for name in species}
    at = {name: found.pop(name) for name in ("hter", "far", "bpcer", "apcer_max", "acer")}
    return Rates(presentations.bona_fide, presentations.subjects, presentations.species(), at, found, apcer)


def _rates(
    live: Group, spoof: Group, species: dict[str, Group], threshold: float, weights: Values
) -> dict[str, Values]:
    bona_fide, attack = live.weighed(weights), spoof.weighed(weights)
    at = np.array([threshold])
    bpcer = bona_fide.rejected(live.below(at))[:, 0]
    far = 1 - attack.rejected(spoof.below(at))[:, 0]
    found = {"hter": (far + bpcer) / 2, "far": far, "bpcer": bpcer}
    highest = np.full(len(weights), np.nan)
    needed = {limit: np.zeros(len(weights), np.intp) for limit in APCER_LIMITS}
    for name, group in species.items():
        side = group.weighed(weights)
        apcer = 1 - side.rejected(group.below(at))[:, 0]
        found[f"apcer {name}"] = apcer
        highest = np.fmax(highest, apcer)  # a species that a draw left out says nothing
        for limit in APCER_LIMITS:
            needed[limit] = np.maximum(needed[limit], side.accepted_at_most(limit, live))
    found |= {"apcer_max": highest, "acer": (highest + bpcer) / 2}
    found |= {"auc": curve.auc(bona_fide, attack), "eer": curve.eer(bona_fide, attack)}
    absent = attack.total == 0
    for limit in FPR_LIMITS:
        rejected = bona_fide.rejected(attack.accepted_at_most(limit, live)[:, None])[:, 0]
        found[f"tpr_at_fpr_{100 * limit:g}"] = np.where(absent, np.nan, 1 - rejected)
    for limit, places in needed.items():
        rejected = bona_fide.rejected(places[:, None])[:, 0]
        found[f"bpcer_at_apcer_{100 * limit:g}"] = np.where(absent, np.nan, rejected)
    return found
