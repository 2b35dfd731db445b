"""facedata train: a verb a recipe; this one is fas."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show, train_labels
from facedata.cli import training as t
from facedata.cli.needs import need_packages
from facedata.cli.train_sft import sft

if TYPE_CHECKING:
    from facedata.recipes.fas import TrainedFas

__all__ = ["app"]

app = typer.Typer(add_completion=False, help="Train a model on a dataset.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Train a model on a dataset, by a thin recipe; nothing is ever chosen on what it is tested on."""


@app.command("fas")
def fas(
    dataset: Annotated[Path, typer.Argument(help="A dataset of live faces and attacks.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The folder of the model, or of the folds'.", callback=o.on_disk),
    ],
    config: t.Config = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Learn from the rows that a protocol trains on (facedata split --list); a family such as "
            "ocim trains a model for each of its folds."
        ),
    ] = None,
    hold_out: t.HoldOut = None,
    steps: t.Steps = None,
    seed: t.Seed = None,
    resume: t.Resume = False,
    overwrite: t.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Train a detector of presentation attacks. Its threshold is chosen on development rows, and kept."""
    need_packages("train")
    from facedata.recipes.config import load_config
    from facedata.recipes.fas import DEFAULT_CONFIG, train_fas
    from facedata.recipes.fas_config import FasConfig
    from facedata.recipes.metrics.parts import protocols

    chosen = t.told(load_config(FasConfig, config, DEFAULT_CONFIG), hold_out, steps, seed)
    found = []
    for fold in protocols(protocol) if protocol is not None else [None]:
        target = output if fold is None or fold.name == protocol else output / fold.name
        started = time.monotonic()
        with show.progress("train" if fold is None else fold.name) as bar:
            made = train_fas(
                dataset,
                target,
                chosen,
                protocol=fold,
                resume=resume,
                overwrite=overwrite,
                progress=bar,
            )
        found.append(_summary(made, time.monotonic() - started))
    if json_wanted:
        show.as_json(found[0] if protocol is None else {"folds": found})
        return
    for one in found:
        typer.echo(
            f"trained {one['steps']} steps on {one['rows']} rows in {one['seconds']} s; best at step "
            f"{one['best_step']}: EER {100 * one['dev_eer']:.2f} % of {one['dev_rows']} development rows\n"
            f"learned  {one['learning']:,} of {one['parameters']:,} parameters "
            f"({100 * one['learning'] / one['parameters']:.2f} %)\n"
            f"threshold {one['threshold']['value']:.6g}, chosen on {one['threshold']['chosen_on']}\n"
            f"model    {one['model']}"
        )


for kind, what in train_labels.HELP.items():
    app.command(kind, help=what)(train_labels.verb(kind))
app.command("sft")(sft)


def _summary(made: TrainedFas, seconds: float) -> dict[str, Any]:
    return {
        "model": str(made.root),
        "steps": made.steps,
        "best_step": made.best_step,
        "parameters": made.parameters.total,
        "learning": made.parameters.trainable,
        "rows": made.rows,
        "dev_rows": made.dev_rows,
        "dev_eer": made.eer,
        "threshold": made.threshold.to_json(),
        "seconds": round(seconds, 1),
    }
