"""What `facedata train sft` is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from facedata.datasets.instructions import Status
from facedata.recipes.config import Pace, Part

__all__ = ["DEFAULT_CONFIG", "AnswersConfig", "LoraConfig", "SftConfig", "SftPace"]

DEFAULT_CONFIG = Path(__file__).with_name("sft.yaml")


class LoraConfig(Part):
    """The matrices of low rank that are learned beside a base that stays.

    Source: Hu et al. 2021, LoRA (arXiv 2106.09685).
    """

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1, description="what they add is weighed by alpha / rank")
    dropout: float = Field(default=0.05, ge=0, lt=1, description="share of their inputs that is left out")
    layers: str | tuple[str, ...] = Field(
        default="all-linear",
        description="which layers get them: all-linear, ends of names, or one regular expression",
    )


class AnswersConfig(Part):
    """Which records are learned from."""

    status: tuple[Status, ...] = Field(default=("accept",), min_length=1)
    task: tuple[str, ...] = Field(default=(), description="records of these tasks only")
    hold_out: tuple[str, ...] = Field(default=(), description="domains that are not learned from")
    dev_share: float = Field(
        default=0.2, gt=0, lt=1, description="share of the people kept for development where no split val is"
    )


class SftPace(Pace):
    """How long, how fast and in how much memory."""

    steps: int = Field(default=300, ge=1)
    batch: int = Field(default=4, ge=1, description="answers that go through the model together")
    accumulate: int = Field(default=4, ge=1, description="batches a step, of each process")
    rate: float = Field(default=2e-4, gt=0, description="AdamW's learning rate")
    weight_decay: float = Field(default=0.0, ge=0)
    dev_every: int = Field(
        default=50, ge=1, description="steps between looks at the development records, and between states"
    )
    patience: int | None = Field(default=3, ge=1, description="looks without a gain before it stops")
    precision: Literal["no", "bf16"] = "no"
    recompute: bool = Field(
        default=False, description="make activations again rather than keep them (gradient checkpointing)"
    )


class SftConfig(Part):
    """A recipe that teaches a vision-language model answers."""

    lora: LoraConfig = LoraConfig()
    rows: AnswersConfig = AnswersConfig()
    loop: SftPace = SftPace()
