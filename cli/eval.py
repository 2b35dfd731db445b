"""facedata eval DATASET --scores FILE, or --model MODEL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from rich.console import Console

    from facedata.recipes.metrics.evaluation import Evaluated
    from facedata.recipes.metrics.predictions import Predictions
    from facedata.recipes.metrics.report import Sheet
    from facedata.recipes.metrics.run import Evaluating, Evaluation

_THRESHOLD, _INTERVALS = "Threshold", "Intervals"


def evaluate(
    dataset: Annotated[
        Path, typer.Argument(help="A dataset, or a table with the columns sample_id, score and label.")
    ],
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Predictions: CSV, TSV, JSON lines or Parquet with sample_id, and score (or others)."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="A folder that facedata train wrote, in place of --scores: it scores what is tested."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder for metrics.md, metrics.json, DET curves and tables.",
            callback=o.on_disk,
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="A protocol (facedata split --list), a family such as ocim, or a YAML file."),
    ] = None,
    split: Annotated[str, typer.Option(help="The split that is tested, where there are splits.")] = "test",
    leave_missing: Annotated[
        bool, typer.Option("--leave-missing", help="Leave out rows without a prediction, and say how many.")
    ] = False,
    threshold: Annotated[
        str,
        typer.Option(
            help="dev-eer, dev-apcer-N (N per cent), a number, or best-on-test.", rich_help_panel=_THRESHOLD
        ),
    ] = "dev-eer",
    dev: Annotated[
        Path | None,
        typer.Option(help="Another dataset, or table, to choose it on.", rich_help_panel=_THRESHOLD),
    ] = None,
    dev_scores: Annotated[
        Path | None,
        typer.Option(help="Its scores, where --scores has them not.", rich_help_panel=_THRESHOLD),
    ] = None,
    dev_split: Annotated[
        str, typer.Option(help="The split that it is chosen on.", rich_help_panel=_THRESHOLD)
    ] = "val",
    draws: Annotated[
        int, typer.Option(min=0, help="Draws of subjects; 0 makes none.", rich_help_panel=_INTERVALS)
    ] = 1000,
    level: Annotated[
        float,
        typer.Option(min=0.5, max=0.999, help="Share of draws in an interval.", rich_help_panel=_INTERVALS),
    ] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.", rich_help_panel=_INTERVALS)] = 0,
    batch_size: Annotated[
        int, typer.Option(min=1, help="With --model: pictures that go through the network together.")
    ] = 64,
    json_wanted: o.Json = False,
) -> None:
    """Measure predictions: error rates of attack detection, expressions, action units, heart rates."""
    from facedata.annotate.score.bootstrap import Draws
    from facedata.recipes.metrics.run import Evaluating
    from facedata.recipes.metrics.run import evaluate as evaluate_predictions

    how = Evaluating(
        threshold=threshold,
        split=split,
        dev_split=dev_split,
        dev=dev,
        dev_scores=dev_scores,
        protocol=protocol,
        leave_missing=leave_missing,
        draws=Draws(draws, seed, level),
    )
    if model is not None:
        found, own = _of_model(dataset, model, scores, how, batch_size)
    else:
        found, own = evaluate_predictions(dataset, scores, how), None
    written = found.write(output) if output is not None else []
    if output is not None and own is not None:
        own.write(output / "scores.parquet")
        written.append(output / "scores.parquet")
    if json_wanted:
        show.as_json(found.to_json())
        return
    _tell(found)
    for path in written:
        typer.echo(f"written  {path}")


def _of_model(
    dataset: Path, model: Path, scores: Path | None, how: Evaluating, batch: int
) -> tuple[Evaluation, Predictions]:
    from facedata.cli.needs import need_packages
    from facedata.datasets.errors import UsageError

    if scores is not None:
        raise UsageError("--model makes the scores itself; leave out --scores, or --model")
    need_packages("eval --model")
    from facedata.recipes.evaluating import evaluate_model

    made = evaluate_model(dataset, model, how, batch=batch)
    return made.evaluation, made.scores


def _tell(found: Evaluation) -> None:
    """Print the tables; a pipe gets them as wide as they are, a terminal as wide as it is."""
    import sys

    from rich.console import Console
    from rich.markup import escape

    from facedata.recipes.metrics.report import DEFINITIONS, Sheet

    console = Console(width=None if sys.stdout.isatty() else 240)
    if found.folds:
        console.print(escape(DEFINITIONS))
    for note in found.notes:
        console.print(escape(f"note: {note}"))
    for sheet in found.summary():
        _table(console, sheet)
    for name, one in found.folds.items():
        _test(console, name or one.of, one)
    for section in found.labels:
        heads, lines = section.cells()
        _table(console, Sheet(section.title, section.about, tuple(heads), tuple(map(tuple, lines))))


def _test(console: Console, name: str, found: Evaluated) -> None:
    from rich.markup import escape

    from facedata.recipes.metrics.report import sheets

    console.print(f"\n[bold]{escape(name)}[/bold]")
    for note in found.notes:
        console.print(escape(f"note: {note}"))
    for sheet in sheets(found):
        _table(console, sheet)


def _table(console: Console, sheet: Sheet) -> None:
    from rich.markup import escape
    from rich.table import Table

    heads = map(escape, sheet.heads)
    shown = Table(*heads, title=escape(sheet.title), caption=escape(sheet.about), title_justify="left")
    for column in shown.columns[1:]:
        column.justify = "right"
    for line in sheet.lines:
        shown.add_row(*map(escape, line))
    console.print(shown)
