"""facedata sample DATASET N -o DATASET."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show


def sample(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    count: Annotated[int, typer.Argument(metavar="N", min=1, help="How many samples to keep.")],
    output: o.Output,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same samples.")] = 0,
    by: Annotated[
        str, typer.Option(help="Columns such as label,attack: each combination gets its share of N.")
    ] = "",
    per_group: Annotated[bool, typer.Option("--per-group", help="With --by: N of each combination.")] = False,
    families: Annotated[
        bool, typer.Option("--families", help="Choose N parents, each with all that was made from it.")
    ] = False,
    layout: o.KeptLayout = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Keep some of the samples, as a new version: chosen by hash words, the same on every machine."""
    from facedata.datasets.versions.sampling import sample_rows as library

    result = library(
        dataset,
        count,
        output,
        seed=seed,
        by=[name.strip() for name in by.split(",") if name.strip()],
        per_group=per_group,
        families=families,
        writing=o.writing(layout, resume, overwrite),
    )
    kind = "families" if families else "samples"
    show.derived(result, json_wanted=json_wanted, told=lambda d: f"took {d['units']} {kind}")
