"""What `facedata train fas` is told."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from facedata.recipes.config import LookConfig, LoopConfig, Part, RowsConfig
from facedata.recipes.models.build import NetworkConfig
from facedata.recipes.robust.config import RobustConfig

__all__ = ["RECIPE", "AugmentConfig", "FasConfig", "LossConfig"]

RECIPE = "fas"


class AugmentConfig(LookConfig):
    """How pictures are varied, by which policy, and what a network sees of them."""

    absent: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the pictures that a modality (the colours, each of network.maps) is kept from",
    )
    policy: str | None = Field(
        default=None, description="a policy of facedata augment, by name or file, as batched torch operators"
    )
    share: float = Field(default=0.5, ge=0, le=1, description="share of the pictures that the policy is for")


class LossConfig(Part):
    """The weight of each loss, 0 to leave it out, and what they depend on."""

    cross_entropy: float = Field(default=1.0, gt=0)
    risk_variance: float = Field(default=0.0, ge=0, description="SARE: of the spoofs' risks over groups")
    risk_groups: Literal["domain", "attack"] = "domain"
    risk_momentum: float = Field(
        default=0.9, ge=0, lt=1, description="of the risks' running means; 0 takes each batch for itself"
    )
    empty_as_zero: bool = Field(default=False, description="as the reference has it: biased")
    live_contrast: float = Field(default=0.0, ge=0)
    asymmetric_contrast: float = Field(default=0.0, ge=0, description="DLIF; takes two views of each picture")
    orthogonality: float = Field(default=0.0, ge=0, description="DLIF; with a head that tells people apart")
    triplets: float = Field(default=0.0, ge=0, description="CA-FAS: Mahalanobis, of live and kinds of attack")
    mask: float = Field(default=0.0, ge=0, description="where the medium shows, from truth masks")
    temperature: float = Field(default=0.1, gt=0)
    margin: float = Field(default=1.0, gt=0)


class FasConfig(Part):
    """A recipe against presentation attacks."""

    network: NetworkConfig = NetworkConfig()
    rows: RowsConfig = RowsConfig()
    augment: AugmentConfig = AugmentConfig()
    losses: LossConfig = LossConfig()
    robust: RobustConfig = RobustConfig()
    loop: LoopConfig = LoopConfig()

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        """Refuse switches that would do nothing, or nothing that makes sense."""
        network, robust = self.network, self.robust
        if self.augment.absent and not network.maps:
            raise ValueError("augment.absent is of several modalities; name network.maps")
        learned = robust.pretrained is not None or network.weights is not None
        if (robust.guidance or robust.consistency) and robust.attack is None:
            raise ValueError("robust.guidance and robust.consistency are of attacked pictures: robust.attack")
        if robust.guidance and not learned:
            raise ValueError(
                "robust.guidance is by what a network knew before; give robust.pretrained, or a vit's weights"
            )
        if robust.lora_rank and (network.name != "vit" or not learned):
            raise ValueError(
                "robust.lora_rank is for a vit that has learned: network.weights, or robust.pretrained"
            )
        return self
