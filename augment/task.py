"""The augmentation task: variants of each picture by a policy, with everything recorded that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facedata.augment.landmarks import known_face
from facedata.augment.operator import check_image
from facedata.augment.policy import Policy, Step
from facedata.augment.registry import find
from facedata.augment.truth import Course
from facedata.datasets.canonical import identifier
from facedata.datasets.errors import UsageError
from facedata.datasets.pictures import Encoding
from facedata.datasets.sample import Sample, derived_id
from facedata.datasets.task import Planned, Rendered
from facedata.datasets.words import Words

__all__ = ["Augment", "LabelEffect", "Truth", "replay", "restored", "species_of"]

LabelEffect = Literal["flip", "keep", "drop"]
Truth = Literal["none", "masks", "all"]


@dataclass(frozen=True, slots=True)
class Augment:
    """Make `variants` samples of each picture, by `policy` and `seed`.

    `label_effect` says what happens where an operator renders an attack medium on a picture that was no
    spoof: `flip` makes it a spoof and names the attack, `keep` leaves its label, `drop` leaves the sample
    out. A sample keeps its parent's subject, domain, split and labels of expression; a spoof stays the attack
    that it was.

    `truth` asks for more than the row: `masks` for a layer that says where attack media show, `all` also for
    what each operator knows (reflections, homographies, predicted alias frequencies, ...).

    With `sessions` every sample belongs to one of so many sessions, whose medium, device, camera and light
    its samples share, as those of one afternoon in a laboratory do; `attributes.session` says which.
    """

    policy: Policy
    variants: int
    seed: int
    label_effect: LabelEffect = "flip"
    keeps_originals: bool = True
    encoding: Encoding = field(default_factory=Encoding)
    truth: Truth = "none"
    described: dict[str, Any] = field(default_factory=dict)
    preload: tuple[str, ...] = ("facedata.augment.warmed",)
    sessions: int | None = None

    def __post_init__(self) -> None:
        if self.variants < 1:
            raise UsageError(f"variants {self.variants} is not a positive number")
        if self.sessions is not None and self.sessions < 1:
            raise UsageError(f"sessions {self.sessions} is not a positive number")
        if self.label_effect not in get_args(LabelEffect):
            raise UsageError(f"label effect {self.label_effect!r} is not one of {get_args(LabelEffect)}")
        if self.truth not in get_args(Truth):
            raise UsageError(f"truth {self.truth!r} is not one of {get_args(Truth)}")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"seed {self.seed} is not in 0 .. 2**63 - 1")

    def settings(self) -> dict[str, Any]:
        """Return the resolved policy and every other choice."""
        return {
            **self.described,
            "policy": self.policy.model_dump(mode="json", exclude_none=True),
            "variants": self.variants,
            **({"sessions": self.sessions} if self.sessions else {}),
            "label_effect": self.label_effect,
            "originals": "keep" if self.keeps_originals else "drop",
            "truth": self.truth,
            "encoding": self.encoding.to_json(),
        }

    @property
    def cacheable(self) -> bool:
        """Whether no truth is asked for: the cache keeps pixels only."""
        return self.truth == "none"

    def plan(self, parent: Sample) -> Sequence[Planned]:
        """Draw the steps of each variant, and write its row."""
        planned = []
        face = known_face(parent.landmarks, parent.box, parent.width, parent.height)
        for variant in range(self.variants):
            session = self._session(parent, variant)
            described, steps = self.policy.draw(self.seed, parent.sample_id, variant, face, session)
            acting = [step for step in steps if step.shows(parent.width, parent.height)]
            attack = species_of(acting)
            if attack and parent.label != "spoof" and self.label_effect == "drop":
                continue
            planned.append(self._planned(parent, variant, described, steps, acting, attack, session))
        return planned

    def _session(self, parent: Sample, variant: int) -> str | None:
        if self.sessions is None:
            return None
        number = Words.of(self.seed, parent.sample_id, variant, "session").integer(0, self.sessions - 1)
        return f"{self.policy.name}-{self.seed}-{number}"

    def _planned(
        self,
        parent: Sample,
        variant: int,
        described: dict[str, Any],
        steps: list[Step],
        acting: list[Step],
        attack: str | None,
        session: str | None,
    ) -> Planned:
        recorded = {id(step): step.to_json() for step in steps}
        encoding = self.encoding.to_json()
        parameters = {**described, "steps": list(recorded.values()), "encoding": encoding}
        operator = "+".join(step.operator.name for step in acting) or "identity"
        flips = attack and parent.label != "spoof" and self.label_effect == "flip"
        box, landmarks = _moved(parent, acting)
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
            box=box,
            landmarks=landmarks,
            attributes=parent.attributes
            if session is None
            else {**(parent.attributes or {}), "session": session},
        )
        made_by = [recorded[id(step)] for step in acting]
        return Planned(sample, lambda: identifier(made_by, encoding), acting)

    def render(self, planned: Planned, pixels: NDArray[np.uint8]) -> Rendered:
        """Apply the steps in order, with as much truth as was asked for."""
        if self.truth == "none":
            return Rendered(_apply(planned.recipe, pixels))
        return _explained(planned.recipe, pixels, everything=self.truth == "all")


def species_of(acting: Sequence[Step]) -> str | None:
    """Return the species of the last medium, which is what stands before the camera.

    A print that is shown on a screen is a replay.
    """
    media = (step.operator.species(step.parameters) for step in reversed(acting))
    return next((species for species in media if species), None)


def _moved(
    parent: Sample, acting: Sequence[Step]
) -> tuple[tuple[float, ...] | None, tuple[tuple[float, float], ...] | None]:
    """Return the parent's box and landmarks where the steps leave them, in hundredths of a pixel."""
    corners = []
    if parent.box is not None:
        x, y, width, height = parent.box
        corners = [(x, y), (x + width, y), (x, y + height), (x + width, y + height)]
    # a row counts px from the picture's corner, an operator from the centre of the first px
    points = before = np.array([*corners, *(parent.landmarks or ())], np.float64).reshape(-1, 2) - 0.5
    for step in acting:
        points = step.operator.map_points(points, step.parameters, parent.width, parent.height)
    if points is before:
        return parent.box, parent.landmarks
    points = np.round(points + 0.5, 2)
    box = None
    if corners:
        low, high = points[:4].min(axis=0), points[:4].max(axis=0)
        box = tuple(float(value) for value in (*low, *np.round(high - low, 2)))
    landmarks = points[len(corners) :]
    return box, tuple((float(x), float(y)) for x, y in landmarks) if parent.landmarks is not None else None


def _apply(steps: Sequence[Step], pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = check_image(pixels)
    for step in steps:
        image = step.operator.apply(image, step.parameters).image
    return image


def _explained(steps: Sequence[Step], pixels: NDArray[np.uint8], *, everything: bool) -> Rendered:
    """Apply the steps and collect their truth: the mask of all media together, and the rest by step.

    What a step knows is of the picture that it leaves, so later steps move it with the picture.
    """
    image = check_image(pixels)
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    layers: dict[str, NDArray[np.uint8]] = {}
    facts = []
    for step in steps:
        applied = (step.operator.explain if everything else step.operator.apply)(image, step.parameters)
        image = applied.image
        way = Course(step.operator, step.parameters, width, height)
        mask = way.join(mask, applied.mask, renders=step.operator.species(step.parameters) is not None)
        layers = {name: way.carry(layer, applied.mask, smooth=True) for name, layer in layers.items()}
        if everything:
            layers |= {f"{step.operator.name}-{name}": layer for name, layer in applied.layers.items()}
            facts.append({"operator": step.operator.name, **applied.facts})
    attributes = {"truth": facts} if any(len(fact) > 1 for fact in facts) else {}
    return Rendered(image, {"mask": mask, **layers}, attributes)


def replay(parameters: dict[str, Any], pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Apply the `parameters` of a row to its parent's pixels again: the same picture, before encoding.

    Raises UsageError where an operator's version is not the one that made the row.
    """
    return _apply(restored(parameters), pixels)


def restored(parameters: Mapping[str, Any]) -> list[Step]:
    """Return the steps that `parameters` of a row record.

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
    return steps
