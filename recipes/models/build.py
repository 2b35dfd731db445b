"""Networks by name."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from facedata.recipes.config import Part
from facedata.recipes.models.base import Network
from facedata.recipes.models.inputs import unfit

__all__ = ["NetworkConfig", "build_network"]


class NetworkConfig(Part):
    """Which network, and how large."""

    name: Literal["small", "central", "vit"] = Field(
        default="small", description="convolutions, those of central differences, or a vision transformer"
    )
    side: int = Field(default=112, ge=32, le=1024, multiple_of=16, description="side of the pictures, px")
    width: int = Field(default=16, ge=4, description="small, central: channels of the first stage")
    theta: float = Field(
        default=0.7, ge=0, le=1, description="central, and a vit's adapters: share of the differences"
    )
    size: Literal["tiny", "small", "base"] = Field(default="tiny", description="vit: a fresh one's size")
    weights: str | None = Field(
        default=None, description="vit: a folder or a name of the hub to begin from; it stays frozen"
    )
    bottleneck: int = Field(default=8, ge=1, description="vit: channels of an adapter")
    token_masking: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="vit: chance that a token that is little like a prompt is masked; 0 for no prompt",
    )
    token_kept: float = Field(
        default=0.1, gt=0, le=1, description="vit: share of the tokens, the likest, that never is"
    )
    maps: tuple[str, ...] = Field(default=(), description="maps of the picture that are seen beside it")
    mean: tuple[float, float, float] = Field(
        default=(0.5, 0.5, 0.5), description="that pictures are normed by"
    )
    deviation: tuple[float, float, float] = (0.5, 0.5, 0.5)

    @field_validator("maps")
    @classmethod
    def _maps_fit(cls, maps: tuple[str, ...]) -> tuple[str, ...]:
        if reason := unfit(maps):
            raise ValueError(reason)
        return maps

    @model_validator(mode="after")
    def _tokens_fit(self) -> Self:
        if self.token_masking and self.name != "vit":
            raise ValueError(f"token_masking is for a vit; {self.name} has no tokens")
        return self


def build_network(config: NetworkConfig, architecture: dict[str, Any] | None = None) -> Network:
    """Return a network, drawn from torch's generator.

    `architecture` is what the `architecture` of a network like it said: with it, nothing is asked of the hub.
    """
    network: Network
    if config.name == "vit":
        from facedata.recipes.models.vit import Transformer, load_vit

        vit = load_vit(config.weights, config.size, config.side, architecture)
        network = Transformer(
            vit,
            config.bottleneck,
            config.theta,
            frozen=config.weights is not None,
            maps=config.maps,
            masking=(config.token_kept, config.token_masking) if config.token_masking else None,
        )
    else:
        from facedata.recipes.models.convolutional import Convolutional

        theta = config.theta if config.name == "central" else 0.0
        network = Convolutional(config.width, theta, config.maps)
    network.norm_by(config.mean, config.deviation)
    return network
