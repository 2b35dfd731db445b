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

_KERNELS: Final[dict[str, int]] = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos4": cv2.INTER_LANCZOS4,
}
_TOP: Final = 0.9
_SMALLEST: Final = 0.25


class LowResolutionParameters(Parameters):
    """How far the picture shrinks, and the two resampling kernels."""

    strength: float = quantity(
        "loss of linear resolution: 0 keeps every pixel, 0.9 leaves a quarter of the width",
        unit="1",
        low=0,
        high=_TOP,
        draw={"uniform": [0.01, _TOP]},
    )
    down: Down = quantity("kernel of the reduction", unit="name", draw={"choice": list(get_args(Down))})
    up: Up = quantity("kernel of the enlargement", unit="name", draw={"choice": list(get_args(Up))})


class LowResolution(Operator[LowResolutionParameters]):
    """Shrink to 1 - strength * 0.75 / 0.9 of the width and height, and enlarge to the old size.

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
        small = scaled(width, parameters.strength), scaled(height, parameters.strength)
        if small == (width, height):
            return Applied(image.copy())
        reduced = cv2.resize(image, small, interpolation=_KERNELS[parameters.down])
        enlarged = cv2.resize(reduced, (width, height), interpolation=_KERNELS[parameters.up])
        return Applied(np.asarray(enlarged, np.uint8))


def scaled(length: int, strength: float) -> int:
    """Return the reduced length in px (at least 1) of `length` px at `strength` 0-0.9."""
    return max(1, round(length * (1 - (1 - _SMALLEST) * strength / _TOP)))
