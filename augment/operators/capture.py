"""A live capture: the face itself before a camera. The label is kept."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facedata.augment.camera import (
    CameraParameters,
    channel_gains,
    flare,
    form,
    photograph_mosaic,
    row_gains,
    to_light,
)
from facedata.augment.flare import flare_layer
from facedata.augment.kernels import kernel, prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, quantity
from facedata.augment.optics import shade
from facedata.augment.textures import planckian

__all__ = ["Capture", "CaptureParameters"]


class CaptureParameters(CameraParameters):
    """The camera, a second light from one side, and how much of it all is left."""

    strength: float = quantity(
        "share of the captured picture, mixed with the parent in linear light",
        unit="1",
        low=0,
        high=1,
        draw=1.0,
    )
    side_light: float = quantity(
        "illuminance of a second light over that of the first, at the edge that it comes from",
        unit="1",
        low=0,
        high=4,
        draw={"choice": [0.0, 0.0, 0.2, 0.5, 1.0]},
    )
    side_direction: float = quantity(
        "where the second light comes from, counter-clockwise from the right",
        unit="deg",
        low=-180,
        high=180,
        draw={"uniform": [-180.0, 180.0]},
    )
    side_temperature: float = quantity(
        "colour temperature of the second light",
        unit="K",
        low=2000,
        high=12000,
        draw={"uniform": [2700, 9000]},
    )


class Capture(Operator[CaptureParameters]):
    """Photograph the picture as a scene, with the camera that attacks are photographed with.

    So that noise, JPEG, colour casts, flicker and flare say nothing about the label. The picture's light is
    taken for the scene's, lit in `temperature`; a second light may come from one side.
    """

    name = "capture"
    version: ClassVar[int] = 2
    strength: ClassVar[str] = "strength"
    parameters = CaptureParameters

    def apply(self, image: Image, parameters: CaptureParameters) -> Applied:
        """Return the photograph, uint8 height x width x 3."""
        image = prepared(image)
        share = round(parameters.strength * ONE)
        if share == 0:
            return Applied(image.copy())
        size = image.shape[1], image.shape[0]
        mosaic = form(to_light(image), parameters, size)
        if parameters.side_light > 0:
            shade(mosaic, *side_gains(parameters, *mosaic.shape))
        taken = photograph_mosaic(mosaic, parameters, size)
        return Applied(taken if share == ONE else mixed(image, taken, share, LINEAR, CODED))

    def explain(self, image: Image, parameters: CaptureParameters) -> Applied:
        """Return the photograph, the layer and mask of the flare, and the gains of colours and rows.

        `flare` is the flare alone, sRGB; `flare_mask` is 255 where it adds more than 1/256 of white.
        """
        applied = self.apply(image, parameters)
        height, width, _ = image.shape
        response, balance = channel_gains(parameters)
        gains = row_gains(parameters, height) / ONE
        facts = {
            "white_balance": [round(float(gain), 6) for gain in balance],
            "channel_response": [round(float(gain), 6) for gain in response],
            "flicker": {"lowest_gain": float(gains.min()), "highest_gain": float(gains.max())},
        }
        layer = np.zeros_like(image)
        if parameters.flare_strength > 0 and parameters.strength > 0:
            layer = flare_layer(flare(parameters, (width, height)), height, width)
        mask = np.where(LINEAR[layer].max(axis=2) > 256, 255, 0).astype(np.uint8)
        return Applied(applied.image, None, {"flare": layer, "flare_mask": mask}, facts)


def side_gains(
    parameters: CaptureParameters, rows: int, columns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (corner, across, down) of `shade` for the second light, red, green and blue each.

    Its light falls off evenly from `side_light` at the edge that it comes from to 0 opposite, coloured
    against the first light. The camera meters and balances the middle, so that one side is lighter and of the
    second light's colour, the other darker and of the opposite one.
    """
    colour = planckian(parameters.side_temperature) / np.maximum(planckian(parameters.temperature), 0.05)
    angle = math.radians(parameters.side_direction)
    x, y = math.cos(angle) / columns, -math.sin(angle) / rows
    light = parameters.side_light * colour
    # from the middle to the edges the gain changes by the share of the second light in the middle
    slope = light / (2 + light) * (2 / (abs(math.cos(angle)) + abs(math.sin(angle))))
    slope_x, slope_y = slope * x, slope * y
    corner = 1 - slope_x * (columns - 1) / 2 - slope_y * (rows - 1) / 2
    scale = 32768 * 65536
    whole = [np.rint(np.asarray(part) * scale).astype(np.int64) for part in (corner, slope_x, slope_y)]
    return whole[0], whole[1], whole[2]


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
