"""The operators and policies as albumentations 2 transforms.

    import albumentations as A
    from facedata.augment.adapters.albumentations import FaceDataPolicy, FaceDataTransform

    augment = A.Compose(
        [
            FaceDataTransform("moire-pattern", {"strength": {"uniform": [0.1, 0.3]}}, p=0.5),
            A.HorizontalFlip(),
        ],
        additional_targets={"attack_mask": "mask"},
        seed=7,
    )
    made = augment(image=face, attack_mask=np.zeros(face.shape[:2], np.uint8))

Random choices come from hash words keyed by a number that the transform takes from albumentations' own random
state, so a seeded Compose gives the same pictures again, and ReplayCompose replays them.
"""

from __future__ import annotations

import copy
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.augment.draws import Draw
from facedata.augment.landmarks import Face, known_face
from facedata.augment.operator import check_image
from facedata.augment.policy import Step, check_draws, load_policy, placed
from facedata.augment.registry import find
from facedata.augment.task import restored, species_of
from facedata.augment.truth import Course
from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

# albumentations asks its package index for a newer version when imported, and waits where there is no network
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations

__all__ = ["FaceDataPolicy", "FaceDataTransform"]

Array = NDArray[Any]

_ATTACK_MASK = "attack_mask"
_PICTURES = ("image", "images")


class _Steps(albumentations.DualTransform):  # type: ignore[misc, unused-ignore]
    """Applies steps that were drawn; what was drawn is in the params, JSON-ready.

    Targets: image (uint8, height x width x 3, RGB), images, mask, masks, bboxes, keypoints, and `attack_mask`
    (uint8, height x width): what of it was there is moved with the picture, and set to 255 where the steps
    render an attack medium. Declare it as `additional_targets={"attack_mask": "mask"}`, so that other
    transforms move it too. Angles and sizes of keypoints are left as they are.

    Paper and masks that are cut to a face are cut to that of the keypoints, where there are 5 (two eyes,
    nose, two corners of the mouth) or 68 (iBUG), or else to a box, where there is one; parameters that are
    given come first.

    Params: `steps` (a row's record of each step, see `facedata.augment.task.replay`) and `attack` (the
    species that the picture becomes, or None where the label is kept).
    """

    def __init__(self, p: float) -> None:
        if not 0 <= p <= 1:
            raise UsageError(f"p = {p} is not in 0 .. 1")
        super().__init__(p=p)

    @abstractmethod
    def _draw(self, word: int, face: Face | None) -> list[Step]:
        """Return the steps that the random number `word` stands for, cut to a face that is known."""

    @property
    def targets(self) -> dict[str, Callable[..., Any]]:
        """Return the function of each target."""
        return {**super().targets, _ATTACK_MASK: self._apply_to_attack_mask}

    def add_targets(self, additional_targets: dict[str, str]) -> None:
        """Add targets; `attack_mask` stays what it is, though other transforms take it for a mask."""
        super().add_targets(additional_targets)
        self._key2func[_ATTACK_MASK] = self._apply_to_attack_mask

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw the steps, and keep those that show on a picture of this size."""
        height, width = params["shape"][:2]
        drawn = self._draw(self.py_random.getrandbits(63), _face(data, width, height))
        steps = [step for step in drawn if step.shows(width, height)]
        return {"steps": [step.to_json() for step in steps], "attack": species_of(steps)}

    def apply_with_params(self, params: dict[str, Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Apply the steps to every target, the picture first: only then is known where the medium shows."""
        media: list[Array | None] = []
        shared = {**params, "restored": restored(params), "media": media}
        order = sorted(kwargs, key=lambda target: target not in _PICTURES)
        made = super().apply_with_params(shared, *args, **{key: kwargs[key] for key in order})
        return {key: made[key] for key in kwargs}

    def apply(self, img: Array, *args: Any, **params: Any) -> Array:
        """Return the picture, uint8 height x width x 3, after the steps."""
        del args
        media = params["media"]
        media.clear()  # with several pictures, the mask is that of the last
        image = check_image(img)
        for step in params["restored"]:
            applied = step.operator.apply(image, step.parameters)
            image = applied.image
            media.append(applied.mask)
        return image

    def apply_to_mask(self, mask: Array, *args: Any, **params: Any) -> Array:
        """Return the mask moved with the picture, each pixel the nearest value, 0 from outside."""
        del args
        # a call without a picture knows no medium
        media = params["media"] or [None] * len(params["restored"])
        for step, medium in zip(params["restored"], media, strict=True):
            mask = _course(step, params["shape"]).carry(mask, medium)
        return mask

    def apply_to_keypoints(self, keypoints: Array, *args: Any, **params: Any) -> Array:
        """Return keypoints, N x 2+ (x, y in pixels, ...), moved with the picture."""
        del args
        moved = keypoints.copy()
        moved[:, :2] = _mapped(keypoints[:, :2], params)
        return moved

    def apply_to_bboxes(self, bboxes: Array, *args: Any, **params: Any) -> Array:
        """Return boxes, N x 4+ (left, top, right, bottom, each 0-1, ...), around their moved corners."""
        del args
        height, width = params["shape"][:2]
        moved = bboxes.copy()
        corners = bboxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2) * (width, height)
        places = _mapped(corners, params)
        if places is not corners:
            quads = (places / (width, height)).reshape(-1, 4, 2)
            moved[:, :2], moved[:, 2:4] = quads.min(axis=1), quads.max(axis=1)
        return moved

    def _apply_to_attack_mask(self, mask: Array, **params: Any) -> Array:
        # a call without a picture knows no medium
        media = params["media"] or [np.zeros_like(mask)] * len(params["restored"])
        for step, medium in zip(params["restored"], media, strict=True):
            renders = step.operator.species(step.parameters) is not None
            mask = _course(step, params["shape"]).join(mask, medium, renders=renders)
        return mask


class FaceDataTransform(_Steps):
    """One operator, by name.

    `operator` is its name, as `facedata augment --list` prints it. `parameters` are distributions or values
    that take the place of the default ones, as in a policy file: `{"strength": {"uniform": [0.1, 0.3]},
    "pitch": 2.0}`. `p` is the probability of applying the transform.

    Raises UsageError for an operator or parameter that there is not, and for values outside physics.
    """

    def __init__(self, operator: str, parameters: Mapping[str, Draw] | None = None, p: float = 0.5) -> None:
        super().__init__(p=p)
        check_draws(find(operator), parameters or {})
        self.operator = operator
        self.parameters = copy.deepcopy(dict(parameters or {}))

    def _draw(self, word: int, face: Face | None) -> list[Step]:
        operator = find(self.operator)
        given = {**placed(operator, face), **self.parameters}
        return [Step(operator, operator.sample(Words.of("albumentations", word), given))]


class FaceDataPolicy(_Steps):
    """A whole policy: at each call one variant is drawn.

    `policy` is the name of a stock policy or the path of a YAML file. `p` is the probability of applying the
    transform; the policy's own probabilities come on top.

    albumentations knows neither samples nor epochs: where a policy shares choices among the pictures of an
    epoch (`sub_policies`), here each picture has its own.
    """

    def __init__(self, policy: str, p: float = 1.0) -> None:
        super().__init__(p=p)
        self._loaded = load_policy(policy)
        self.policy = policy

    def _draw(self, word: int, face: Face | None) -> list[Step]:
        return self._loaded.draw(word, "albumentations", 0, face)[1]


def _face(data: Mapping[str, Any], width: int, height: int) -> Face | None:
    """Return the face that the targets tell; a pixel's centre is at whole numbers here."""
    points, boxes = (np.asarray(data.get(name, ()), np.float64) for name in ("keypoints", "bboxes"))
    box = None
    if len(boxes) == 1:
        left, top, right, bottom = boxes[0, :4] * (width, height, width, height)
        box = (left, top, right - left, bottom - top)
    return known_face(points[:, :2] + 0.5 if len(points) else None, box, width, height)


def _course(step: Step, shape: tuple[int, ...]) -> Course:
    return Course(step.operator, step.parameters, shape[1], shape[0])


def _mapped(points: Array, params: Mapping[str, Any]) -> Array:
    height, width = params["shape"][:2]
    for step in params["restored"]:
        points = step.operator.map_points(points, step.parameters, width, height)
    return points
