"""Saved views: what a curator looks at first, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from facedata.curate.fiftyone.audited import Audited
from facedata.curate.fiftyone.shown import OURS
from facedata.curate.fiftyone.survey import Survey

__all__ = ["AGREED", "UNSURE", "save_views"]

AGREED = 0.7
"""Share of the votes (or the probability after adjudication) under which sources are said to disagree."""
UNSURE = 0.5
"""Confidence under which a label is said to be unsure."""
_MOST = 60  # attacks or splits: a list of more is no list


@dataclass(frozen=True, slots=True)
class _View:
    name: str
    stages: Any
    description: str


def save_views(fo: Any, dataset: Any, survey: Survey, audited: Audited) -> list[str]:
    """Save the views and return their names; one that would show nothing is left out."""
    names = []
    for view in _views(fo, dataset, survey, audited):
        dataset.save_view(view.name, view.stages, description=view.description, overwrite=True)
        names.append(view.name)
    return names


def _views(fo: Any, dataset: Any, survey: Survey, audited: Audited) -> Iterator[_View]:
    field = fo.ViewField
    if _any(dataset, field("generation") > 0):
        grouped = dataset.group_by("family_id", order_by="generation")
        yield _View("families", grouped, "A picture and all that was made from it")
    for name in survey.counts["label"]:
        yield _View(f"label {name}", dataset.match(field("label.label") == name), f"Rows labelled {name}")
    for name in list(survey.counts["attack"])[:_MOST]:
        yield _View(f"attack {name}", dataset.match(field("attack.label") == name), f"Attacks: {name}")
    for name in list(survey.counts["split"])[:_MOST]:
        yield _View(f"split {name}", dataset.match(field("split") == name), f"Rows of the split {name}")
    unsure = _below(field("confidence"), UNSURE)
    if _any(dataset, unsure):
        yield _View(
            "low confidence",
            dataset.match(unsure).sort_by("confidence"),
            f"Confidence below {UNSURE:g}, the least first",
        )
    apart = _below(field("agreement"), AGREED)
    if _any(dataset, apart):
        yield _View(
            "disagreements",
            dataset.match(apart).sort_by("agreement"),
            f"Annotators agree on less than {AGREED:.0%}, or adjudication is less sure than that",
        )
    if survey.reviews:
        waiting = field("instructions.status").is_in(["review", "reject", "blocked"])
        if _any(dataset, waiting):
            yield _View("review queue", dataset.match(waiting), "Instruction records that failed a check")
    for name, title in audited.titles.items():
        yield _View(f"audit {name}", dataset.match_tags(f"{OURS}{name}"), title)


def _below(field: Any, limit: float) -> Any:
    """Return the condition; to MongoDB null is less than any number."""
    return (field != None) & (field < limit)  # noqa: E711 - an expression, not a comparison


def _any(dataset: Any, condition: Any) -> bool:
    return len(dataset.match(condition).limit(1)) > 0
