"""facedata maps DATASET --kind lbp,srm -o DATASET."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show


def maps(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    kind: Annotated[
        str, typer.Option(help="Maps, with commas: grey, laplacian, srm, lbp, hog, fft, richest-patch.")
    ],
    output: o.Output,
    layout: o.LayoutOption = o.Layout.files,
    engine: o.EngineOption = o.Engine.auto,
    address: o.Address = None,
    workers: o.Workers = 0,
    timeout: o.Timeout = 600.0,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    max_pixels: o.MaxMegapixels = 64.0,
    json_wanted: o.Json = False,
) -> None:
    """Write maps of a dataset's pictures as layers: texture, noise and spectra, to look at or to learn from.

    Rows keep their ids, labels and pictures. `facedata curate push` shows the layers, and `facedata export`
    takes them along with --choose layers=lbp.
    """
    from facedata.recipes.maps.run import write_maps

    options = o.options(
        layout=layout,
        engine=engine,
        address=address,
        workers=workers,
        resume=resume,
        overwrite=overwrite,
        max_megapixels=max_pixels,
        timeout=timeout,
    )
    names = [name.strip() for name in kind.split(",") if name.strip()]
    started = time.monotonic()
    with show.progress("maps") as bar:
        result = write_maps(dataset, output, names, dataclasses.replace(options, progress=bar))
    show.finish(result, started, json_wanted=json_wanted)
