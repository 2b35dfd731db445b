"""What `facedata train fer` and `facedata train au` are told."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from facedata.recipes.config import LookConfig, LoopConfig, Part
from facedata.recipes.models.build import NetworkConfig

__all__ = ["ClipConfig", "FaceConfig", "HeadConfig", "LabelLossConfig", "LabelRowsConfig", "LabelsConfig"]


class LabelRowsConfig(Part):
    """Which rows and which labels are learned."""

    hold_out: tuple[str, ...] = Field(default=(), description="domains that are not learned from")
    dev_share: float = Field(
        default=0.2, gt=0, lt=1, description="share of the people kept for development where no split val is"
    )
    spoofs: bool = Field(
        default=False, description="attacks too; else live faces, and faces of which no label is known"
    )
    classes: tuple[str, ...] = Field(
        default=(), description="expressions to learn; none named: those that rows show, without `other`"
    )
    units: tuple[int, ...] = Field(default=(), description="units to learn; none named: those that are coded")
    balance: Literal["expression", "domain", "none"] = Field(
        default="none", description="what a batch holds equally many of"
    )


class FaceConfig(Part):
    """How faces are cut from pictures before the network sees them."""

    align: bool = Field(
        default=True, description="eyes level, eyes and mouth at the same place, by landmarks or else the box"
    )
    reach: float = Field(
        default=1.2, gt=0.5, description="from the middle to the rim, as a share of the eyes' distance"
    )


class HeadConfig(Part):
    """How answers are read from what the backbone sees."""

    regions: bool = Field(
        default=True, description="look also where landmarks say that the units show, each by itself"
    )
    spread: float = Field(default=0.35, gt=0, description="how far around that place, in eye distances")


class ClipConfig(Part):
    """Frames of one source clip, which the network reads together."""

    each_batch: int = Field(default=0, ge=0, description="clips of each batch; the others are stills")
    frames: int = Field(default=4, ge=2, description="frames that are read of a clip, at most")
    stride: int = Field(default=1, ge=1, description="rows of the clip from one to the next")
    pool: Literal["mean", "attention"] = "mean"


class LabelLossConfig(Part):
    """The weight of each loss, 0 to leave it and its answers out, and what they depend on."""

    expression: float = Field(default=0.0, ge=0)
    soft: bool = Field(default=True, description="expressions by shares of the votes, where rows carry votes")
    units: float = Field(default=0.0, ge=0, description="occurrence of action units")
    rare: float = Field(default=4.0, ge=1, description="most that a unit counts more where it shows")
    intensity: float = Field(default=0.0, ge=0, description="of action units, 0 to 5")
    affect: float = Field(default=0.0, ge=0, description="valence and arousal")
    neighbours: float = Field(
        default=0.0, ge=0, description="that a clip's neighbouring frames are nearer than far ones"
    )
    far: int = Field(default=2, ge=2, description="frames apart from which on they are far; neighbours: 1")
    people: float = Field(
        default=0.0, ge=0, description="that what two people both show is nearer than what else one shows"
    )
    margin: float = Field(default=0.2, gt=0, description="of both, in squared distances of unit features")


class LabelsConfig(Part):
    """A recipe that learns labels of faces."""

    network: NetworkConfig = NetworkConfig()
    faces: FaceConfig = FaceConfig()
    head: HeadConfig = HeadConfig()
    rows: LabelRowsConfig = LabelRowsConfig()
    augment: LookConfig = LookConfig()
    clips: ClipConfig = ClipConfig()
    losses: LabelLossConfig = LabelLossConfig()
    loop: LoopConfig = LoopConfig()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.clips.each_batch > self.loop.batch:
            raise ValueError(
                f"clips.each_batch {self.clips.each_batch} is more than loop.batch {self.loop.batch} holds"
            )
        if self.losses.neighbours and not self.clips.each_batch:
            raise ValueError("losses.neighbours compares frames of clips: set clips.each_batch")
        if self.losses.intensity and not self.losses.units:
            raise ValueError("losses.intensity grades units that show: give losses.units weight too")
        return self
