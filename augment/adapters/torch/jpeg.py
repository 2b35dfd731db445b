"""JPEG with 4:2:0 chroma, batched: what libjpeg (ISO/IEC 10918-1, baseline) does to codes and back.

Colour conversion, averaging and interpolation of chroma are libjpeg's whole numbers; the cosine transforms
are exact where its own are rounded to a few bits, so a coefficient that lies between two steps may fall on the
other one. Rounding passes the gradient: it is that of the transforms, the chroma's low-pass included.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedata.augment.adapters.torch.light import cut, passed, whole
from facedata.augment.adapters.torch.pixels import held

__all__ = ["cosines", "quantisation", "recompressed"]

Floats = NDArray[np.float32]

_LUMA: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA: Final = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)
"""Steps of luma and chroma at quality 50, rows of vertical frequency (ISO/IEC 10918-1, tables K.1 and K.2)."""
_FEWEST: Final = 3
"""Chroma of this width and more is interpolated, a narrower one repeated, by libjpeg's rule."""


def quantisation(quality: int) -> Floats:
    """Return the steps of luma and chroma, float32, 2 x 64, by libjpeg's scale; quality 0 gives steps of 1."""
    if quality == 0:
        return np.ones((2, 64), np.float32)
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = (np.array([_LUMA, _CHROMA]) * scale + 50) // 100
    return tables.clip(1, 255).reshape(2, 64).astype(np.float32)


@cache
def cosines() -> Floats:
    """Return the two-dimensional cosine transform of 8 x 8 px, float32, 64 x 64: coefficients by px.

    Orthonormal; both are in reading order.
    """
    k, n = np.arange(8)[:, None], np.arange(8)[None, :]
    line = np.cos(math.pi * (2 * n + 1) * k / 16) * np.where(k == 0, math.sqrt(1 / 8), 0.5)
    return np.kron(line, line).astype(np.float32)


def recompressed(codes: Tensor, steps: Tensor, transform: Tensor) -> Tensor:
    """Return codes, B x 3 x H x W, whole numbers 0-255 (red, green, blue), after JPEG.

    `steps` is B x 2 x 64 (`quantisation`); `transform` is `cosines`.
    """
    height, width = codes.shape[2:]
    tall, wide = -(-height // 2), -(-width // 2)
    red, green, blue = codes.unbind(1)
    # libjpeg's constants, Q16: the sums are exact in float32
    luma = whole((red * 19595 + green * 38470 + blue * 7471) / 65536)
    differences = torch.stack(
        [
            (blue * 32768 - red * 11059 - green * 21709) / 65536 + 128,
            (red * 32768 - green * 27439 - blue * 5329) / 65536 + 128,
        ],
        dim=1,
    )
    # half a step less 1/65536 is added before the cut there: halves go down
    chroma = passed((differences.detach() + 0.5 - 2**-16).floor(), differences)
    luma = _extended(luma[:, None], -(-height // 8) * 8, -(-width // 8) * 8)
    small = _extended(held(chroma), 2 * tall, -(-wide // 8) * 16)
    cells = small[:, :, ::2, ::2] + small[:, :, ::2, 1::2] + small[:, :, 1::2, ::2] + small[:, :, 1::2, 1::2]
    # the bias alternates between one and two quarters from column to column
    bias = 1 + (torch.arange(cells.shape[3], device=codes.device) & 1)
    small = _extended(cut((cells + bias) / 4), -(-tall // 8) * 8, cells.shape[3])
    luma = held(_coarse(luma, steps[:, :1], transform))[:, 0, :height, :width]
    small = held(_coarse(small, steps[:, 1:], transform))[:, :, :tall, :wide]
    first, second = (_interpolated(small, height, width) - 128).unbind(1)
    made = [
        luma + whole(second * (91881 / 65536)),
        luma + whole(first * (-22554 / 65536) + second * (-46802 / 65536)),
        luma + whole(first * (116130 / 65536)),
    ]
    return torch.stack(made, dim=1).clamp(0, 255)


def _extended(planes: Tensor, height: int, width: int) -> Tensor:
    """Return the planes with their last row and column repeated up to `height` x `width`."""
    below, beside = height - planes.shape[2], width - planes.shape[3]
    return torch.nn.functional.pad(planes, (0, beside, 0, below), mode="replicate")


def _coarse(planes: Tensor, steps: Tensor, transform: Tensor) -> Tensor:
    """Return B x C x H x W (multiples of 8) after the quantisation of each block's coefficients."""
    batch, channels, height, width = planes.shape
    blocks = (planes - 128).reshape(batch, channels, height // 8, 8, width // 8, 8)
    blocks = blocks.permute(0, 1, 2, 4, 3, 5).reshape(batch, channels, -1, 64)
    share = (blocks @ transform.T) / steps[:, :, None]
    # halves go away from zero
    nearest = share.sign() * (share.abs() + 0.5).floor()
    made = (passed(nearest, share) * steps[:, :, None]) @ transform
    made = made.reshape(batch, channels, height // 8, width // 8, 8, 8).permute(0, 1, 2, 4, 3, 5)
    return whole(made.reshape(batch, channels, height, width) + 128).clamp(0, 255)


def _interpolated(small: Tensor, height: int, width: int) -> Tensor:
    """Return chroma, B x 2 x h x w, at twice the size, cut to the picture: libjpeg's triangle filter."""
    if small.shape[3] < _FEWEST:
        return small.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, :height, :width]
    wide = torch.nn.functional.pad(small, (0, 0, 1, 1), mode="replicate")
    near = 3 * small
    lines = torch.stack([near + wide[:, :, :-2], near + wide[:, :, 2:]], dim=3).flatten(2, 3)
    beside = torch.nn.functional.pad(lines, (1, 1, 0, 0), mode="replicate")
    left = cut((3 * lines + beside[..., :-2] + 8) / 16)
    right = cut((3 * lines + beside[..., 2:] + 7) / 16)
    return torch.stack([left, right], dim=4).flatten(3, 4)[:, :, :height, :width]
