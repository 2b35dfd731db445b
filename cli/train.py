"""facedata train fas."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from facedata.recipes.fas import TrainedFas

__all__ = ["app", "need_packages"]

app = typer.Typer(add_completion=False, help="Train a model on a dataset.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Train a model on a dataset, by a thin recipe; nothing is ever chosen on what it is tested on."""


@app.command("fas")
def fas(
    dataset: Annotated[Path, typer.Argument(help="A dataset of live faces and attacks.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder of the model, or of the folds'.")
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", help="A YAML file; without it, a small network for two cores."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Learn from the rows that a protocol trains on (facedata split --list); a family such as "
            "ocim trains a model for each of its folds."
        ),
    ] = None,
    hold_out: Annotated[
        str | None, typer.Option(metavar="DOMAIN,...", help="Domains that are not learned from.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="In place of the configuration's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="In place of the configuration's.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest state, to the same numbers.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model that the output holds.")
    ] = False,
    json_wanted: o.Json = False,
) -> None:
    """Train a detector of presentation attacks. Its threshold is chosen on development rows, and kept."""
    need_packages("train")
    from facedata.recipes.config import load_config
    from facedata.recipes.fas import DEFAULT_CONFIG, train_fas
    from facedata.recipes.fas_config import FasConfig
    from facedata.recipes.metrics.parts import protocols

    chosen = load_config(FasConfig, config, DEFAULT_CONFIG)
    told: dict[str, Any] = {"steps": steps, "seed": seed}
    loop = chosen.loop.model_copy(update={name: value for name, value in told.items() if value is not None})
    chosen = chosen.model_copy(update={"loop": loop})
    if hold_out is not None:
        domains = tuple(name.strip() for name in hold_out.split(",") if name.strip())
        chosen = chosen.model_copy(update={"rows": chosen.rows.model_copy(update={"hold_out": domains})})
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
                progress=lambda step, total, _losses: bar(step, total),
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


def need_packages(verb: str) -> None:
    """Raise UsageError naming the libraries of training that are not installed."""
    from facedata.datasets.errors import UsageError

    names = ("torch", "accelerate", "safetensors")
    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise UsageError(f"{verb} needs {', '.join(missing)}: pip install 'facedata[recipes]'")


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
