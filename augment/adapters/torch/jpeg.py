"""JPEG with 4:2:0 chroma, batched: what libjpeg (ISO/IEC 10918-1, baseline) does to codes and back.

All of it is in libjpeg's whole numbers, its cosine transforms included (`JDCT_ISLOW`, its default), so that
the codes are libjpeg's to the last. Rounding passes the gradient. As a block's transform and its inverse
cancel out, what is left of the gradient is the conversion of colours and the averaging of chroma.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedata.augment.adapters.torch.light import cut, passed, whole
from facedata.augment.adapters.torch.pixels import held

__all__ = ["quantisation", "recompressed"]

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


def quantisation(quality: int) -> NDArray[np.int32]:
    """Return the steps of luma and chroma, int32, 2 x 64, by libjpeg's scale; quality 0 gives steps of 1."""
    if quality == 0:
        return np.ones((2, 64), np.int32)
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = (np.array([_LUMA, _CHROMA]) * scale + 50) // 100
    return tables.clip(1, 255).reshape(2, 64).astype(np.int32)


def recompressed(codes: Tensor, steps: Tensor) -> Tensor:
    """Return codes, B x 3 x H x W, whole numbers 0-255 (red, green, blue), after JPEG.

    `steps`, int32, B x 2 x 64, are those of `quantisation`.
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
    luma = held(_coarse(luma, steps[:, :1]))[:, 0, :height, :width]
    small = held(_coarse(small, steps[:, 1:]))[:, :, :tall, :wide]
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


def _coarse(planes: Tensor, steps: Tensor) -> Tensor:
    """Return B x C x H x W (multiples of 8) after the quantisation of each block's coefficients."""
    batch, channels, height, width = planes.shape
    blocks = planes.detach().to(torch.int32).reshape(batch, channels, height // 8, 8, width // 8, 8) - 128
    steps = steps.reshape(batch, 1, 1, 8, 1, 8)
    found = blocks
    for dim, shifts in ((5, (-_MORE, _BITS - _MORE)), (3, (_MORE, _BITS + _MORE))):
        found = held(torch.stack(_spectrum(found.unbind(dim), *shifts), dim))
    # coefficients are 8 times as large; halves go away from zero
    found = found.sign() * ((found.abs() + 4 * steps) // (8 * steps)) * steps
    for dim, shift in ((3, _BITS - _MORE), (5, _BITS + _MORE + 3)):
        found = held(torch.stack(_signal(found.unbind(dim), shift), dim))
    exact = found.reshape(batch, channels, height, width) + 128
    return passed(exact.to(planes.dtype), planes).clamp(0, 255)


_BITS: Final = 13
"""Bits of the factors of the transforms."""
_MORE: Final = 2
"""Bits that numbers have more between the two passes."""
_EVEN: Final = (4433, 6270, -15137)
"""sqrt(2) times cos(6 pi / 16), cos(2 pi / 16) - cos(6 pi / 16), -cos(2 pi / 16) - cos(6 pi / 16), Q13."""
_CROSS: Final = (9633, -7373, -20995, -16069, -3196)
"""The factors of the sums of odd lines (Loeffler, Ligtenberg and Moschytz, ICASSP 1989, figure 8), Q13."""
_ODD: Final = (2446, 16819, 25172, 12299)
"""The factors of the odd lines themselves, from the outermost pair of px to the innermost one in reverse."""


def _spectrum(px: Sequence[Tensor], plain: int, shift: int) -> list[Tensor]:
    """Return the 8 coefficients of lines of 8 px, int32, 2 sqrt(2) times orthonormal.

    Those without factors are shifted right by `plain` bits (left where negative), the others by `shift`.
    """
    sums = [px[k] + px[7 - k] for k in range(4)]
    odd = _rotated([px[3] - px[4], px[2] - px[5], px[1] - px[6], px[0] - px[7]])
    outer, inner = sums[0] + sums[3], sums[1] + sums[2]
    high, low = sums[0] - sums[3], sums[1] - sums[2]
    middle = (high + low) * _EVEN[0]
    zero, four = (
        _shifted(value, plain) if plain > 0 else value << -plain for value in (outer + inner, outer - inner)
    )
    two, six = middle + high * _EVEN[1], middle + low * _EVEN[2]
    one, three, five, seven, two, six = (_shifted(v, shift) for v in (*reversed(odd), two, six))
    return [zero, one, two, three, four, five, six, seven]


def _signal(lines: Sequence[Tensor], shift: int) -> list[Tensor]:
    """Return the 8 px, int32, of 8 coefficients, shifted right by `shift` bits; the inverse of `_spectrum`."""
    middle = (lines[2] + lines[6]) * _EVEN[0]
    low, high = middle + lines[6] * _EVEN[2], middle + lines[2] * _EVEN[1]
    total, rest = (lines[0] + lines[4]) << _BITS, (lines[0] - lines[4]) << _BITS
    even = [total + high, rest + low, rest - low, total - high]
    odd = _rotated([lines[7], lines[5], lines[3], lines[1]])[::-1]
    pairs = list(zip(even, odd, strict=True))
    return [_shifted(a + b, shift) for a, b in pairs] + [_shifted(a - b, shift) for a, b in reversed(pairs)]


def _rotated(lines: Sequence[Tensor]) -> list[Tensor]:
    """Return the odd half of either transform: coefficients 7, 5, 3, 1 of differences, or the other way."""
    a, b, c, d = lines
    both = (a + c + b + d) * _CROSS[0]
    outer, inner = (a + d) * _CROSS[1], (b + c) * _CROSS[2]
    first, second = (a + c) * _CROSS[3] + both, (b + d) * _CROSS[4] + both
    scaled = [line * factor for line, factor in zip(lines, _ODD, strict=True)]
    sums = (outer + first, inner + second, inner + first, outer + second)
    return [line + other for line, other in zip(scaled, sums, strict=True)]


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Return whole numbers over 2^bits, rounded, halves up."""
    return (values + (1 << (bits - 1))) >> bits


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
