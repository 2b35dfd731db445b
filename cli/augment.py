"""facedata augment INPUT -o DATASET."""

from __future__ import annotations

import dataclasses
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show


class Effect(StrEnum):
    """What a rendered attack medium does to the label."""

    flip = "flip"
    keep = "keep"
    drop = "drop"


class Originals(StrEnum):
    """Whether the input pictures stand in the output too."""

    keep = "keep"
    drop = "drop"


class Truth(StrEnum):
    """What is kept of an operator's truth beside the row."""

    none = "none"
    masks = "masks"
    all = "all"


class Format(StrEnum):
    """How pictures that are made are encoded."""

    jpeg = "jpeg"
    png = "png"


def _list_operators(wanted: bool) -> None:
    if wanted:
        from facedata.cli.operators import show_operators

        show_operators()
        raise typer.Exit()


def augment(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A folder of pictures, a CSV list, or a dataset.")
    ],
    output: o.Output,
    policy: Annotated[
        str, typer.Option(help="A stock policy by name (see --list), or a YAML file.")
    ] = "mixed",
    variants: Annotated[int, typer.Option(min=1, help="Samples to make of each picture.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same version.")] = 0,
    sessions: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of sessions: the samples of one share medium, device, camera and light, as those of "
            "one afternoon in a laboratory do. Without it every sample has its own.",
        ),
    ] = None,
    label_effect: Annotated[
        Effect,
        typer.Option(
            help="Where an attack medium is rendered on a live face: flip makes it a spoof and names the "
            "attack, keep leaves the label, drop leaves the sample out."
        ),
    ] = Effect.flip,
    originals: Annotated[
        Originals, typer.Option(help="Whether the input pictures go into the output too.")
    ] = Originals.keep,
    image_format: Annotated[Format, typer.Option("--format", help="Encoding of what is made.")] = Format.jpeg,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality (4:2:0).")] = 95,
    truth: Annotated[
        Truth,
        typer.Option(help="masks keeps where attack media show; all keeps everything that operators know."),
    ] = Truth.none,
    label: o.LabelOption = None,
    label_map: o.LabelMap = None,
    column_map: o.ColumnMap = None,
    name: o.Name = None,
    domain: o.Domain = None,
    split: o.Split = None,
    follow_links: o.FollowLinks = False,
    layout: o.LayoutOption = o.Layout.files,
    engine: o.EngineOption = o.Engine.auto,
    address: o.Address = None,
    workers: o.Workers = 0,
    timeout: o.Timeout = 600.0,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    cache: o.CacheDir = None,
    no_cache: o.NoCache = False,
    max_pixels: o.MaxMegapixels = 64.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and stop.")] = False,
    json_wanted: o.Json = False,
    list_operators: Annotated[
        bool,
        typer.Option(
            "--list", callback=_list_operators, is_eager=True, help="Show operators and policies, and stop."
        ),
    ] = False,
) -> None:
    """Make attacks and captures of faces, by a policy: labelled, with every parameter recorded."""
    from facedata.augment.run import augment as library
    from facedata.augment.run import plan
    from facedata.datasets.pictures import Encoding

    options = o.options(
        layout=layout,
        engine=engine,
        address=address,
        workers=workers,
        resume=resume,
        overwrite=overwrite,
        cache=cache,
        no_cache=no_cache,
        max_megapixels=max_pixels,
        timeout=timeout,
    )
    reading = o.reading(label, label_map, name, domain, split, follow_links, column_map)
    if dry_run:
        planned = plan(source, policy=policy, variants=variants, reading=reading)
        if json_wanted:
            show.as_json(planned)
        else:
            show.echo(
                f"{planned['inputs']} pictures x {variants} variants by {planned['policy']}: up to "
                f"{planned['samples']} samples would be made in {output}"
            )
        return
    started = time.monotonic()
    with show.progress("augment") as bar:
        result = library(
            source,
            output,
            policy=policy,
            variants=variants,
            seed=seed,
            label_effect=label_effect.value,
            keep_originals=originals is Originals.keep,
            encoding=Encoding(image_format.value, quality),
            truth=truth.value,
            sessions=sessions,
            reading=reading,
            options=dataclasses.replace(options, progress=bar),
        )
    show.finish(result, started, json_wanted=json_wanted)
