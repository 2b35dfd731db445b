"""What `facedata synth train` is told, in one YAML file; every key has a default that runs on two cores."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facedata.datasets.errors import UsageError
from facedata.datasets.safe_yaml import load_yaml

__all__ = ["Lora", "TrainConfig", "load_config"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Network(_Part):
    """The network's size."""

    size: Literal["tiny", "smoke", "small", "base"] = "smoke"
    resolution: int = Field(default=64, ge=16, le=1024, multiple_of=8, description="side of the pictures, px")
    vae: str | None = Field(
        default=None, description="folder or hub id of an AutoencoderKL: train on its latents"
    )


class Pairing(_Part):
    """Which rows become pairs."""

    by: Literal["parent", "subject"] = Field(
        default="parent",
        description="a spoof's live row: what it was made from, or another of the same person",
    )
    split: str | None = Field(default=None, description="rows of this split only; or train, if there is one")
    hold_out: tuple[str, ...] = Field(
        default=(), description="domains that are neither trained on nor styles later"
    )


class Dropping(_Part):
    """How often a condition is left out, each by a draw of its own, so that each null is trained."""

    content: float = Field(default=0.1, ge=0, le=1)
    style: float = Field(default=0.15, ge=0, le=1)
    kind: float = Field(default=0.2, ge=0, le=1)
    quality: float = Field(default=0.2, ge=0, le=1)


class Lora(_Part):
    """What is trained beside a base (`--base`) for a new kind of attack."""

    rank: int = Field(default=16, ge=1, description="of the matrices beside each layer")
    alpha: int | None = Field(default=None, ge=1, description="they count alpha / rank; without it, once")


class TrainConfig(_Part):
    """A training run. `task` is `spoof` (live to attack) or `despoof` (live faces only)."""

    task: Literal["spoof", "despoof"] = "spoof"
    network: Network = Network()
    pairs: Pairing = Pairing()
    drop: Dropping = Dropping()
    lora: Lora | None = None
    steps: int = Field(default=600, ge=1)
    batch: int = Field(default=8, ge=1)
    accumulate: int = Field(default=1, ge=1, description="batches a step")
    rate: float = Field(default=1e-3, gt=0, description="AdamW's learning rate")
    warmup: int = Field(default=50, ge=0, description="steps over which the rate rises")
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(default=0.995, ge=0, lt=1, description="decay of the averaged weights, once warm")
    snr: float | None = Field(
        default=None, gt=0, description="gamma of min-SNR weights; without it all times count the same"
    )
    map_task: float = Field(
        default=0.2, ge=0, description="weight of the map of colours that a style asks for"
    )
    quality_task: float = Field(default=0.05, ge=0, description="weight of the quality that tokens must tell")
    relative_quality: float = Field(default=0.02, ge=0, description="weight of the relative-quality loss")
    precision: Literal["no", "fp16", "bf16"] = "no"
    compile: bool = False
    seed: int = Field(default=0, ge=0, lt=2**63)
    save_every: int = Field(default=250, ge=1)
    grid_every: int = Field(default=250, ge=1)


def load_config(path: Path | None) -> TrainConfig:
    """Return the configuration of a YAML file, or the default one; raise UsageError naming what is wrong."""
    if path is None:
        return TrainConfig()
    try:
        found = load_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}); give a YAML file") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found or {}, dict):
        raise UsageError(f"{path} holds no keys; write lines such as steps: 1000")
    try:
        return TrainConfig.model_validate(found or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"{path}: {place}: {first['msg']}") from None
