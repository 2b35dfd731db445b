"""The augmentation task: variants of each picture by a policy, with everything recorded that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facedata.augment.operator import check_image
from facedata.augment.policy import Policy, Step
from facedata.augment.registry import find
from facedata.datasets.canonical import identifier
from facedata.datasets.errors import UsageError
from facedata.datasets.pictures import Encoding
from facedata.datasets.sample import Sample, derived_id
from facedata.datasets.task import Planned, Rendered

__all__ = ["Augment", "LabelEffect", "replay"]

LabelEffect = Literal["flip", "keep", "drop"]


@dataclass(frozen=True, slots=True)
class Augment:
    """Make `variants` samples of each picture, by `policy` and `seed`.

    `label_effect` says what happens where an operator renders an attack medium on a picture that was no
    spoof: `flip` makes it a spoof and names the attack, `keep` leaves its label, `drop` leaves the sample
    out. A sample keeps its parent's subject, domain, split and labels of expression; a spoof stays the attack
    that it was.
    """

    policy: Policy
    variants: int
    seed: int
    label_effect: LabelEffect = "flip"
    keeps_originals: bool = True
    encoding: Encoding = field(default_factory=Encoding)
    described: dict[str, Any] = field(default_factory=dict)
    preload: tuple[str, ...] = ("facedata.augment.warmed",)

    def __post_init__(self) -> None:
        if self.variants < 1:
            raise UsageError(f"variants {self.variants} is not a positive number")
        if self.label_effect not in get_args(LabelEffect):
            raise UsageError(f"label effect {self.label_effect!r} is not one of {get_args(LabelEffect)}")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"seed {self.seed} is not in 0 .. 2**63 - 1")

    def settings(self) -> dict[str, Any]:
        """Return the resolved policy and every other choice."""
        return {
            **self.described,
            "policy": self.policy.model_dump(mode="json", exclude_none=True),
            "variants": self.variants,
            "label_effect": self.label_effect,
            "originals": "keep" if self.keeps_originals else "drop",
            "encoding": self.encoding.to_json(),
        }

    def plan(self, parent: Sample) -> Sequence[Planned]:
        """Draw the steps of each variant, and write its row."""
        planned = []
        for variant in range(self.variants):
            described, steps = self.policy.draw(self.seed, parent.sample_id, variant)
            acting = [step for step in steps if step.shows(parent.width, parent.height)]
            attack = next((step.operator.attack for step in reversed(acting) if step.operator.attack), None)
            if attack and parent.label != "spoof" and self.label_effect == "drop":
                continue
            planned.append(self._planned(parent, variant, described, steps, acting, attack))
        return planned

    def _planned(
        self,
        parent: Sample,
        variant: int,
        described: dict[str, Any],
        steps: list[Step],
        acting: list[Step],
        attack: str | None,
    ) -> Planned:
        recorded = {id(step): step.to_json() for step in steps}
        encoding = self.encoding.to_json()
        parameters = {**described, "steps": list(recorded.values()), "encoding": encoding}
        operator = "+".join(step.operator.name for step in acting) or "identity"
        # The last medium is what stands before the camera: a print that is shown on a screen is a replay.
        flips = attack and parent.label != "spoof" and self.label_effect == "flip"
        sample = parent.replace(
            sample_id=derived_id(parent.sample_id, operator, parameters, self.seed, variant),
            content_hash="",
            label="spoof" if flips else parent.label,
            attack=attack if flips else parent.attack,
            parent_id=parent.sample_id,
            operator=operator,
            parameters=parameters,
            variant=variant,
            seed=self.seed,
            layers=(),
        )
        return Planned(sample, identifier([recorded[id(step)] for step in acting], encoding), acting)

    def render(self, planned: Planned, pixels: NDArray[np.uint8]) -> Rendered:
        """Apply the steps in order."""
        return Rendered(_apply(planned.recipe, pixels))


def _apply(steps: Sequence[Step], pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = check_image(pixels)
    for step in steps:
        image = step.operator.apply(image, step.parameters).image
    return image


def replay(parameters: dict[str, Any], pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Apply the `parameters` of a row to its parent's pixels again: the same picture, before encoding.

    Raises UsageError where an operator's version is not the one that made the row.
    """
    steps = []
    for step in parameters["steps"]:
        operator = find(step["operator"])
        if operator.version != step["version"]:
            raise UsageError(
                f"{operator.name} is of version {operator.version} here, and {step['version']} made this "
                "row; install the facedata that the dataset's record names"
            )
        steps.append(Step(operator, operator.parse(step["parameters"]), step.get("level")))
    return _apply(steps, pixels)
