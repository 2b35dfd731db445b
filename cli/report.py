"""facedata report DATASET."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facedata.cli import options as o


def report(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The page to write (DATASET.report.html beside it, or here).",
            callback=o.on_disk,
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, help="Pictures shown of each attack.")] = 6,
    records: Annotated[int, typer.Option(min=0, help="Instruction records shown, drawn at random.")] = 60,
    metrics: Annotated[
        Path | None,
        typer.Option(
            help="Write counts and mean quality as JSON; no page then, unless -o asks for one.",
            callback=o.on_disk,
        ),
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="The same, for PNG plots into this folder.", callback=o.on_disk)
    ] = None,
) -> None:
    """Write one self-contained HTML page: pictures, counts, parameters, instruction records."""
    from facedata.curate.metrics import write_metrics, write_plots
    from facedata.curate.report import write_report
    from facedata.datasets.remote import remote_of

    if output is not None or (metrics is None and plots is None):
        beside = dataset.resolve() if remote_of(dataset) is None else Path(dataset.name)
        target = output or beside.with_name(f"{beside.name}.report.html")
        write_report(dataset, target, pictures=pictures, records=records)
        typer.echo(f"report   {target}")
    if metrics is not None:
        write_metrics(dataset, metrics)
        typer.echo(f"metrics  {metrics}")
    if plots is not None:
        write_plots(dataset, plots)
        typer.echo(f"plots    {plots}")
