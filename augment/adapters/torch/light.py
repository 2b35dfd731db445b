"""Linear light on the device, in the units and steps that the NumPy half has, with gradients.

Light is float32 and holds whole numbers: 32768 is diffuse white, as in `facedata.augment.camera`. Where the
NumPy half rounds or cuts to whole numbers, so does this, and the gradient passes as if it did not; that is
what makes the two halves agree pixel by pixel, noise included.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facedata.augment.adapters.torch.pixels import column, decode, encode
from facedata.augment.light import ONE

__all__ = ["BRIGHTEST", "coded", "cut", "enlarged", "grid", "mixed", "passed", "to_light", "whole"]

BRIGHTEST = 65535.0
"""The most light that a place holds; 32768 is diffuse white."""


def passed(exact: Tensor, smooth: Tensor) -> Tensor:
    """Return the values of `exact` with the gradient of `smooth`."""
    return (smooth - smooth.detach()) + exact.detach()


def whole(values: Tensor) -> Tensor:
    """Return values rounded to whole numbers, halves up; the gradient passes."""
    return passed((values + 0.5).floor(), values)


def cut(values: Tensor) -> Tensor:
    """Return values cut down to whole numbers, as `>>` does; the gradient passes."""
    return passed(values.floor(), values)


def to_light(image: Tensor) -> Tensor:
    """Return the light of sRGB values 0-1 as a scene: whole, 32768 is diffuse white."""
    return whole(decode(image) * ONE)


def coded(light: Tensor) -> Tensor:
    """Return the 8-bit sRGB codes, whole numbers, of light 0-1, by the bins of `light.CODED`."""
    fine = (light.detach() * 65535 + 0.5).floor().clamp(0, 65535)
    binned = ((fine / 4).floor() * 4 + 1.5) / 65535
    return passed((encode(binned) * 255 + 0.5).floor(), encode(light) * 255)


def mixed(image: Tensor, taken: Tensor, share: Tensor) -> Tensor:
    """Return (1 - share) image + share taken, both sRGB values 0-1, in linear light; share is B numbers."""
    part = column(share)
    blend = encode(decode(image) * (1 - part) + decode(taken) * part)
    # a whole share leaves the codes as they are, black and white too
    return torch.where(part == 1, taken, blend)


def grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the row and the column of each place, int32, height x 1 and 1 x width."""
    rows = torch.arange(height, device=device, dtype=torch.int32)[:, None]
    return rows, torch.arange(width, device=device, dtype=torch.int32)[None, :]


def enlarged(coarse: Tensor, extent: Tensor, height: int, width: int) -> Tensor:
    """Return a coarse light, B x 3 x h x w, enlarged to the picture as `cv2.resize` does, linearly; whole.

    `extent`, int32, B x 2, is how many rows and columns of the coarse light each sample uses.
    """
    batch, channels, tall, wide = coarse.shape
    places = []
    for axis, (count, index) in enumerate(
        zip((height, width), grid(height, width, coarse.device), strict=True)
    ):
        cells = extent[:, axis, None, None].to(torch.float32)
        place = ((index + 0.5) * (cells / count) - 0.5).clamp_min(0)
        place = torch.minimum(place, cells - 1)
        first = place.floor()
        last = torch.minimum(first + 1, cells - 1)
        places.append((first.to(torch.int32), last.to(torch.int32), place - first))
    (top, bottom, down), (left, right, across) = places
    flat = coarse.reshape(batch, channels, tall * wide)

    def at(row: Tensor, column_: Tensor) -> Tensor:
        index = (row * wide + column_).reshape(batch, 1, height * width).long()
        found = torch.gather(flat, 2, index.expand(batch, channels, height * width))
        return found.reshape(batch, channels, height, width)

    down, across = down[:, None], across[:, None]
    above = at(top, left) * (1 - across) + at(top, right) * across
    below = at(bottom, left) * (1 - across) + at(bottom, right) * across
    return (above * (1 - down) + below * down + 0.5).floor()
