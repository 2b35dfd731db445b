"""What of robustness a recipe is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from facedata.recipes.config import Part

__all__ = ["RobustConfig"]


class RobustConfig(Part):
    """Switches against small changes that are made to fool a network; all are off by default."""

    attack: Literal["fgsm", "pgd"] | None = Field(
        default=None, description="how a share of each batch is attacked before it is learned from"
    )
    epsilon: float = Field(default=4.0, gt=0, le=255, description="most that a value changes, codes of 255")
    step: float | None = Field(
        default=None, gt=0, description="pgd: codes that a step goes; 2.5 epsilon / iterations, if not told"
    )
    iterations: int = Field(default=7, ge=1, description="pgd: steps; each is a pass there and back")
    share: float = Field(default=0.5, gt=0, le=1, description="share of each batch that is attacked")
    guidance: float = Field(
        default=0.0, ge=0, description="PMG-AFT: that attacked pictures say what they said as training began"
    )
    consistency: float = Field(
        default=0.0, ge=0, description="PMG-AFT: that attacked pictures say what they say unharmed"
    )
    pretrained: str | None = Field(
        default=None, description="a finished model's folder, whose network training begins with"
    )
    lora_rank: int = Field(
        default=0, ge=0, description="FullLoRA-AT: rank of the branches of a vit that is frozen; 0 for none"
    )
