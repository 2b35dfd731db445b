"""facedata annotate score TRUTH ANSWERS."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from facedata.annotate.score.scores import Scores


class TruthFrom(StrEnum):
    """What is taken for true."""

    labels = "labels"
    answers = "answers"


def score(
    truth: Annotated[Path, typer.Argument(help="A dataset, annotated or not, or a file of records.")],
    answers: Annotated[Path, typer.Argument(help="The annotated dataset, or the file of records, to score.")],
    tasks: Annotated[
        list[str] | None, typer.Option("--task", help="Score this task only; may be given several times.")
    ] = None,
    truth_from: Annotated[
        TruthFrom, typer.Option(help="The truth's labels, or what its records answered (as a person edited).")
    ] = TruthFrom.labels,
    leave_missing: Annotated[
        bool,
        typer.Option("--leave-missing", help="Leave out what was not answered; else it counts as wrong."),
    ] = False,
    draws: Annotated[
        int, typer.Option(min=0, help="Draws of subjects for the intervals; 0 makes none.")
    ] = 1000,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Share of draws in an interval.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the tables to this Markdown file as well.", callback=o.on_disk
        ),
    ] = None,
    json_wanted: o.Json = False,
) -> None:
    """Score answers against the truth: action units, expressions, claims, boxes and texts, with intervals."""
    from facedata.annotate.score.bootstrap import Draws
    from facedata.annotate.score.run import Scoring
    from facedata.annotate.score.run import score as score_answers

    with show.progress("scoring") as progress:
        scoring = Scoring(
            tasks=tuple(tasks or ()),
            truth=truth_from.value,
            missing=not leave_missing,
            draws=Draws(draws, seed, level),
            progress=progress,
        )
        found = score_answers(truth, answers, scoring)
    if output is not None:
        _write(output, found.to_markdown())
    if json_wanted:
        show.as_json(found.to_json())
    else:
        _tables(found)
        if output is not None:
            typer.echo(f"scores   {output}")


def _write(path: Path, text: str) -> None:
    from facedata.datasets.errors import TargetError

    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise TargetError(f"{path} cannot be written ({error.strerror}); give another --output") from None


def _tables(found: Scores) -> None:
    """Print the tables; a pipe gets them as wide as they are, a terminal as wide as it is."""
    import sys

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from facedata.annotate.score.scores import told

    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(escape(found.heading()))
    for note in found.notes:
        console.print(escape(f"note: {note}"))
    for one in found.tasks:
        console.print(f"\n[bold]{escape(one.task)}[/bold]: {escape(told(one.counts))}")
        for section in one.sections:
            heads, lines = section.cells()
            table = Table(*heads, title=section.title, caption=escape(section.about), title_justify="left")
            for column in table.columns[1:]:
                column.justify = "right"
            for line in lines:
                table.add_row(*map(escape, line))
            console.print(table)
