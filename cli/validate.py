"""facedata validate DATASET."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show

_MOST = 50


def validate(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    workers: o.Workers = 0,
    json_wanted: o.Json = False,
) -> None:
    """Find damage: missing or changed pictures, wrong hashes and ids, split leaks, dangling parents, ...

    Exit code 0 means that every row and every byte is as it was written, 1 that something is not.
    """
    from facedata.datasets.remote import shown
    from facedata.datasets.validate import validate as library

    result = library(dataset, o.processes(workers))
    if json_wanted:
        show.as_json(
            {
                "version": result.version,
                "rows": result.rows,
                "findings": [dataclasses.asdict(finding) for finding in result.findings],
            }
        )
    else:
        for finding in result.findings[:_MOST]:
            show.echo(f"{finding.check}: {finding.message}")
        if (more := len(result.findings) - _MOST) > 0:
            show.echo(f"... and {more} more; --json lists them all")
        damaged = f"{len(result.findings)} findings" if result.findings else "whole"
        show.echo(f"{shown(dataset)}: {result.rows} rows, {damaged}")
    if result.findings:
        raise typer.Exit(1)
