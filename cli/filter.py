"""facedata filter DATASET CONDITION -o DATASET."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show


def filter_rows(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    condition: Annotated[
        str, typer.Argument(help='Such as: label == "spoof" and attack.startswith("print")')
    ],
    output: o.Output,
    layout: o.KeptLayout = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Keep the rows of which a condition holds, with their pictures, as a new version.

    Columns by name, source.file, attributes.x, parameters.x, au[12]; == != < <= > >= in, and or not, is None,
    + - * / // %, len, abs, .startswith() .endswith() .contains() .lower() .upper(). Null is unlike every
    value.
    """
    from facedata.datasets.versions.filter import filter_rows as library

    result = library(dataset, condition, output, o.writing(layout, resume, overwrite))
    show.derived(
        result, json_wanted=json_wanted, told=lambda d: f"kept the rows that fit, left out {d['left_out']}"
    )
