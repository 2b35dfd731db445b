"""Light of the room mirrored by the glass of a screen, added to the light of the picture."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import faded, kernel, prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity
from facedata.augment.textures import environment

__all__ = ["Reflection", "ReflectionParameters"]


class ReflectionParameters(Parameters):
    """How bright the mirrored room is, and which room."""

    strength: float = quantity(
        "radiance of the brightest mirrored light over that of picture white",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.01, 0.2]},
    )
    blur: float = quantity(
        "standard deviation of gloss and defocus, of the shorter side",
        unit="%",
        low=0,
        high=20,
        draw={"log_uniform": [0.7, 4.0]},
    )
    temperature: float = quantity(
        "colour temperature of the lamps, seen by a camera balanced for 6500 K",
        unit="K",
        low=1700,
        high=20000,
        draw={"uniform": [2700, 7500]},
    )
    pattern_seed: int = quantity(
        "number of the procedural room", unit="1", low=0, high=2**31 - 1, draw={"integer": [0, 2**31 - 1]}
    )


class Reflection(Operator[ReflectionParameters]):
    """out = lin(I) + strength * T: a mirror adds light and never takes any away.

    T is a procedural room (`textures.environment`) whose brightest channel is 1. A bare glass mirrors 4 % at
    normal incidence (Fresnel, F0 = 0.04); rooms that outshine the screen make up the rest of the range.
    """

    name = "reflection"
    attack: ClassVar[str | None] = "replay/glass"
    strength: ClassVar[str] = "strength"
    parameters = ReflectionParameters

    def apply(self, image: Image, parameters: ReflectionParameters) -> Applied:
        """Return the picture, uint8 height x width x 3, no channel of any pixel darker than before."""
        image = prepared(image)
        share = round(parameters.strength * ONE)
        if share == 0:
            return faded(image)
        height, width, _ = image.shape
        room = environment(height, width, parameters.pattern_seed, parameters.temperature, parameters.blur)
        light = np.asarray(cv2.resize(room, (width, height), interpolation=cv2.INTER_LINEAR), np.uint16)
        return Applied(add_light(image, light, share, LINEAR, CODED))


@kernel
def add_light(
    image: Image, light: NDArray[np.uint16], share: int, linear: NDArray[np.uint16], coded: NDArray[np.uint8]
) -> Image:
    """Return the sum of the picture and `share` (Q15) of `light` (65535 is white), clipped at white."""
    out = np.empty_like(image)
    pixels, lights, results = image.reshape(-1), light.reshape(-1), out.reshape(-1)
    for i in range(pixels.size):
        total = ((np.int64(linear[pixels[i]]) << 15) + np.int64(lights[i]) * share + 16384) >> 15
        results[i] = coded[np.uint64(min(int(total), 65535) >> 2)]
    return out
