"""Blurs that differ from sample to sample: symmetric taps, or linear maps along the two axes of a picture.

A wide blur is one on fewer px, as in the NumPy half: along an axis of n px it is a matrix of n x m and one of
m x n, with m small, which one matrix product applies to every sample of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "blurred",
    "eight_bit_taps",
    "mapped",
    "pack_shadow",
    "shadowed",
    "shifted",
    "smoother",
    "softener",
    "taps",
]

Floats = NDArray[np.float32]

_FEW: Final = 8
"""Taps and reduced lengths are filled up to a multiple of this: few shapes occur, few graphs are compiled."""


def taps(sigma: float) -> Floats:
    """Return the half of OpenCV's Gaussian for float pictures: its middle, then outwards."""
    reach = (round(sigma * 8 + 1) | 1) // 2
    return _filled(cv2.getGaussianKernel(2 * reach + 1, sigma)[reach:, 0])


def eight_bit_taps(sigma: float) -> Floats:
    """Return the half of OpenCV's Gaussian for 8-bit pictures, whose weights are whole parts of 256.

    They are read off an impulse, so they are OpenCV's own; the middle is what the others leave.
    """
    reach = (round(sigma * 6 + 1) | 1) // 2
    impulse = np.zeros((1, 4 * reach + 1), np.uint8)
    impulse[0, 2 * reach] = 255
    outer = cv2.GaussianBlur(impulse, (0, 0), sigma)[0, 2 * reach + 1 : 3 * reach + 1] / 256
    return _filled(np.concatenate([[1 - 2 * outer.sum()], outer]))


def _filled(half: NDArray[Any]) -> Floats:
    return np.pad(half, (0, -len(half) % _FEW)).astype(np.float32)


def blurred(image: Tensor, half: Tensor) -> Tensor:
    """Return B x C x H x W under each sample's own symmetric taps `half` (B x T, the middle first).

    Px at the ends are repeated.
    """
    reach = half.shape[1] - 1
    weights = half[:, :, None, None, None]
    for dim in (2, 3):
        length = image.shape[dim]
        place = torch.arange(-reach, length + reach, device=image.device).clamp(0, length - 1)
        wide = image.index_select(dim, place)
        image = wide.narrow(dim, reach, length) * weights[:, 0]
        for tap in range(1, reach + 1):
            sides = wide.narrow(dim, reach - tap, length) + wide.narrow(dim, reach + tap, length)
            image = image + sides * weights[:, tap]
    return image


def mapped(field: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return B x C x H x W mapped along both axes: by `rows`, B x N x H, and by `columns`, B x M x W.

    The products are in float32 also under autocast; TF32, where a program asks for it, costs up to 1e-3.
    """
    batch, channels, height, width = field.shape
    with torch.autocast(field.device.type, enabled=False):
        # matrices are not copied for each channel: those lie side by side, and then one below the other
        side = torch.bmm(rows, field.transpose(1, 2).reshape(batch, height, channels * width))
        below = torch.bmm(side.reshape(batch, -1, width), columns.transpose(1, 2))
    return below.reshape(batch, rows.shape[1], channels, columns.shape[1]).transpose(1, 2)


def smoother(length: int, step: int, sigma: float) -> tuple[Floats, Floats]:
    """Return (down, m x length, and up, length x m) of a Gaussian of `sigma` px on an axis `step` times less.

    m is `length // step`, filled up with zeros; px at the ends are repeated.
    """
    small = length // step
    down = np.eye(length, dtype=np.float32)
    up = _gaussian(small, taps(max(sigma / step, 0.3)))
    if step > 1:
        down = np.asarray(cv2.resize(down, (length, small), interpolation=cv2.INTER_AREA), np.float32)
        up = np.asarray(cv2.resize(up, (small, length), interpolation=cv2.INTER_LINEAR), np.float32)
    spare = -small % _FEW
    return np.pad(down, ((0, spare), (0, 0))), np.pad(up, ((0, 0), (0, spare)))


def pack_shadow(height: int, width: int, shift: tuple[float, float], sigma: float) -> dict[str, Floats]:
    """Return what `shadowed` takes: the displacement (right, down) and the penumbra's maps of both axes."""
    short = min(height, width)
    return {
        "shadow_shift": np.array(shift, np.float32),
        "shadow_rows": _penumbra(height, short, sigma),
        "shadow_columns": _penumbra(width, short, sigma),
    }


def shadowed(cover: Tensor, params: Mapping[str, Tensor]) -> Tensor:
    """Return the shadow of a cover, both B x H x W in whole numbers 0-255: `edges.shadow`.

    Where the penumbra is wider than 4 px the NumPy half rounds to 8 bits twice more on the way.
    """
    moved = shifted(cover[:, None], params["shadow_shift"][:, None]).round()
    return mapped(moved, params["shadow_rows"], params["shadow_columns"]).round()[:, 0]


def _penumbra(length: int, short: int, sigma: float) -> Floats:
    """Return how `edges.shadow` blurs an axis of `length` px, where the shorter one has `short`: a map."""
    if sigma <= 0.3:
        return np.eye(length, dtype=np.float32)
    small = max(1, math.floor(sigma / 2))
    if small == 1 or short <= 4 * small:
        return _gaussian(length, eight_bit_taps(sigma))
    count = length // small
    down = cv2.resize(np.eye(length, dtype=np.float32), (length, count), interpolation=cv2.INTER_AREA)
    soft = _gaussian(count, eight_bit_taps(sigma / small)) @ down
    return np.asarray(cv2.resize(soft, (length, length), interpolation=cv2.INTER_LINEAR), np.float32)


def _gaussian(length: int, half: Floats) -> Floats:
    """Return a symmetric filter on an axis whose ends are repeated: float32, length x length."""
    reach = len(half) - 1
    kernel = np.concatenate([half[:0:-1], half]).astype(np.float64)
    until = np.concatenate([[0.0], np.cumsum(kernel)])
    i, j = np.arange(length), np.arange(length)
    offset = j[None, :] - i[:, None]
    whole = np.where(np.abs(offset) <= reach, kernel[np.clip(offset + reach, 0, 2 * reach)], 0.0)
    # what would fall outside falls on the ends
    whole[:, -1] = until[-1] - until[np.clip(length - 1 - i + reach, 0, 2 * reach + 1)]
    whole[:, 0] = until[np.clip(reach + 1 - i, 0, 2 * reach + 1)] if length > 1 else until[-1]
    return np.asarray(whole, np.float32)


def shifted(planes: Tensor, shift: Tensor) -> Tensor:
    """Return B x C x H x W with each plane displaced by its own `shift`, B x C x 2 (right, down) px.

    Between px it is linear, in steps of 1/32 px as OpenCV's; px at the ends are repeated.
    """
    for dim, moved in ((3, shift[:, :, 0]), (2, shift[:, :, 1])):
        length = planes.shape[dim]
        along = (-1, planes.shape[1], 1, length) if dim == 3 else (-1, planes.shape[1], length, 1)
        place = ((torch.arange(length, device=planes.device) - moved[..., None]) * 32).round() / 32
        node = place.floor()
        part = (place - node).reshape(along)
        near, far = (
            (node + step).clamp(0, length - 1).long().reshape(along).expand(planes.shape) for step in (0, 1)
        )
        planes = planes.gather(dim, near) * (1 - part) + planes.gather(dim, far) * part
    return planes


def softener(length: int, sigma: float) -> Floats:
    """Return OpenCV's Gaussian for 8-bit pictures on an axis, mirrored at its ends: length x length."""
    half = eight_bit_taps(sigma).astype(np.float64)
    kernel = np.concatenate([half[:0:-1], half])
    period = max(2 * (length - 1), 1)
    folded = np.bincount(np.arange(1 - len(half), len(half)) % period, kernel, period)
    i, j = np.arange(length)[:, None], np.arange(length)[None, :]
    whole = folded[(j - i) % period]
    # px inside the picture have one image in its mirrors, those at the ends have none
    inner = slice(1, length - 1)
    whole[:, inner] += folded[(-j - i) % period][:, inner]
    return np.asarray(whole, np.float32)
