"""What every recipe is told, in one YAML file; every key has a default that runs on two cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facedata.datasets.errors import UsageError
from facedata.datasets.keyed import read_yaml

__all__ = ["LookConfig", "LoopConfig", "Pace", "Part", "RowsConfig", "load_config"]

C = TypeVar("C", bound="Part")


class Part(BaseModel):
    """A part of a configuration: unknown keys are errors, and nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pace(Part):
    """How long and how fast: what every recipe is told."""

    steps: int = Field(default=240, ge=1)
    batch: int = Field(default=24, ge=1, description="samples that go through the network together")
    accumulate: int = Field(default=1, ge=1, description="batches a step, of each process")
    rate: float = Field(default=2e-3, gt=0, description="AdamW's learning rate")
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine", description="of the rate, after warm-up"
    )
    warmup: int = Field(default=20, ge=0, description="steps over which the rate rises")
    weight_decay: float = Field(default=0.05, ge=0)
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    dev_every: int = Field(default=40, ge=1, description="steps between looks at the development set")
    patience: int | None = Field(default=None, ge=1, description="looks without a gain before it stops")
    seed: int = Field(default=0, ge=0, lt=2**63)


class LoopConfig(Pace):
    """How long, how fast and how safely the recipes' own loop runs."""

    ema: float = Field(default=0.98, ge=0, lt=1, description="decay of the averaged weights, once warm")
    precision: Literal["no", "fp16", "bf16"] = "no"
    save_every: int = Field(default=100, ge=1, description="steps between states to go on from")
    workers: int = Field(default=2, ge=1, description="threads that read and decode, of each process")
    memory: int = Field(default=1024, ge=0, description="MiB that hold decoded pictures, of each process")


class LookConfig(Part):
    """How pictures are varied as they are learned from."""

    flip: float = Field(default=0.5, ge=0, le=1, description="share that is mirrored")
    shift: float = Field(
        default=0.08, ge=0, le=0.5, description="most a picture moves, as a share of its side"
    )
    scale: float = Field(default=0.15, ge=0, lt=1, description="most it grows or shrinks")
    light: float = Field(default=1.0, ge=0, description="most that it is lit more or less, stops")
    tint: float = Field(default=0.2, ge=0, lt=1, description="most that a colour's gain changes")
    noise: float = Field(default=0.03, ge=0, description="most noise, as a deviation of codes in [0, 1]")


class RowsConfig(Part):
    """Which rows are learned from, which are looked at to stop, and how often each kind comes."""

    hold_out: tuple[str, ...] = Field(default=(), description="domains that are not learned from")
    dev_share: float = Field(
        default=0.2, gt=0, lt=1, description="share of the people kept for development where no split val is"
    )
    balance: Literal["domain-label", "label", "none"] = Field(
        default="domain-label", description="what a batch holds equally many of"
    )


def load_config(kind: type[C], path: Path | None, default: Path) -> C:
    """Return the configuration of a YAML file, or of `default`; raise UsageError naming the key."""
    found: Any = read_yaml(path or default, "configuration")
    try:
        return kind.model_validate(found or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"{path or default}: {place}: {first['msg']}") from None
