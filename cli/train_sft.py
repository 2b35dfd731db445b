"""facedata train sft."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show
from facedata.cli import training as t
from facedata.cli.needs import RECIPES, need_packages


def sft(
    dataset: Annotated[Path, typer.Argument(help="A dataset with instructions (facedata annotate).")],
    model: Annotated[
        str,
        typer.Option(help="The base: a folder of a vision-language model, or its name on the hub."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder of the adapter.", callback=o.on_disk)
    ],
    config: t.Config = None,
    hold_out: t.HoldOut = None,
    steps: t.Steps = None,
    seed: t.Seed = None,
    resume: t.Resume = False,
    overwrite: t.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Teach a vision-language model the accepted answers of an instruction set, by an adapter (LoRA)."""
    need_packages("train sft", "sft", (*RECIPES, "transformers", "peft", "trl"))
    import transformers

    from facedata.recipes.config import load_config
    from facedata.recipes.sft.config import DEFAULT_CONFIG, SftConfig
    from facedata.recipes.sft.run import train_sft

    quiet: Any = transformers.logging.set_verbosity_error
    quiet()  # of states' times and the like, which nobody can act on
    chosen = t.told(load_config(SftConfig, config, DEFAULT_CONFIG), hold_out, steps, seed)
    started = time.monotonic()
    with show.progress("train") as bar:
        made = train_sft(
            dataset,
            output,
            model,
            chosen,
            resume=resume,
            overwrite=overwrite,
            progress=bar,
        )
    seconds = round(time.monotonic() - started, 1)
    if json_wanted:
        values = {name: value for name, value in vars(made).items() if name != "root"}
        show.as_json({"model": str(made.root), **values, "seconds": seconds})
        return
    share = 100 * made.learned / made.parameters
    typer.echo(
        f"trained  {made.steps} steps on {made.answers} answers of {made.records} records in {seconds} s\n"
        f"best     step {made.best_step}: loss {made.best_loss:.4f} on {made.dev_records} records "
        f"of {made.of}\n"
        f"learned  {made.learned} of {made.parameters} parameters ({share:.2g} %)\n"
        f"adapter  {made.root}"
    )
