"""Colours of a printed picture: separated into four inks without care, and seen on paper."""

from __future__ import annotations

from functools import cache, partial
from typing import ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import faded, prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.lut import FRACTION, NODE, STEPPED, apply_lut, bake
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity
from facedata.augment.press import CONDITIONS, ConditionName, render

__all__ = ["ColorDistortion", "ColorDistortionParameters"]


class ColorDistortionParameters(Parameters):
    """The printing condition, and how much of its colour shift is left."""

    condition: ConditionName = quantity(
        "printing condition: paper, inks and dot gain",
        unit="name",
        draw={"choice": list(get_args(ConditionName))},
    )
    strength: float = quantity(
        "share of the print's colours, mixed in linear light",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.1, 1.0]},
    )


class ColorDistortion(Operator[ColorDistortionParameters]):
    """Print the picture without colour management and look at it: Yule-Nielsen-Neugebauer, see `press`.

    The colours are those of the press in absolute colorimetry, so the paper tints the highlights, black ink
    lifts the shadows and dot gain darkens the mid-tones. No screen is rendered here: `sfc-halftone` and
    `bn-halftone` do that.
    """

    name = "color-distortion"
    attack: ClassVar[str | None] = "print/paper"
    strength: ClassVar[str] = "strength"
    parameters = ColorDistortionParameters

    def apply(self, image: Image, parameters: ColorDistortionParameters) -> Applied:
        """Return the picture, uint8 height x width x 3, in the colours of the print."""
        image = prepared(image)
        share = round(parameters.strength * ONE)
        if share == 0:
            return faded(image)
        lut = table(parameters.condition)
        return Applied(apply_lut(image, lut, NODE, FRACTION, STEPPED, share, LINEAR, CODED))


@cache
def table(condition: str) -> NDArray[np.int64]:
    """Return the table of a printing condition by name, see `lut.bake`."""
    return bake(partial(render, CONDITIONS[condition]))
