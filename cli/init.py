"""facedata init FOLDER."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show


def init(
    folder: Annotated[
        Path, typer.Argument(help="Where the pipeline goes; made where there is none.", callback=o.on_disk)
    ],
    kind: Annotated[
        str,
        typer.Option("--from", metavar="KIND", help="What is read: demo, or a kind of ingest."),
    ] = "folder",
    path: Annotated[
        str | None,
        typer.Option(help="The folder or list that is read, as seen from FOLDER (faces; none for demo)."),
    ] = None,
    json_wanted: o.Json = False,
) -> None:
    """Lay out a DVC pipeline: ingest, a branch for each policy, merge, edits, splits, report, export."""
    from facedata.curate.pipeline import DEMO, lay_out

    if path is None and kind != DEMO:
        path = "faces"
    done = lay_out(folder, kind, path)
    if json_wanted:
        show.as_json({"path": str(folder), "written": done.written, "added_to": done.added_to})
        return
    typer.echo(f"wrote {', '.join(done.written)} to {folder}")
    if done.added_to:
        typer.echo(f"added lines to {', '.join(done.added_to)}")
    if not done.scm:
        typer.echo("note     no git here, so dvc metrics diff has nothing to compare with; once there is,")
        typer.echo("         run `dvc config --unset core.no_scm`")
    where = "" if path is None else f"put your faces into {folder / path}, then "
    typer.echo(f"next     {where}cd {folder} && dvc repro")
