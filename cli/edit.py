"""facedata edit DATASET EDITS -o DATASET."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show


def edit(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    edits: Annotated[Path, typer.Argument(help="CSV: sid,field,old,new and author,time,message.")],
    output: o.Output,
    skip_conflicts: Annotated[
        bool,
        typer.Option("--skip-conflicts", help="Leave out edits that do not fit, name them, and exit with 3."),
    ] = False,
    layout: o.KeptLayout = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Apply corrections by hand as a new version. Where `old` is not what the row says, nothing is made.

    An edit of the field deleted to true takes the sample out. Edits of split, subject and domain go to what
    was made from the sample too. The lines are kept in curation/edits.csv of the new version.
    """
    from facedata.datasets.versions.edit import edit as library

    writing = o.writing(layout, resume, overwrite)
    result = library(dataset, edits, output, skip_conflicts=skip_conflicts, writing=writing)
    show.derived(result, json_wanted=json_wanted, told=_told)


def _told(details: dict[str, Any]) -> str:
    already = f", {details['already_so']} edits were so already" if details["already_so"] else ""
    deleted = f", deleted {details['deleted_rows']}" if details["deleted_rows"] else ""
    return f"edited {details['edited_rows']} samples{deleted}{already}"
