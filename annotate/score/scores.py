"""Scores: what a comparison found, as data, as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facedata.annotate.score.bootstrap import Draws, Estimate

__all__ = ["Row", "Scores", "Section", "TaskScores", "shown", "told"]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: how many things it counts, and its measures."""

    name: str
    counts: Mapping[str, int]
    measures: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Section:
    """A table: rows of one kind, and a line for people that says what they are of."""

    title: str
    about: str
    rows: tuple[Row, ...]

    def columns(self) -> tuple[list[str], list[str]]:
        """Return the names of the rows' counts and of their measures."""
        counts = dict.fromkeys(name for row in self.rows for name in row.counts)
        measures = dict.fromkeys(name for row in self.rows for name in row.measures)
        return list(counts), list(measures)

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return the table as text: headings, and lines of cells."""
        counts, measures = self.columns()
        lines = [
            [
                row.name,
                *(str(row.counts.get(name, "")) for name in counts),
                *(shown(row.measures.get(name)) for name in measures),
            ]
            for row in self.rows
        ]
        return ["", *counts, *measures], lines


@dataclass(frozen=True, slots=True)
class TaskScores:
    """Scores of one task; `counts` says how many answers were scored, unreadable, blocked or missing."""

    task: str
    counts: Mapping[str, int]
    sections: tuple[Section, ...]

    def measure(self, section: str, row: str, name: str) -> Estimate:
        """Return one measure; KeyError where there is none of this name."""
        for one in self.sections:
            for line in one.rows:
                if (one.title, line.name) == (section, row):
                    return line.measures[name]
        raise KeyError(f"{self.task} has no {section}, {row}")


@dataclass(frozen=True, slots=True)
class Scores:
    """What a comparison found; `subjects` is the number of clusters that the intervals are drawn from."""

    truth: str
    answers: str
    tasks: tuple[TaskScores, ...]
    subjects: int
    draws: Draws
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything, JSON-ready."""
        return {
            "truth": self.truth,
            "answers": self.answers,
            "subjects": self.subjects,
            "bootstrap": {"draws": self.draws.count, "seed": self.draws.seed, "level": self.draws.level},
            "notes": list(self.notes),
            "tasks": {
                one.task: {
                    "counts": dict(one.counts),
                    **{
                        section.title: {
                            row.name: {
                                **row.counts,
                                **{name: value.to_json() for name, value in row.measures.items()},
                            }
                            for row in section.rows
                        }
                        for section in one.sections
                    },
                }
                for one in self.tasks
            },
        }

    def heading(self) -> str:
        """Return one line on what was compared and what the intervals are."""
        return (
            f"Answers of {self.answers} against {self.truth}. Brackets: {self.draws.level:.0%} intervals, "
            f"{self.draws.count} draws of {self.subjects} subjects, seed {self.draws.seed}."
        )

    def to_markdown(self) -> str:
        """Return the tables as Markdown."""
        parts = ["# Scores", self.heading(), *filter(None, ["\n".join(f"- {note}" for note in self.notes)])]
        for one in self.tasks:
            parts += [f"## {one.task}", told(one.counts)]
            for section in one.sections:
                heads, lines = section.cells()
                rules = ["---", *("---:" for _ in heads[1:])]
                table = "\n".join(f"| {' | '.join(line)} |" for line in (heads, rules, *lines))
                parts += [f"### {section.title}", section.about, table]
        return "\n\n".join(parts) + "\n"


def told(counts: Mapping[str, int]) -> str:
    """Return counts in a line for people: `40 scored, 2 blocked`."""
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number or name == "scored")


def shown(value: Estimate | None) -> str:
    """Return a measure as a table shows it.

    >>> shown(Estimate(0.5, 0.25, 0.75))
    '0.500 [0.250, 0.750]'
    >>> shown(Estimate(None))
    '-'
    """
    if value is None or value.value is None:
        return "-"
    ends = "" if value.low is None else f" [{value.low:.3f}, {value.high:.3f}]"
    return f"{value.value:.3f}{ends}"
