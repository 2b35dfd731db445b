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
from facedata.datasets.errors import UsageError
from facedata.datasets.readers.catalogue import READERS

_OWN = ("folder", "list", "demo")
_FRAMES = "Frames and faces"


class Crop(StrEnum):
    """What a picture is cut to."""

    none = "none"
    box = "box"
    detect = "detect"


class Faceless(StrEnum):
    """What becomes of a picture without a face."""

    fail = "fail"
    whole = "whole"


class Format(StrEnum):
    """How frames and cut pictures are encoded."""

    png = "png"
    jpeg = "jpeg"


def _list_readers(wanted: bool) -> None:
    if wanted:
        from facedata.cli.readers import show_readers

        show_readers()
        raise typer.Exit()


def ingest(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="folder (of pictures), list (CSV, TSV, JSONL, Parquet), demo (rendered faces), or a dataset "
            "as its authors laid it out: " + ", ".join(READERS) + ".",
        ),
    ],
    output: o.Output,
    path: Annotated[Path | None, typer.Argument(help="The folder or the list; none for demo.")] = None,
    choose: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Settle what a dataset's files leave open; see --list.",
            rich_help_panel="Reading the input",
        ),
    ] = None,
    label: o.LabelOption = None,
    label_map: o.LabelMap = None,
    column_map: o.ColumnMap = None,
    name: o.Name = None,
    domain: o.Domain = None,
    split: o.Split = None,
    follow_links: o.FollowLinks = False,
    stride: Annotated[
        int, typer.Option(min=1, help="Take every Nth frame of a video.", rich_help_panel=_FRAMES)
    ] = 1,
    frames: Annotated[
        int | None,
        typer.Option(
            min=1, help="Take so many frames of each video, spread evenly.", rich_help_panel=_FRAMES
        ),
    ] = None,
    crop: Annotated[
        Crop,
        typer.Option(
            help="Cut to the face: by the box that the dataset gives, or as a detector finds it.",
            rich_help_panel=_FRAMES,
        ),
    ] = Crop.none,
    margin: Annotated[
        float,
        typer.Option(
            min=0,
            help="Context on each side, as a share of the box's width or height.",
            rich_help_panel=_FRAMES,
        ),
    ] = 0.3,
    detector: Annotated[
        str,
        typer.Option(
            help="cascade (comes with OpenCV), YuNet's ONNX file, or PATH@WIDTHxHEIGHT of an ONNX file "
            "with the outputs scores and boxes.",
            rich_help_panel=_FRAMES,
        ),
    ] = "cascade",
    faceless: Annotated[
        Faceless,
        typer.Option(
            help="A picture without a face: report it as a failure, or keep it whole.",
            rich_help_panel=_FRAMES,
        ),
    ] = Faceless.fail,
    image_format: Annotated[
        Format,
        typer.Option("--format", help="Encoding of frames and of cut pictures.", rich_help_panel=_FRAMES),
    ] = Format.png,
    quality: Annotated[
        int, typer.Option(min=1, max=100, help="JPEG quality (4:2:0).", rich_help_panel=_FRAMES)
    ] = 95,
    identities: Annotated[int, typer.Option(min=1, help="demo: how many persons.")] = 12,
    pictures: Annotated[int, typer.Option(min=1, help="demo: pictures of each person.")] = 4,
    size: Annotated[int, typer.Option(min=64, max=1024, help="demo: side in pixels.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="demo: which persons and pictures.")] = 0,
    layout: o.LayoutOption = o.Layout.files,
    engine: o.EngineOption = o.Engine.auto,
    address: o.Address = None,
    workers: o.Workers = 0,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    max_pixels: o.MaxMegapixels = 64.0,
    json_wanted: o.Json = False,
    list_readers: Annotated[
        bool,
        typer.Option(
            "--list",
            callback=_list_readers,
            is_eager=True,
            help="Show the datasets that are read, and leave.",
        ),
    ] = False,
) -> None:
    """Read pictures and videos with their labels into a dataset. The bytes of whole pictures are kept.

    A folder's labels come from folder names (live, real, spoof, attack, print, replay, ...); a list is a
    table with the columns path, label, and any of attack, subject, domain, split, box, expression, ...; --map
    names other columns. A dataset is read in the layout that its authors gave it, with labels, subjects and
    splits.
    """
    del list_readers
    from facedata.datasets import ingest as library
    from facedata.datasets.framing import Framing
    from facedata.datasets.pictures import Encoding

    if kind not in (*_OWN, *READERS):
        raise UsageError(f"kind {kind!r} is not one of {', '.join((*_OWN, *READERS))}; see ingest --list")
    if (path is None) != (kind == "demo"):
        need = "takes no path: it is rendered" if kind == "demo" else "needs a path"
        raise UsageError(f"ingest {kind} {need}")
    framing = Framing(
        stride=stride,
        frames=frames,
        crop=crop.value,
        margin=margin,
        detector=detector,
        faceless=faceless.value,
        encoding=Encoding(image_format.value, quality if image_format is Format.jpeg else 95),
    )
    choices = _choices(choose or [])
    if kind in _OWN and (choices or framing != Framing()):
        raise UsageError(
            f"ingest {kind} knows no --choose, frames or crop; they are for datasets (see --list)"
        )
    options = o.options(
        layout=layout,
        engine=engine,
        address=address,
        workers=workers,
        resume=resume,
        overwrite=overwrite,
        max_megapixels=max_pixels,
    )
    started = time.monotonic()
    with show.progress("ingest") as bar:
        options = dataclasses.replace(options, progress=bar)
        reading = o.reading(label, label_map, name, domain, split, follow_links, column_map)
        if path is None:
            result = library.ingest_demo(
                output, options, identities=identities, pictures=pictures, size=size, seed=seed
            )
        elif kind in READERS:
            result = library.ingest_reader(
                kind, path, output, reading, options, choices=choices, framing=framing
            )
        else:
            result = library.ingest(kind, path, output, reading, options)
    show.finish(result, started, json_wanted=json_wanted)


def _choices(pairs: list[str]) -> dict[str, str]:
    """Return the choices of `--choose NAME=VALUE`."""
    choices: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.strip() or not value.strip():
            raise UsageError(f"--choose {pair!r} is not of the form NAME=VALUE")
        if choices.setdefault(name.strip(), value.strip()) != value.strip():
            raise UsageError(f"--choose gives {name.strip()} two values; name it once")
    return choices
