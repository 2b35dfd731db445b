"""facedata train fer, facedata train au."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show
from facedata.cli import training as t
from facedata.cli.needs import need_packages

if TYPE_CHECKING:
    from facedata.recipes.labels.recipe import Kind, TrainedLabels

__all__ = ["HELP", "verb"]


HELP: dict[Kind, str] = {
    "fer": "Train a network that names expressions; people's votes are learned as shares.",
    "au": "Train a network that codes action units. Each has a threshold, chosen on development rows and "
    "kept.",
}
"""The kinds of labels that a verb trains, and what it says of itself."""


def verb(kind: Kind) -> Callable[..., None]:
    """Return the command that trains one kind of labels; its name and its help are the app's to give."""

    def train(
        dataset: Annotated[Path, typer.Argument(help="A dataset of faces with labels.")],
        output: Annotated[
            Path, typer.Option("--output", "-o", help="The folder of the model.", callback=o.on_disk)
        ],
        config: t.Config = None,
        hold_out: t.HoldOut = None,
        steps: t.Steps = None,
        seed: t.Seed = None,
        resume: t.Resume = False,
        overwrite: t.Overwrite = False,
        json_wanted: o.Json = False,
    ) -> None:
        need_packages("train")
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
                progress=bar,
            )
        found = {**summary_json(made), "seconds": round(time.monotonic() - started, 1)}
        if json_wanted:
            show.as_json(found)
            return
        typer.echo("\n".join(_lines(made, found)))

    return train


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
