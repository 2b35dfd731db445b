"""JPEG with 4:2:0 chroma, batched: what libjpeg (ISO/IEC 10918-1, baseline) does to codes and back.

All of it is in libjpeg's whole numbers, its cosine transforms included (`JDCT_ISLOW`, its default), so that
the codes are libjpeg's to the last. Rounding passes the gradient. As a block's transform and its inverse
cancel out, what is left of the gradient is the conversion of colours and the averaging of chroma.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedata.augment.adapters.torch.light import cut, passed, whole
from facedata.augment.adapters.torch.pixels import held

__all__ = ["LINES", "quantisation", "recompressed"]

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
"""Steps of luma and chroma at quality 50, a row a vertical frequency (ISO/IEC 10918-1, tables K.1, K.2)."""
LINES: Final = (
    (8192, 8192, 8192, 8192, 8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260, -2260, -6437, -9633, -11363),
    (10703, 4433, -4433, -10703, -10703, -4433, 4433, 10703),
    (9633, -2259, -11362, -6436, 6436, 11362, 2259, -9633),
    (8192, -8192, -8192, 8192, 8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633, -9633, -2261, 11362, -6437),
    (4433, -10704, 10704, -4433, -4433, 10704, -10704, 4433),
    (2260, -6436, 9633, -11363, 11363, -9633, 6436, -2260),
)
"""The transform of 8 px, 2 sqrt(2) times orthonormal, Q13: what libjpeg's factors of 13 bits come to.

It multiplies in fewer steps (Loeffler, Ligtenberg and Moschytz, ICASSP 1989), all exact; it rounds after.
"""
_FEWEST: Final = 3
"""Chroma of this width and more is interpolated, a narrower one repeated, by libjpeg's rule."""


def quantisation(quality: int) -> NDArray[np.int32]:
    """Return the steps of luma and chroma, int32, 2 x 64, by libjpeg's scale; quality 0 gives steps of 1."""
    if quality == 0:
        return np.ones((2, 64), np.int32)
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = (np.array([_LUMA, _CHROMA]) * scale + 50) // 100
    return tables.clip(1, 255).reshape(2, 64).astype(np.int32)


def recompressed(codes: Tensor, steps: Tensor, lines: Tensor) -> Tensor:
    """Return codes, B x 3 x H x W, whole numbers 0-255 (red, green, blue), after JPEG.

    `steps`, int32, B x 2 x 64, are those of `quantisation`; `lines` is the transform, float64, 8 x 8.
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
    luma = held(_coarse(luma, steps[:, :1], lines))[:, 0, :height, :width]
    small = held(_coarse(small, steps[:, 1:], lines))[:, :, :tall, :wide]
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


def _coarse(planes: Tensor, steps: Tensor, lines: Tensor) -> Tensor:
    """Return B x C x H x W (multiples of 8) after the quantisation of each block's coefficients.

    float64 holds every sum exactly, and no setting for a device's float32 products touches it.
    """
    batch, channels, height, width = planes.shape
    blocks = planes.detach().double().reshape(batch, channels, height // 8, 8, width // 8, 8) - 128
    blocks = blocks.permute(0, 1, 2, 4, 3, 5)
    sizes = steps.double().reshape(batch, 1, 1, 1, 8, 8)
    # rows, then columns; their numbers have two bits more in between, and coefficients are 8 times as large
    found = _shifted(lines @ _shifted(blocks @ lines.T, 11), 15)
    # halves go away from zero
    found = found.sign() * ((found.abs() + 4 * sizes) / (8 * sizes)).floor() * sizes
    found = _shifted(_shifted(lines.T @ found, 11) @ lines, 18) + 128
    exact = found.permute(0, 1, 2, 4, 3, 5).reshape(planes.shape).to(planes.dtype)
    return passed(exact, planes).clamp(0, 255)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Return whole numbers over 2^bits, rounded, halves up."""
    return (values / (1 << bits) + 0.5).floor()


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
