"""Loss of resolution: a small or far face, enlarged again."""

from __future__ import annotations

from typing import ClassVar, Final, Literal, get_args

import cv2
import numpy as np

from facedata.augment.kernels import prepared
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity

__all__ = ["LowResolution", "LowResolutionParameters"]

Down = Literal["nearest", "linear", "cubic", "area", "lanczos4"]
Up = Literal["linear", "cubic"]

KERNELS: Final[dict[str, int]] = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos4": cv2.INTER_LANCZOS4,
}
_TOP: Final = 0.9
_SMALLEST: Final = 0.25
_REFERENCE: Final = 256
"""Shorter side in px at which the scale is that of the reference."""


class LowResolutionParameters(Parameters):
    """How far the picture shrinks, and the two resampling kernels."""

    strength: float = quantity(
        "loss of linear resolution: 0 keeps every pixel, 0.9 leaves a quarter of the width (at 256 px)",
        unit="1",
        low=0,
        high=_TOP,
        draw={"uniform": [0.01, _TOP]},
    )
    down: Down = quantity("kernel of the reduction", unit="name", draw={"choice": list(get_args(Down))})
    up: Up = quantity("kernel of the enlargement", unit="name", draw={"choice": list(get_args(Up))})


class LowResolution(Operator[LowResolutionParameters]):
    """Shrink and enlarge to the old size; at 256 px, to 1 - strength * 0.75 / 0.9 of the width and height.

    Larger pictures shrink further, so that what is left is as coarse in proportion to the face: a pixel of
    the reduced picture is longer than one of the input by the same share of the shorter side.

    The resampling runs on coded values, as the scalers of cameras, browsers and video players do; `nearest`
    and `linear` alias, which is what cheap scalers do too. The label is kept.
    """

    name = "low-resolution"
    strength: ClassVar[str] = "strength"
    parameters = LowResolutionParameters

    def apply(self, image: Image, parameters: LowResolutionParameters) -> Applied:
        """Return the picture, uint8 height x width x 3, at its own size with less detail."""
        image = prepared(image)
        height, width, _ = image.shape
        scale = reduction(min(height, width), parameters.strength)
        small = max(1, round(width * scale)), max(1, round(height * scale))
        if small == (width, height):
            return Applied(image.copy())
        reduced = cv2.resize(image, small, interpolation=KERNELS[parameters.down])
        enlarged = cv2.resize(reduced, (width, height), interpolation=KERNELS[parameters.up])
        return Applied(np.asarray(enlarged, np.uint8))


def reduction(side: int, strength: float) -> float:
    """Return the scale (0-1] of the reduction of a picture whose shorter side has `side` px."""
    scale = 1 - (1 - _SMALLEST) * strength / _TOP
    return 1 / (1 + (1 / scale - 1) * side / _REFERENCE)
