"""facedata join DATASET FILE --kind KIND -o DATASET."""

from __future__ import annotations

import dataclasses
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show


class Kind(StrEnum):
    """The tool whose output is joined."""

    openface = "openface"
    pyfeat = "py-feat"


def join(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    file: Annotated[Path, typer.Argument(help="The tool's CSV file, or a folder of them.")],
    kind: Annotated[Kind, typer.Option(help="The tool that wrote it.")],
    output: o.Output,
    name: Annotated[
        str | None, typer.Option("--as", help="Name in attributes.detected; the tool's by default.")
    ] = None,
    tool_version: Annotated[str | None, typer.Option(help="The tool's version, for the record.")] = None,
    layout: o.LayoutOption = o.Layout.files,
    engine: o.EngineOption = o.Engine.auto,
    address: o.Address = None,
    workers: o.Workers = 0,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Join a detector's output onto a dataset: action units, pose, gaze, landmarks, scores.

    What it says goes to attributes.detected, marked as a detector's; the labels of the rows stay as they are.
    A line belongs to the picture whose name, and as much of whose folders, it has.
    """
    from facedata.datasets.detections.join import join as library

    options = o.options(
        layout=layout,
        engine=engine,
        address=address,
        workers=workers,
        resume=resume,
        overwrite=overwrite,
    )
    started = time.monotonic()
    with show.progress("join") as bar:
        options = dataclasses.replace(options, progress=bar)
        result = library(dataset, file, output, kind.value, options, name=name, tool_version=tool_version)
    show.finish(result, started, json_wanted=json_wanted)
