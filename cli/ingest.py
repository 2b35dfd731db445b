"""facedata ingest KIND [PATH] -o DATASET."""

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
    """What is read."""

    folder = "folder"
    list = "list"
    demo = "demo"


def ingest(
    kind: Annotated[Kind, typer.Argument(help="folder of pictures, CSV list, or rendered demo faces.")],
    output: o.Output,
    path: Annotated[Path | None, typer.Argument(help="The folder or the list; none for demo.")] = None,
    label: o.LabelOption = None,
    label_map: o.LabelMap = None,
    name: o.Name = None,
    domain: o.Domain = None,
    split: o.Split = None,
    follow_links: o.FollowLinks = False,
    identities: Annotated[int, typer.Option(min=1, help="demo: how many persons.")] = 12,
    pictures: Annotated[int, typer.Option(min=1, help="demo: pictures of each person.")] = 4,
    size: Annotated[int, typer.Option(min=64, max=1024, help="demo: side in pixels.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="demo: which persons and pictures.")] = 0,
    layout: o.LayoutOption = o.Layout.files,
    engine: o.EngineOption = o.Engine.auto,
    workers: o.Workers = 0,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    max_pixels: o.MaxMegapixels = 64.0,
    json_wanted: o.Json = False,
) -> None:
    """Read pictures with their labels into a dataset. Their bytes are kept.

    A folder's labels come from folder names (live, real, spoof, attack, print, replay, ...); a list is a CSV
    file with a header: path, label, and any of attack, subject, domain, split, box, expression.
    """
    from facedata.datasets import ingest as library
    from facedata.datasets.errors import UsageError

    options = o.options(
        layout=layout,
        engine=engine,
        workers=workers,
        resume=resume,
        overwrite=overwrite,
        cache=None,
        no_cache=True,
        max_megapixels=max_pixels,
    )
    if (path is None) != (kind is Kind.demo):
        need = "takes no path: it is rendered" if kind is Kind.demo else "needs a path"
        raise UsageError(f"ingest {kind.value} {need}")
    started = time.monotonic()
    with show.progress("ingest") as bar:
        options = dataclasses.replace(options, progress=bar)
        if path is None:
            result = library.ingest_demo(
                output, options, identities=identities, pictures=pictures, size=size, seed=seed
            )
        else:
            reading = o.reading(label, label_map, name, domain, split, follow_links)
            result = library.ingest(kind.value, path, output, reading, options)
    show.finish(result, started, json_wanted=json_wanted)
