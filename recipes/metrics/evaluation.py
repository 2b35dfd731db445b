"""Presentations tested at a threshold that was chosen elsewhere, by frames and by clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from facedata.annotate.score.bootstrap import Draws
from facedata.datasets.errors import UsageError
from facedata.recipes.metrics.parts import Part
from facedata.recipes.metrics.presentations import Presentations
from facedata.recipes.metrics.rates import FPR_LIMITS, Rates, rates_of
from facedata.recipes.metrics.thresholds import Threshold, ThresholdRule, choose

__all__ = ["FEW", "Evaluated", "Level", "evaluate_parts"]

FEW = 20  # subjects, below which a cluster bootstrap is known to cover less than it says
_NO_DEV = (
    "there is no development set to choose a threshold on: score the rows of --dev-split too, or give --dev "
    "and --dev-scores, --threshold NUMBER, or --threshold best-on-test, which flatters"
)


@dataclass(frozen=True)
class Level:
    """Rates at one level, `frame` or `video`, of all and of each domain; `presentations` were tested."""

    name: str
    threshold: Threshold
    rates: Rates
    domains: dict[str, Rates]
    presentations: Presentations = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the threshold and the rates, JSON-ready."""
        domains = {name: rates.to_json() for name, rates in self.domains.items()}
        return {
            "level": self.name,
            "threshold": self.threshold.to_json(),
            **self.rates.to_json(),
            "domains": domains,
        }


@dataclass(frozen=True)
class Evaluated:
    """What a test came to: `levels` holds frame, and video where clips have several frames."""

    of: str
    levels: tuple[Level, ...]
    unscored: dict[str, int]
    notes: tuple[str, ...] = ()

    def noted(self, *notes: str) -> Evaluated:
        """Return the same with more to say."""
        return replace(self, notes=(*notes, *self.notes))

    def to_json(self) -> dict[str, Any]:
        """Return the frame level at the top, and the video level, where there is one, below it."""
        frame, *rest = self.levels
        tested = {"live": frame.rates.bona_fide, "spoof": frame.rates.attacks}
        nonresponse = {
            name: self.unscored.get(label, 0) / (self.unscored.get(label, 0) + tested[label])
            for name, label in (("bpnrr", "live"), ("apnrr", "spoof"))
        }
        return {
            "tested": self.of,
            **frame.to_json(),
            **nonresponse,
            **{level.name: level.to_json() for level in rest},
            "notes": list(self.notes),
        }


def evaluate_parts(test: Part, dev: Part | None, rule: ThresholdRule, draws: Draws) -> Evaluated:
    """Return the rates of `test` at the threshold that `rule` chooses, on `dev` unless it says otherwise.

    Each level has a threshold of its own. Raises UsageError where `dev` is needed and None.
    """
    if rule.origin == "source-dev" and dev is None:
        raise UsageError(_NO_DEV)
    levels = [_level("frame", test.presentations, dev, rule, test.of, draws)]
    clips = test.presentations.clips()
    if len(clips) < len(test.presentations):
        levels.append(_level("video", clips, dev, rule, test.of, draws))
    notes = tuple(_notes(test, dev if rule.origin == "source-dev" else None, levels))
    return Evaluated(test.of, tuple(levels), test.unscored, notes)


def _level(
    name: str, tested: Presentations, dev: Part | None, rule: ThresholdRule, of: str, draws: Draws
) -> Level:
    chosen_on = tested
    if rule.origin == "source-dev" and dev is not None:
        chosen_on, of = dev.presentations, dev.of
        if name == "video":
            chosen_on = chosen_on.clips()
    live, _, species = chosen_on.groups()
    counted = f"{of} ({chosen_on.bona_fide} bona fide, {chosen_on.attacks} attacks)"
    threshold = choose(live, species.values(), rule, counted)
    rates = rates_of(tested, threshold.value, draws)
    domains = {domain: rates_of(part, threshold.value, draws) for domain, part in tested.by_domain()}
    return Level(name, threshold, rates, domains, tested)


def _notes(test: Part, dev: Part | None, levels: list[Level]) -> Iterator[str]:
    yield from _on_rows(test, dev)
    first = levels[0].rates
    auc = first.along["auc"].value
    if auc is not None and auc < 0.5:
        yield "AUC is below 0.5: a high score must mean bona fide; negate the scores if it means attack"
    if first.subjects < 2:
        yield "one subject: there is nothing to draw intervals from"
    elif first.subjects < FEW:
        yield f"only {first.subjects} subjects: intervals from so few are too narrow"
    for level in levels:
        if (attacks := level.rates.attacks) * min(FPR_LIMITS) < 1:
            yield (
                f"{level.name} level: {attacks} attacks move FAR in steps of {100 / attacks:.2g} %, so a "
                "rate at FAR 1 % is one at no attack accepted"
            )
    for name, rates in levels[0].domains.items():
        if not rates.bona_fide or not rates.attacks:
            yield f"domain {name} has one class only; what needs both is not defined there"


def _on_rows(test: Part, dev: Part | None) -> Iterator[str]:
    if test.unlabelled:
        yield f"{test.unlabelled} rows have no label; they are left out"
    if missing := sum(test.unscored.values()):
        yield f"{missing} rows have no score; they are left out, and their shares are bpnrr and apnrr"
    tested = test.presentations.table
    if dev is not None and (both := set(tested["cluster"]) & set(dev.presentations.table["cluster"])):
        yield f"{len(both)} subjects or files are tested that the threshold was chosen on too"
    if alone := int((~tested["named"].astype(bool)).sum()):
        yield f"{alone} samples name no subject; those of one file count as one"
