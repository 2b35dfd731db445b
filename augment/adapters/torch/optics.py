"""The lens, batched: point spread, mosaic, fall-off, veiling glare and flare (`facedata.augment.optics`)."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedata.augment.adapters.torch.light import grid, whole
from facedata.augment.adapters.torch.pixels import held
from facedata.augment.light import ONE
from facedata.augment.optics import point_spread

__all__ = ["blurred", "pack_spread", "shaded", "sites"]

_FEWEST: Final = 4
"""Taps either side of the middle are filled up to this times a power of two: few shapes, few graphs."""


def pack_spread(sigma: float, rows: int, columns: int) -> NDArray[np.float32]:
    """Return the point spread of `sigma` px on `rows` x `columns` px: float32, 2 (rows, columns) x taps.

    Half of each axis's taps, the middle first, whole numbers that add up to 32768 on both sides. Light that
    passes the border comes back mirrored, over and over on a small picture: taps a period apart are one.
    """
    taps = point_spread(sigma)
    halves = [_folded(taps, count) for count in (rows, columns)]
    reach = _FEWEST
    while reach < max(map(len, halves)) - 1:
        reach *= 2
    return np.stack([np.pad(half, (0, reach + 1 - len(half))) for half in halves]).astype(np.float32)


def _folded(taps: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Return half of symmetric taps, those beyond a period of 2 x count px added to the ones within."""
    reach = len(taps) // 2
    if reach <= count:
        return taps[reach:].astype(np.float64)
    found = np.zeros(count + 1)
    for place in range(-reach, reach + 1):
        away = place % (2 * count)
        if away <= count:
            # a tap of half a period lies on both sides
            found[away] += taps[reach + place] * (0.5 if away == count else 1.0)
    return found


def blurred(light: Tensor, taps: Tensor) -> Tensor:
    """Return light, B x C x H x W, under each sample's point spread `taps` (`pack_spread`), whole numbers."""
    reach = taps.shape[2] - 1
    weights = (taps / ONE)[..., None, None, None]
    for axis, dim in enumerate((2, 3)):
        length = light.shape[dim]
        place = torch.remainder(torch.arange(-reach, length + reach, device=light.device), 2 * length)
        wide = light.index_select(dim, torch.minimum(place, 2 * length - 1 - place))
        total = wide.narrow(dim, reach, length) * weights[:, axis, 0]
        for tap in range(1, reach + 1):
            pair = wide.narrow(dim, reach - tap, length) + wide.narrow(dim, reach + tap, length)
            total = total + pair * weights[:, axis, tap]
        # each place is read by many neighbours
        light = held(whole(total))
    return light


def sites(light: Tensor) -> Tensor:
    """Return the mosaic (RGGB), B x rows x columns, of light, B x 3 x rows x columns."""
    rows, columns = grid(light.shape[2], light.shape[3], light.device)
    red, green, blue = light.unbind(1)
    colour = (rows & 1) + (columns & 1)
    return torch.where(colour == 0, red, torch.where(colour == 1, green, blue))


def shaded(mosaic: Tensor, gains: Tensor) -> Tensor:
    """Return the mosaic times a gain that is linear over the frame, held to 16 bits.

    `gains`, float32, B x 3 (red, green, blue) x 3: at the first px, change a column, change a row; 1 is 1.
    """
    rows, columns = grid(mosaic.shape[1], mosaic.shape[2], mosaic.device)
    colour = (rows & 1) + (columns & 1)
    corner, across, down = (
        torch.where(colour == 0, red, torch.where(colour == 1, green, blue))
        for red, green, blue in (part[..., None, None].unbind(1) for part in gains.unbind(2))
    )
    gain = ((corner + columns * across + rows * down) * ONE).floor()
    return whole(mosaic * (gain / ONE)).clamp(max=65535)
