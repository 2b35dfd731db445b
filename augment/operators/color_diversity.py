"""Colour of a picture whose profile was lost: numbers written for one RGB encoding, read as another."""

from __future__ import annotations

from functools import cache
from typing import ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from facedata.augment.colour import PROFILES, ProfileName
from facedata.augment.kernels import kernel, prepared
from facedata.augment.light import CODED, LINEAR, ONE, srgb_decode
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity

__all__ = ["ColorDiversity", "ColorDiversityParameters"]


class ColorDiversityParameters(Parameters):
    """Which two encodings are confused, and how much of the shift is left."""

    source: ProfileName = quantity(
        "encoding that the picture's numbers are taken for",
        unit="name",
        draw={"choice": list(get_args(ProfileName))},
    )
    target: ProfileName = quantity(
        "encoding that the numbers are rewritten for, and that the viewer does not know of",
        unit="name",
        draw={"choice": list(get_args(ProfileName))},
    )
    strength: float = quantity(
        "share of the colour shift, mixed in linear light",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.1, 1.0]},
    )


class ColorDiversity(Operator[ColorDiversityParameters]):
    """Convert from `source` to `target` (relative colorimetric, Bradford) and show the numbers untagged.

    A capture pipeline writes Display P3 or Adobe RGB numbers and a later stage drops the profile: the numbers
    stay, their meaning changes. The conversion is that of a matrix/TRC colour management module (ICC.1:2022),
    colours outside the target's gamut are clipped per channel. The label is kept: live captures meet it too.
    """

    name = "color-diversity"
    strength: ClassVar[str] = "strength"
    parameters = ColorDiversityParameters

    def is_identity(self, parameters: ColorDiversityParameters) -> bool:
        """Whether there is no shift: strength zero, or an encoding rewritten for itself."""
        return super().is_identity(parameters) or parameters.source == parameters.target

    def apply(self, image: Image, parameters: ColorDiversityParameters) -> Applied:
        """Return the picture, uint8 height x width x 3, with shifted colours."""
        image = prepared(image)
        share = round(parameters.strength * ONE)
        if share == 0 or parameters.source == parameters.target:
            return Applied(image.copy())
        decode, matrix, shown = _tables(parameters.source, parameters.target)
        return Applied(convert(image, decode, matrix, shown, share, LINEAR, CODED))


@cache
def _tables(source: str, target: str) -> tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.uint16]]:
    """Return light by source code (256), the matrix (Q15), and sRGB light by linear target value (65536)."""
    decode = np.rint(PROFILES[source].curve.decode(np.arange(256) / 255) * 65535).astype(np.uint16)
    matrix = np.linalg.solve(PROFILES[target].to_pcs(), PROFILES[source].to_pcs())
    # the result is uint8 before anybody looks at it, so the viewer's light has 256 levels
    numbers = np.rint(PROFILES[target].curve.encode(np.arange(65536) / 65535) * 255) / 255
    shown = np.rint(srgb_decode(np.clip(numbers, 0, 1)) * 65535).astype(np.uint16)
    return decode, np.rint(matrix * ONE).astype(np.int64), shown


@kernel
def convert(
    image: Image,
    decode: NDArray[np.uint16],
    matrix: NDArray[np.int64],
    shown: NDArray[np.uint16],
    share: int,
    linear: NDArray[np.uint16],
    coded: NDArray[np.uint8],
) -> Image:
    """Decode, transform by a Q15 matrix, encode, and mix with the picture in linear light."""
    out = np.empty_like(image)
    height, width, _ = image.shape
    m00, m01, m02 = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    m10, m11, m12 = matrix[1, 0], matrix[1, 1], matrix[1, 2]
    m20, m21, m22 = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    rest = 32768 - share
    for y in range(height):
        for x in range(width):
            r = np.int64(decode[image[y, x, 0]])
            g = np.int64(decode[image[y, x, 1]])
            b = np.int64(decode[image[y, x, 2]])
            red = min(max((m00 * r + m01 * g + m02 * b + 16384) >> 15, 0), 65535)
            green = min(max((m10 * r + m11 * g + m12 * b + 16384) >> 15, 0), 65535)
            blue = min(max((m20 * r + m21 * g + m22 * b + 16384) >> 15, 0), 65535)
            mixed = np.int64(linear[image[y, x, 0]]) * rest + np.int64(shown[np.uint64(red)]) * share
            out[y, x, 0] = coded[np.uint64((mixed + 16384) >> 17)]
            mixed = np.int64(linear[image[y, x, 1]]) * rest + np.int64(shown[np.uint64(green)]) * share
            out[y, x, 1] = coded[np.uint64((mixed + 16384) >> 17)]
            mixed = np.int64(linear[image[y, x, 2]]) * rest + np.int64(shown[np.uint64(blue)]) * share
            out[y, x, 2] = coded[np.uint64((mixed + 16384) >> 17)]
    return out
