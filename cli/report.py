"""facedata report DATASET."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page to write (DATASET.report.html beside it)."),
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, help="Pictures shown of each attack.")] = 6,
) -> None:
    """Write one self-contained HTML page: pictures, counts, and the parameters' distributions."""
    from facedata.curate.report import write_report

    target = output or dataset.resolve().with_name(f"{dataset.resolve().name}.report.html")
    write_report(dataset, target, pictures=pictures)
    typer.echo(f"report   {target}")
