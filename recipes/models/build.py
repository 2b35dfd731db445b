"""Networks by name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from facedata.recipes.config import Part
from facedata.recipes.models.base import Network

__all__ = ["NetworkConfig", "build_network"]


class NetworkConfig(Part):
    """Which network, and how large."""

    name: Literal["small", "central"] = Field(
        default="small", description="convolutions; of central differences"
    )
    side: int = Field(default=112, ge=32, le=1024, multiple_of=16, description="side of the pictures, px")
    width: int = Field(default=16, ge=4, description="channels of the first stage")
    theta: float = Field(default=0.7, gt=0, le=1, description="central: share of the differences")


def build_network(config: NetworkConfig) -> Network:
    """Return a fresh network, drawn from torch's generator."""
    from facedata.recipes.models.convolutional import Convolutional

    return Convolutional(config.width, config.theta if config.name == "central" else 0.0)
