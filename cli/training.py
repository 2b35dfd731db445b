"""What the verbs of `facedata train` share: their options, and what these say in place of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from facedata.recipes.fas_config import FasConfig
    from facedata.recipes.labels.config import LabelsConfig
    from facedata.recipes.sft.config import SftConfig

__all__ = ["Config", "HoldOut", "Overwrite", "Resume", "Seed", "Steps", "told"]

C = TypeVar("C", "FasConfig", "LabelsConfig", "SftConfig")

Config = Annotated[Path | None, typer.Option("--config", help="A YAML file; every key has a default.")]
HoldOut = Annotated[str | None, typer.Option(metavar="DOMAIN,...", help="Domains that are not learned from.")]
Steps = Annotated[int | None, typer.Option(min=1, help="In place of the configuration's.")]
Seed = Annotated[int | None, typer.Option(min=0, help="In place of the configuration's.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the newest state, to the same numbers.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the model that the output holds.")]


def told(config: C, hold_out: str | None, steps: int | None, seed: int | None) -> C:
    """Return a recipe's configuration with what the command line says in its place."""
    length = {name: value for name, value in {"steps": steps, "seed": seed}.items() if value is not None}
    parts: dict[str, Any] = {"loop": config.loop.model_copy(update=length)}
    if hold_out is not None:
        domains = tuple(name.strip() for name in hold_out.split(",") if name.strip())
        parts["rows"] = config.rows.model_copy(update={"hold_out": domains})
    return config.model_copy(update=parts)
