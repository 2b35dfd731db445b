"""facedata train fer, facedata train au."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show
from facedata.cli import training as t

if TYPE_CHECKING:
    from facedata.recipes.labels.recipe import Kind, TrainedLabels

__all__ = ["au", "fer"]

_Dataset = Annotated[Path, typer.Argument(help="A dataset of faces with labels.")]
_Output = Annotated[Path, typer.Option("--output", "-o", help="The folder of the model.")]


def fer(
    dataset: _Dataset,
    output: _Output,
    config: t.Config = None,
    hold_out: t.HoldOut = None,
    steps: t.Steps = None,
    seed: t.Seed = None,
    resume: t.Resume = False,
    overwrite: t.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Train a network that names expressions; people's votes are learned as shares."""
    _train("fer", dataset, output, config, hold_out, steps, seed, resume, overwrite, json_wanted)


def au(
    dataset: _Dataset,
    output: _Output,
    config: t.Config = None,
    hold_out: t.HoldOut = None,
    steps: t.Steps = None,
    seed: t.Seed = None,
    resume: t.Resume = False,
    overwrite: t.Overwrite = False,
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
    t.need_packages("train")
    from facedata.recipes.config import load_config
    from facedata.recipes.labels.config import LabelsConfig
    from facedata.recipes.labels.recipe import DEFAULT_CONFIGS, summary_json, train_labels

    chosen = t.told(load_config(LabelsConfig, config, DEFAULT_CONFIGS[kind]), hold_out, steps, seed)
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
