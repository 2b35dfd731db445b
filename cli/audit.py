"""facedata audit DATASET."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from facedata.curate.audit.run import Audited


def audit(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for audit.json and audit.parquet (a row a sample)."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Run this audit only; may be given several times.")
    ] = None,
    json_wanted: o.Json = False,
) -> None:
    """Look for what is wrong with a dataset: duplicates, leaks, imbalance, shortcuts."""
    from facedata.curate.audit.run import Auditing, audit_dataset
    from facedata.curate.audit.store import as_json, write_audit

    with show.progress("audits") as progress:
        audited = audit_dataset(dataset, Auditing(only=tuple(only or ()), progress=progress))
    if output is not None:
        write_audit(output, audited.rows, audited.answers, audited.about)
    if json_wanted:
        show.as_json(as_json(audited.answers, audited.about))
    else:
        _tell(audited)
        if output is not None:
            typer.echo(f"audit    {output}")


def _tell(audited: Audited) -> None:
    """Print a line an audit: its verdict, its name, what it found."""
    width = max(len(answer.audit.name) for answer in audited.answers)
    for answer in audited.answers:
        typer.echo(f"{answer.outcome.verdict:8} {answer.audit.name:{width}}  {answer.outcome.said}")
