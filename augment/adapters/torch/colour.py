"""Batched color-diversity and color-distortion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from facedata.augment.adapters.torch.base import BatchedOperator, Packed, Params
from facedata.augment.adapters.torch.pixels import column, decode, encode, rounded
from facedata.augment.colour import PROFILES, Profile
from facedata.augment.draws import Draw
from facedata.augment.lut import SIDE
from facedata.augment.operators.color_distortion import ColorDistortionParameters, table
from facedata.augment.operators.color_diversity import ColorDiversityParameters
from facedata.augment.press import CONDITIONS

__all__ = ["BatchedColorDistortion", "BatchedColorDiversity"]

_LEVELS: Final = 65535.0


class BatchedColorDiversity(BatchedOperator):
    """`color-diversity` with the curves computed, not tabulated.

    Rounding to the 8 bits of the file passes the gradient as if it were not there.
    """

    name = "color-diversity"

    def pack_one(self, parameters: ColorDiversityParameters, height: int, width: int) -> Packed:
        """Return the two tone curves, the matrix between the primaries and the share."""
        del height, width
        source, target = PROFILES[parameters.source], PROFILES[parameters.target]
        matrix = np.linalg.solve(target.to_pcs(), source.to_pcs())
        return {
            "source": _curve(source),
            "target": _curve(target),
            "matrix": matrix.astype(np.float32),
            "share": np.float32(parameters.strength),
        }

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures with shifted colours."""
        g, a, b, c, d = (column(value) for value in params["source"].unbind(1))
        light = torch.where(image >= d, (a * image + b).clamp_min(1e-9) ** g, c * image)
        # elementwise: a matrix product may run at reduced precision on a GPU
        red, green, blue = (weights[:, :, None, None] for weights in params["matrix"].unbind(2))
        moved = red * light[:, :1] + green * light[:, 1:2] + blue * light[:, 2:]
        moved = rounded(moved.clamp(0, 1), _LEVELS)
        g, a, b, c, d = (column(value) for value in params["target"].unbind(1))
        straight = torch.where(c > 0, moved / c.clamp_min(1e-6), 0.0)
        number = torch.where(moved >= c * d, (moved.clamp_min(1e-9) ** (1 / g) - b) / a, straight)
        share = column(params["share"])
        shown = decode(rounded(number, 255.0).clamp(0, 1))
        return encode(decode(image) * (1 - share) + shown * share)


def _curve(profile: Profile) -> np.ndarray:
    curve = profile.curve
    return np.array([curve.g, curve.a, curve.b, curve.c, curve.d], np.float32)


class BatchedColorDistortion(BatchedOperator):
    """`color-distortion`: each sample looks up its own table of a bank, by tetrahedral interpolation.

    The interpolation is linear in the colour within a tetrahedron, and so has a gradient.
    """

    name = "color-distortion"
    bank: Tensor

    def __init__(self, parameters: Mapping[str, Draw] | None = None) -> None:
        super().__init__(parameters)
        tables = np.concatenate([table(condition) for condition in CONDITIONS])
        planes = np.stack([(tables >> shift) & 0x1FFFFF for shift in (0, 21, 42)])
        bank = torch.from_numpy((planes / 4080).astype(np.float32))
        self.register_buffer("bank", bank, persistent=False)

    def pack_one(self, parameters: ColorDistortionParameters, height: int, width: int) -> Packed:
        """Return the place of the condition's table in the bank, and the share."""
        del height, width
        place = list(CONDITIONS).index(parameters.condition) * SIDE**3
        return {"table": np.int32(place), "share": np.float32(parameters.strength)}

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures in the colours of the print."""
        place = image.clamp(0, 1) * (SIDE - 1)
        node = place.detach().floor().clamp(max=SIDE - 2)
        r, g, b = (place - node).unbind(1)
        node = node.to(torch.int32)
        base = params["table"][:, None, None] + (node[:, 0] * SIDE + node[:, 1]) * SIDE + node[:, 2]
        high, low = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
        middle = r + g + b - high - low
        red, green, blue = SIDE * SIDE, SIDE, 1
        first = torch.where(r == high, red, torch.where(g == high, green, blue))
        second = torch.where(r == low, green + blue, torch.where(g == low, red + blue, red + green))
        level = (
            self.bank[:, base.long()] * (1 - high)
            + self.bank[:, (base + first).long()] * (high - middle)
            + self.bank[:, (base + second).long()] * (middle - low)
            + self.bank[:, (base + red + green + blue).long()] * low
        )
        share = column(params["share"])
        shown = decode(level.transpose(0, 1))
        return encode(decode(image) * (1 - share) + shown * share)
