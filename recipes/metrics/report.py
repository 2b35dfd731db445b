"""An evaluation as Markdown, and as the rows of tables that a terminal shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facedata.annotate.score.bootstrap import Draws, Estimate
from facedata.annotate.score.scores import Section
from facedata.recipes.metrics.evaluation import Evaluated, Level
from facedata.recipes.metrics.rates import Rates

__all__ = ["DEFINITIONS", "HEADS", "Sheet", "markdown", "per_cent", "sheets"]

DEFINITIONS = (
    "A sample is accepted as bona fide where its score is at least the threshold; bona fide is the positive "
    "class. Per cent, with intervals in brackets."
)
_AT = {"hter": "HTER", "far": "FAR", "bpcer": "BPCER", "apcer_max": "APCER max", "acer": "ACER"}
_ALONG = {
    "auc": "AUC",
    "eer": "EER",
    "tpr_at_fpr_1": "TPR@FPR 1 %",
    "bpcer_at_apcer_10": "BPCER@APCER 10 %",
    "bpcer_at_apcer_5": "BPCER@APCER 5 %",
    "bpcer_at_apcer_1": "BPCER@APCER 1 %",
}

HEADS = {**_AT, **_ALONG}
"""What tables call the rates."""


@dataclass(frozen=True)
class Sheet:
    """A table for people: a title, a line that says what it is of, headings and cells."""

    title: str
    about: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def per_cent(value: Estimate | None) -> str:
    """Return a share in per cent.

    >>> per_cent(Estimate(0.125, 0.1, 0.2))
    '12.50 [10.00, 20.00]'
    >>> per_cent(Estimate(None))
    '-'
    """
    if value is None or value.value is None:
        return "-"
    ends = (
        "" if value.low is None or value.high is None else f" [{100 * value.low:.2f}, {100 * value.high:.2f}]"
    )
    return f"{100 * value.value:.2f}{ends}"


def sheets(found: Evaluated) -> list[Sheet]:
    """Return the tables of an evaluation: of each level the rates, and attacks by domain."""
    return [sheet for level in found.levels for sheet in (_rates(level), *_along(level), _species(level))]


def _rates(level: Level) -> Sheet:
    lines = tuple(
        (name, str(one.bona_fide), str(one.attacks), str(one.subjects), *(per_cent(one.at[k]) for k in _AT))
        for name, one in _of_all(level)
    )
    heads = ("", "bona fide", "attacks", "subjects", *_AT.values())
    return Sheet(f"{level.name}: at the threshold", f"Threshold {level.threshold.told()}", heads, lines)


def _along(level: Level) -> Iterable[Sheet]:
    lines = tuple((name, *(per_cent(one.along[k]) for k in _ALONG)) for name, one in _of_all(level))
    about = "Read off the curve of the tested samples themselves: no threshold was fixed beforehand."
    yield Sheet(f"{level.name}: along the curve", about, ("", *_ALONG.values()), lines)


def _species(level: Level) -> Sheet:
    columns = _of_all(level)
    lines = [
        (f"APCER {name}", *(_counted(one.apcer.get(name), one.species.get(name, 0)) for _, one in columns))
        for name in level.rates.species
    ]
    lines.append(("BPCER", *(_counted(one.at["bpcer"], one.bona_fide) for _, one in columns)))
    worst = level.rates.worst
    about = "At the threshold. " + (f"Accepted most often: {worst}." if worst else "No attack was accepted.")
    return Sheet(
        f"{level.name}: by attack and domain", about, ("", *(name for name, _ in columns)), tuple(lines)
    )


def _of_all(level: Level) -> list[tuple[str, Rates]]:
    domains = list(level.domains.items())
    return [("all", level.rates), *(domains if len(domains) > 1 else [])]


def _counted(value: Estimate | None, number: int) -> str:
    return f"{per_cent(value)} of {number}" if number else "-"


def markdown(
    title: str,
    notes: Sequence[str],
    draws: Draws,
    parts: Sequence[tuple[str, Evaluated]],
    summary: Sequence[Sheet],
    labels: Sequence[Section],
    pictures: Sequence[tuple[str, str]],
) -> str:
    """Return the report; `parts` are titles and evaluations, `pictures` texts and files beside the report."""
    text = [f"# {title}"]
    if parts:
        text.append(DEFINITIONS)
    text.append(
        f"Intervals: {draws.level:.0%} of {draws.count} draws of whole subjects, seed {draws.seed}; in them "
        "thresholds stay as they are."
    )
    if notes:
        text.append("\n".join(f"- {note}" for note in notes))
    for sheet in summary:
        text += [f"## {sheet.title}", sheet.about, _table(sheet.heads, sheet.lines)]
    for name, found in parts:
        text.append(f"## {name}")
        if found.notes:
            text.append("\n".join(f"- {note}" for note in found.notes))
        for sheet in sheets(found):
            text += [f"### {sheet.title}", sheet.about, _table(sheet.heads, sheet.lines)]
    for section in labels:
        heads, lines = section.cells()
        text += [f"## {section.title}", section.about, _table(heads, lines)]
    text += [f"![{about}]({file})" for about, file in pictures]
    return "\n\n".join(text) + "\n"


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rules = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in (heads, rules, *lines))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
