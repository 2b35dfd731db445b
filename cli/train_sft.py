"""facedata train sft."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show


def sft(
    dataset: Annotated[Path, typer.Argument(help="A dataset with instructions (facedata annotate).")],
    model: Annotated[
        str,
        typer.Option(help="The base: a folder of a vision-language model, or its name on the hub."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the adapter.")],
    config: Annotated[Path | None, typer.Option("--config", help="A YAML file.")] = None,
    hold_out: Annotated[
        str | None, typer.Option(metavar="DOMAIN,...", help="Domains that are not learned from.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="In place of the configuration's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="In place of the configuration's.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest state, to the same numbers.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the adapter that the output holds.")
    ] = False,
    json_wanted: o.Json = False,
) -> None:
    """Teach a vision-language model the accepted answers of an instruction set, by an adapter (LoRA)."""
    _need_packages()
    import transformers

    from facedata.recipes.config import load_config
    from facedata.recipes.sft.config import DEFAULT_CONFIG, SftConfig
    from facedata.recipes.sft.run import train_sft

    quiet: Any = transformers.logging.set_verbosity_error
    quiet()  # of states' times and the like, which nobody can act on
    chosen = load_config(SftConfig, config, DEFAULT_CONFIG)
    told: dict[str, Any] = {"steps": steps, "seed": seed}
    loop = chosen.loop.model_copy(update={name: value for name, value in told.items() if value is not None})
    rows = chosen.rows
    if hold_out is not None:
        domains = tuple(name.strip() for name in hold_out.split(",") if name.strip())
        rows = rows.model_copy(update={"hold_out": domains})
    chosen = chosen.model_copy(update={"loop": loop, "rows": rows})
    started = time.monotonic()
    with show.progress("train") as bar:
        made = train_sft(
            dataset,
            output,
            model,
            chosen,
            resume=resume,
            overwrite=overwrite,
            progress=lambda step, total, _losses: bar(step, total),
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


def _need_packages() -> None:
    """Raise UsageError naming the libraries that are not installed."""
    from facedata.datasets.errors import UsageError

    names = ("torch", "accelerate", "safetensors", "transformers", "peft", "trl")
    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise UsageError(f"train sft needs {', '.join(missing)}: pip install 'facedata[sft]'")
