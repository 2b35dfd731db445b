"""A live capture: the face itself before a camera. The label is kept."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facedata.augment.camera import CameraParameters, photograph, to_light
from facedata.augment.kernels import kernel, prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, quantity

__all__ = ["Capture", "CaptureParameters"]


class CaptureParameters(CameraParameters):
    """The camera, and how much of its work is left."""

    strength: float = quantity(
        "share of the captured picture, mixed with the parent in linear light",
        unit="1",
        low=0,
        high=1,
        draw=1.0,
    )


class Capture(Operator[CaptureParameters]):
    """Photograph the picture as a scene with the camera that attacks are photographed with.

    So that noise, JPEG, colour casts and flicker say nothing about the label.
    """

    name = "capture"
    strength: ClassVar[str] = "strength"
    parameters = CaptureParameters

    def apply(self, image: Image, parameters: CaptureParameters) -> Applied:
        """Return the photograph, uint8 height x width x 3."""
        image = prepared(image)
        if parameters.strength == 0:
            return Applied(image.copy())
        height, width, _ = image.shape
        taken = photograph(to_light(image), parameters, (width, height))
        share = round(parameters.strength * ONE)
        return Applied(taken if share == ONE else mixed(image, taken, share, LINEAR, CODED))


@kernel
def mixed(
    image: Image, other: Image, share: int, linear: NDArray[np.uint16], coded: NDArray[np.uint8]
) -> Image:
    """Return (1 - share) * image + share * other, mixed in linear light; share is Q15."""
    out = np.empty_like(image)
    first, second, results = image.reshape(-1), other.reshape(-1), out.reshape(-1)
    for i in range(first.size):
        total = np.int64(linear[first[i]]) * (32768 - share) + np.int64(linear[second[i]]) * share + 16384
        results[i] = coded[np.uint64(total >> 17)]
    return out
