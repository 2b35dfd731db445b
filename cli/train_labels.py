"""facedata train fer, facedata train au."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from facedata.recipes.labels.recipe import Kind, TrainedLabels

__all__ = ["au", "fer"]

_Dataset = Annotated[Path, typer.Argument(help="A dataset of faces with labels.")]
_Output = Annotated[Path, typer.Option("--output", "-o", help="The folder of the model.")]
_Config = Annotated[
    Path | None, typer.Option("--config", help="A YAML file; without it, a small network for two cores.")
]
_HoldOut = Annotated[
    str | None, typer.Option(metavar="DOMAIN,...", help="Domains that are not learned from.")
]
_Steps = Annotated[int | None, typer.Option(min=1, help="In place of the configuration's.")]
_Seed = Annotated[int | None, typer.Option(min=0, help="In place of the configuration's.")]
_Resume = Annotated[bool, typer.Option("--resume", help="Go on from the newest state, to the same numbers.")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the model that the output holds.")]


def fer(
    dataset: _Dataset,
    output: _Output,
    config: _Config = None,
    hold_out: _HoldOut = None,
    steps: _Steps = None,
    seed: _Seed = None,
    resume: _Resume = False,
    overwrite: _Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Train a network that names expressions; people's votes are learned as shares."""
    _train("fer", dataset, output, config, hold_out, steps, seed, resume, overwrite, json_wanted)


def au(
    dataset: _Dataset,
    output: _Output,
    config: _Config = None,
    hold_out: _HoldOut = None,
    steps: _Steps = None,
    seed: _Seed = None,
    resume: _Resume = False,
    overwrite: _Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Train a network that codes action units. Each has a threshold, chosen on development rows and kept."""
    _train("au", dataset, output, config, hold_out, steps, seed, resume, overwrite, json_wanted)


def _train(
    kind: Kind,
    dataset: Path,
    output: Path,
    config: Path | None,
    hold_out: str | None,
    steps: int | None,
    seed: int | None,
    resume: bool,
    overwrite: bool,
    json_wanted: bool,
) -> None:
    from facedata.cli.train import need_packages, told

    need_packages("train")
    from facedata.recipes.config import load_config
    from facedata.recipes.labels.config import LabelsConfig
    from facedata.recipes.labels.recipe import DEFAULT_CONFIGS, summary_json, train_labels

    chosen = told(load_config(LabelsConfig, config, DEFAULT_CONFIGS[kind]), hold_out, steps, seed)
    started = time.monotonic()
    with show.progress("train") as bar:
        made = train_labels(
            kind,
            dataset,
            output,
            chosen,
            resume=resume,
            overwrite=overwrite,
            progress=lambda step, total, _losses: bar(step, total),
        )
    found = {**summary_json(made), "seconds": round(time.monotonic() - started, 1)}
    if json_wanted:
        show.as_json(found)
        return
    typer.echo("\n".join(_lines(made, found)))


def _lines(made: TrainedLabels, found: dict[str, Any]) -> list[str]:
    right = {"uar": "UAR", "unit_f1": "mean F1 of units"}
    dev = ", ".join(f"{right[name]} {100 * value:.1f} %" for name, value in made.dev.items())
    lines = [
        f"trained {made.steps} steps on {made.rows} rows in {found['seconds']} s; best at step "
        f"{made.best_step}: {dev} of {made.dev_rows} development rows"
    ]
    lines += [f"AU{unit} shows from {one.told()}" for unit, one in made.thresholds.items()]
    if made.left_out:
        units = ", ".join(f"AU{unit}" for unit in made.left_out)
        lines.append(f"left out {units}: the rows to train on all show it, or none does")
    return [*lines, f"model    {made.root}"]
