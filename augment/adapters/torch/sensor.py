"""The sensor, batched: exposure, rolling shutter, noise, converter (`facedata.augment.sensor.expose`).

The noise is that of the NumPy half, deviate by deviate: the same hash of the same number of a pair of sites.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from facedata.augment.adapters.torch.base import Params
from facedata.augment.adapters.torch.light import cut, grid
from facedata.augment.adapters.torch.pixels import mirrored

__all__ = ["deviates", "framed", "raw_frame"]

_DEVIATION: Final = 2048
"""Deviation of the table of normal deviates."""


def raw_frame(mosaic: Tensor, params: Params, normal: Tensor) -> Tensor:
    """Return the steps of the converter, whole numbers, B x rows x columns, of light at photosites.

    `mosaic` may be larger than a sample's sensor, which lies in its upper left corner; what is beyond is
    void. `normal` is `sensor.normal_table`. Single floats, in the order of the NumPy half. The gradient
    passes the steps, not what is clipped.
    """
    rows, columns = grid(mosaic.shape[1], mosaic.shape[2], mosaic.device)
    colour = (rows & 1) + (columns & 1)
    added = _veil(mosaic, params, rows, columns) + _flare(params, rows, columns)
    red, green, blue = params["camera_gain"][:, :, None, :].unbind(3)
    gain = torch.where(colour == 0, red, torch.where(colour == 1, green, blue))
    signal = ((mosaic * _fall(params, rows, columns) + added) * gain).clamp(max=1)
    shot, read = params["camera_noise"][..., None, None].unbind(1)
    # a variance of zero has no slope; this much is far below a step
    deviation = (shot * signal + read).clamp_min(1e-20).sqrt()
    seed, wide = params["camera_seed"], params["camera_sensor"][:, 1]
    value = signal + deviates(wide, seed, rows, columns, normal) / _DEVIATION * deviation
    black, top = params["camera_levels"][..., None, None].unbind(1)
    return cut(torch.minimum((value * (top - black) + (black + 0.5)).clamp_min(0), top))


def _fall(params: Params, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the share of light that arrives: cos^4 of the angle off the axis, less what is scattered."""
    share, bend = params["camera_fall"][..., None, None].unbind(1)
    extent = params["camera_sensor"].double()
    scale = (4 / extent.square().sum(1))[:, None, None]
    down, across = (
        ((place - (extent[:, axis, None, None] - 1) / 2) ** 2 * scale).to(torch.float32)
        for axis, place in enumerate((rows, columns))
    )
    distance = (1 + bend * down) + bend * across
    return share / (distance * distance)


def _veil(mosaic: Tensor, params: Params, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the light that the lens spreads evenly: a share of the mean of each site of the 2 x 2 cell."""
    extent = params["camera_sensor"]
    tall, wide = extent[:, 0, None, None], extent[:, 1, None, None]
    within = (rows < tall) & (columns < wide)
    site = 2 * (rows & 1) + (columns & 1)
    found = torch.zeros_like(mosaic)
    for number in range(4):
        down, right = divmod(number, 2)
        count = ((tall + 1 - down) // 2 * ((wide + 1 - right) // 2)).to(torch.float32)
        total = torch.where(within & (site == number), mosaic, 0).sum((1, 2), keepdim=True)
        mean = cut(total / count + 0.5)
        found = torch.where(site == number, mean * params["camera_glare"][:, None, None], found)
    return found


def _flare(params: Params, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the flare's light at each site, B x rows x columns, linear between the coarse field's cells."""
    field = params["camera_flare"]
    batch, tall, wide, _ = field.shape
    extent = params["camera_sensor"]
    places = []
    for axis, (index, cells) in enumerate(((rows, tall), (columns, wide))):
        middle = (2 * index + 1) * (cells * 128) // extent[:, axis, None, None] - 128
        middle = middle.clamp(0, (cells - 1) * 256)
        cell = (middle >> 8).clamp(max=cells - 2)
        places.append((cell, (middle - (cell << 8)).to(torch.float32) / 256))
    (row, low), (column, right) = places
    flat = field.reshape(batch, tall * wide * 3)
    index = ((row * wide + column) * 3 + (rows & 1) + (columns & 1)).long().reshape(batch, -1)

    def at(step: int) -> Tensor:
        return torch.gather(flat, 1, index + step).reshape(row.shape[0], rows.shape[0], columns.shape[1])

    near = at(0) * (1 - low) + at(3 * wide) * low
    far = at(3) * (1 - low) + at(3 * wide + 3) * low
    return (near * (1 - right) + far * right + 0.5).floor()


def deviates(wide: Tensor, seed: Tensor, rows: Tensor, columns: Tensor, normal: Tensor) -> Tensor:
    """Return the normal deviate of each site in 1/2048, B x rows x columns.

    `wide` (int32, B) is how many columns a sample's sensor has, `seed` (int64, B) its key; a pair of sites in
    a row shares the 32-bit word of their number. The words are kept in 64 bits, and no product passes these.
    """
    pair = rows.long() * ((wide[:, None, None] + 1) >> 1) + (columns >> 1)
    word = _product(pair, 0x9E3779B1) ^ seed[:, None, None]
    word = _product(word ^ (word >> 16), 0x85EBCA6B)
    word = _product(word ^ (word >> 13), 0xC2B2AE35)
    word = word ^ (word >> 16)
    return normal[torch.where((columns & 1) == 1, word >> 20, word & 4095)]


def _product(word: Tensor, factor: int) -> Tensor:
    """Return the low 32 bits of a product of 32-bit numbers, in 64-bit ones that never overflow."""
    high = (word * (factor >> 16)) & 0xFFFF
    return (word * (factor & 0xFFFF) + (high << 16)) & 0xFFFFFFFF


def framed(raw: Tensor, rows: int, columns: int) -> Tensor:
    """Return the upper left `rows` x `columns` of a raw frame with a border of two mirrored px all around."""
    down = mirrored(torch.arange(-2, rows + 2, device=raw.device), rows)
    across = mirrored(torch.arange(-2, columns + 2, device=raw.device), columns)
    return raw.index_select(1, down).index_select(2, across)
