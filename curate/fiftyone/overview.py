"""What a view of a pushed dataset holds, in numbers, counted by the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facedata.curate.fiftyone.shown import unit_path
from facedata.curate.fiftyone.state import State
from facedata.curate.fiftyone.views import AGREED, UNSURE

__all__ = ["COUNTED", "Coverage", "Overview", "overview"]

COUNTED = {"label": "label.label", "attack": "attack.label", "split": "split"}
"""What is counted, and where it stands in FiftyOne."""

_NONE = "(none)"
_SHOWS, _RESTS, _UNCODED = "1", "0", "-"
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
    asked = _attention(fo, state)
    wanted |= {name: _number(fo, condition) for name, condition in asked.items()}
    wanted |= {"samples": fo.Count(), "tags": fo.CountValues("tags")}
    if state.units:
        wanted["units"] = fo.CountValues(_pattern(fo, state.units))
    found = dict(zip(wanted, view.aggregate(list(wanted.values())), strict=True))
    tags = {name: number for name, number in sorted(found["tags"].items()) if name.startswith("audit:")}
    return Overview(
        samples=found["samples"],
        counts={name: _ordered(found[name]) for name in COUNTED},
        units=tuple(_coverage(state.units, found.get("units", {}))),
        attention={name: found[name] for name in asked if found[name]} | tags,
        touched=_touched(fo, state),
    )


def _pattern(fo: Any, units: Sequence[int]) -> Any:
    """Return an expression with a letter a unit: one pass over the samples, where a sum each takes thirty."""
    values = [fo.ViewField(unit_path(unit)) for unit in units]
    first, *rest = [
        (value == None).if_else(_UNCODED, (value > 0).if_else(_SHOWS, _RESTS))  # noqa: E711 - an expression
        for value in values
    ]
    return first.concat(*rest) if rest else first


def _coverage(units: Sequence[int], patterns: Mapping[str, int]) -> Iterator[Coverage]:
    for place, unit in enumerate(units):
        letters: Counter[str] = Counter()
        for pattern, number in patterns.items():
            letters[pattern[place]] += number
        yield Coverage(unit, letters[_SHOWS] + letters[_RESTS], letters[_SHOWS])


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
