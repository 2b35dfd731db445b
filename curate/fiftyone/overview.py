"""What a view of a pushed dataset holds, in numbers: one query, whatever the size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facedata.curate.fiftyone.shown import unit_path
from facedata.curate.fiftyone.state import State
from facedata.curate.fiftyone.views import AGREED, UNSURE

__all__ = ["COUNTED", "Coverage", "Overview", "overview"]

COUNTED = {"label": "label.label", "attack": "attack.label", "split": "split"}
"""What is counted, and where it stands in FiftyOne."""

_NONE = "(none)"
_REVIEW = ("review", "reject", "blocked")


@dataclass(frozen=True, slots=True)
class Coverage:
    """In how many samples an action unit was coded and graded, and in how many of these it shows."""

    unit: int
    coded: int
    shows: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers of one view.

    `counts` maps label, attack and split to a table of value and samples, the most first. `attention` maps
    what asks for a look to a number of samples: annotators that disagree, low confidence, instruction
    records that failed a check, and the tags that audits gave. `touched` is how many samples of the whole
    dataset were edited or deleted since the push.
    """

    samples: int
    counts: Mapping[str, Mapping[str, int]]
    units: tuple[Coverage, ...]
    attention: Mapping[str, int]
    touched: int


def overview(fo: Any, state: State, view: Any) -> Overview:
    """Count what `view`, of the dataset that `state` describes, holds."""
    wanted: dict[str, Any] = {name: fo.CountValues(path) for name, path in COUNTED.items()}
    field = fo.ViewField
    for unit in state.units:
        wanted[f"coded {unit}"] = fo.Count(unit_path(unit))
        wanted[f"shows {unit}"] = _number(fo, field(unit_path(unit)) > 0)
    asked = _attention(fo, state)
    wanted |= {name: _number(fo, condition) for name, condition in asked.items()}
    wanted |= {"samples": fo.Count(), "tags": fo.CountValues("tags")}
    found = dict(zip(wanted, view.aggregate(list(wanted.values())), strict=True))
    tags = {name: number for name, number in sorted(found["tags"].items()) if name.startswith("audit:")}
    return Overview(
        samples=found["samples"],
        counts={name: _ordered(found[name]) for name in COUNTED},
        units=tuple(Coverage(unit, found[f"coded {unit}"], found[f"shows {unit}"]) for unit in state.units),
        attention={name: found[name] for name in asked if found[name]} | tags,
        touched=_touched(fo, state),
    )


def _attention(fo: Any, state: State) -> dict[str, Any]:
    """Return the conditions that ask for a look, of the fields that this dataset has."""
    field, dataset = fo.ViewField, state.dataset
    conditions = {
        "agreement": ("annotators disagree", (field("agreement") != None) & (field("agreement") < AGREED)),  # noqa: E711
        "confidence": ("low confidence", (field("confidence") != None) & (field("confidence") < UNSURE)),  # noqa: E711
        "instructions.status": ("records to review", field("instructions.status").is_in(list(_REVIEW))),
    }
    return {name: asks for path, (name, asks) in conditions.items() if dataset.get_field(path) is not None}


def _number(fo: Any, condition: Any) -> Any:
    return fo.Sum(condition.if_else(1, 0))


def _ordered(table: Mapping[str | None, int]) -> dict[str, int]:
    pairs = sorted(table.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return {_NONE if name is None else name: number for name, number in pairs}


def _touched(fo: Any, state: State) -> int:
    """Return how many samples bear another time than that of the push, or are gone."""
    dataset = state.dataset
    edited = len(dataset.match(fo.ViewField("last_modified_at") != state.pushed_at))
    return edited + max(0, state.rows - len(dataset))
