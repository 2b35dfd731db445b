"""Arguments that several verbs share, so that they read the same everywhere."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facedata.datasets.engine import Options
    from facedata.datasets.inputs import Reading
    from facedata.datasets.measuring import Measuring
    from facedata.datasets.versions.derive import Writing


def on_disk(path: Path | None) -> Path | None:
    """Refuse a place on object storage, before any work, where a verb writes to disks alone."""
    from facedata.datasets.remote import remote_of, shown

    if path is not None and remote_of(path) is not None:
        raise typer.BadParameter(
            f"{shown(path)}: this is written to a disk; give a folder, and copy it there"
        )
    return path


class Layout(StrEnum):
    """Where bytes lie."""

    files = "files"
    shards = "shards"


class Engine(StrEnum):
    """Who does the work."""

    auto = "auto"
    serial = "serial"
    process = "process"
    ray = "ray"


class SoleEngine(StrEnum):
    """Who does work of which one process does all, or a cluster."""

    serial = "serial"
    ray = "ray"


class Label(StrEnum):
    """What a picture shows."""

    live = "live"
    spoof = "spoof"


_READING, _RUNNING = "Reading the input", "Running"

Output = Annotated[
    Path, typer.Option("--output", "-o", help="The dataset to write: a folder, or s3://BUCKET/NAME.")
]
LayoutOption = Annotated[
    Layout,
    typer.Option(
        help="A file a picture (for people), or Parquet shards (for DVC, the hub, millions).",
        rich_help_panel=_RUNNING,
    ),
]
KeptLayout = Annotated[
    Layout | None,
    typer.Option("--layout", help="files or shards, in place of the input's.", rich_help_panel=_RUNNING),
]
EngineOption = Annotated[
    Engine,
    typer.Option(
        help="auto takes worker processes where there is enough work; ray takes a cluster. All give the same "
        "bytes.",
        rich_help_panel=_RUNNING,
    ),
]
SoleEngineOption = Annotated[
    SoleEngine,
    typer.Option("--engine", help="ray takes a cluster; the result is the same.", rich_help_panel=_RUNNING),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="The head of the Ray cluster; auto for the one that this machine belongs to, local to start one "
        "here for the run. Without it, RAY_ADDRESS.",
        rich_help_panel=_RUNNING,
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        min=0, help="Worker processes; 0 takes one for each core, or GPU.", rich_help_panel=_RUNNING
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        min=0,
        help="Seconds that a worker process may take over one picture and all that is made of it, before the "
        "picture is set aside; 0 is no limit.",
        rich_help_panel=_RUNNING,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a run that was stopped.", rich_help_panel=_RUNNING)
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace the dataset that the output holds.", rich_help_panel=_RUNNING),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder of pictures made before (.facedata/cache).",
        rich_help_panel=_RUNNING,
        callback=on_disk,
    ),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Keep no copies of what was made.", rich_help_panel=_RUNNING)
]
MaxMegapixels = Annotated[
    float,
    typer.Option(
        "--max-pixels",
        min=0.0001,
        help="Largest picture that is read, in megapixels.",
        rich_help_panel=_READING,
    ),
]
LabelOption = Annotated[
    Label | None,
    typer.Option(
        help="Label of pictures of which their folder or list says nothing.", rich_help_panel=_READING
    ),
]
LabelMap = Annotated[
    str | None,
    typer.Option(
        help="What the source's words mean: live=1,spoof=0.",
        metavar="live=WORD,...",
        rich_help_panel=_READING,
    ),
]
ColumnMap = Annotated[
    str | None,
    typer.Option(
        "--map",
        help="Which columns of a list are which fields: path=filename,label=class.",
        metavar="FIELD=COLUMN,...",
        rich_help_panel=_READING,
    ),
]
Name = Annotated[
    str | None, typer.Option(help="Name of the source dataset, kept in every row.", rich_help_panel=_READING)
]
Domain = Annotated[
    str | None,
    typer.Option(help="Domain (capture setting or dataset) of every row.", rich_help_panel=_READING),
]
Split = Annotated[
    str | None, typer.Option(help="Split of every row: train, val, test, ...", rich_help_panel=_READING)
]
FollowLinks = Annotated[
    bool,
    typer.Option("--follow-links", help="Read links that lead out of the folder.", rich_help_panel=_READING),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def reading(
    label: Label | None,
    label_map: str | None,
    name: str | None,
    domain: str | None,
    split: str | None,
    follow_links: bool,
    column_map: str | None = None,
) -> Reading:
    """Return how to read an input that is no dataset."""
    from facedata.datasets.inputs import Reading

    word = label.value if label else None
    return Reading(word, label_map, name, domain, split, column_map, follow_links)


def options(
    *,
    layout: Layout,
    engine: Engine | SoleEngine,
    workers: int,
    resume: bool,
    overwrite: bool,
    cache: Path | None = None,
    no_cache: bool = True,
    max_megapixels: float = 64.0,
    timeout: float = 600.0,
    address: str | None = None,
) -> Options:
    """Return the engine's options; a verb that says nothing of a cache has none."""
    from facedata.datasets.engine import Options

    if engine.value == Engine.serial.value:
        workers = 1
    return Options(
        layout=layout.value,
        engine=engine.value,
        workers=workers or (0 if engine.value == Engine.ray.value else _cores()),
        address=address,
        resume=resume,
        overwrite=overwrite,
        cache=None if no_cache else cache or _cache(),
        max_pixels=int(max_megapixels * 1e6),
        timeout=timeout,
    )


def writing(layout: Layout | None, resume: bool, overwrite: bool) -> Writing:
    """Return how a version that is made of rows there are is written."""
    from facedata.datasets.versions.derive import Writing

    return Writing(layout.value if layout else None, resume, overwrite)


def measuring(workers: int, cache: Path | None, no_cache: bool) -> Measuring:
    """Return how pictures are measured."""
    from facedata.datasets.measuring import Measuring

    return Measuring(workers=processes(workers), cache=None if no_cache else cache or _cache())


def processes(workers: int) -> int:
    """Return how many worker processes are meant: 0 is one for each core."""
    return workers or _cores()


def _cache() -> Path:
    return Path(os.environ.get("FACEDATA_CACHE", ".facedata/cache"))


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: a container may have fewer than the machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
