"""A surface before the camera, batched: where each px looks, what of it is covered, and what lies in front.

Rays are followed on the CPU, exactly and at few places (`surface.trace`); between these everything is linear.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from facedata.augment.adapters.torch.base import Packed, Params
from facedata.augment.adapters.torch.light import cut
from facedata.augment.adapters.torch.pixels import column, held, rounded
from facedata.augment.surface import Nodes

__all__ = ["Seen", "covered", "enlarged", "layered", "looked", "pack_nodes", "seen_from"]


class Seen(NamedTuple):
    """What each px sees: `place` (x, y) in px of the parent and `light` (irradiance, gloss), B x 2 x H x W.

    `limb`, B x H x W, is how far inside the limb of a bent sheet a px lies; None for flat ones.
    """

    place: Tensor
    light: Tensor
    limb: Tensor | None


def pack_nodes(nodes: Nodes) -> Packed:
    """Return the coarse fields of `surface.trace`: place, light and, where there is one, the limb."""
    fields = [*nodes.place, *nodes.light, *([] if nodes.limb is None else [nodes.limb])]
    # `pitch` has no data: its length is the px between two nodes
    return {"nodes": np.stack(fields), "pitch": np.zeros((nodes.pitch, 0), np.uint8)}


def enlarged(field: Tensor, pitch: int, height: int, width: int) -> Tensor:
    """Return B x C x H x W of a field of nodes `pitch` px apart, linear between them.

    First along rows, then along columns, a fused multiplication and addition each, as OpenCV does: where
    places agree to the last bit, so do the dots that lie there. `interpolate` adds up in another order.
    """
    for dim, length in ((3, width), (2, height)):
        last = field.shape[dim] - 1
        place = (torch.arange(length, device=field.device) + (pitch // 2 + 0.5)) / pitch - 0.5
        node = place.floor()
        part = (place - node).reshape(-1, 1) if dim == 2 else place - node
        near, far = ((node + step).clamp(0, last).to(torch.int32) for step in (0, 1))
        first = field.index_select(dim, near)
        field = torch.addcmul(first, field.index_select(dim, far) - first, part)
    return field


def seen_from(params: Params, height: int, width: int) -> Seen:
    """Return what each px sees, of packed nodes."""
    whole = enlarged(params["nodes"], params["pitch"].shape[1], height, width)
    return Seen(whole[:, :2], whole[:, 2:4], whole[:, 4] if whole.shape[1] > 4 else None)


def looked(image: Tensor, place: Tensor, outside: float) -> Tensor:
    """Return B x C x H x W of what lies at `place`, B x 2 x H x W (x, y) px; `outside` beyond the picture.

    Linear in steps of 1/32 px, and rounded to 8 bits, as OpenCV does; the gradient passes the rounding.
    """
    batch, channels, height, width = image.shape
    steps = (place * 32).round().to(torch.int32)
    node, part = steps >> 5, (steps & 31) / 32
    flat = held(image.reshape(batch, channels, height * width))
    made = torch.zeros_like(image)
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x, y = node[:, 0] + right, node[:, 1] + down
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).reshape(batch, 1, height * width)
        found = flat.gather(2, index.long().expand(-1, channels, -1)).reshape(image.shape)
        weight = (part[:, 0] if right else 1 - part[:, 0]) * (part[:, 1] if down else 1 - part[:, 1])
        made = made + torch.where(inside[:, None], found, outside) * weight[:, None]
    return rounded(made, 255.0)


def covered(seen: Seen, box: Tensor, steps: Tensor) -> Tensor:
    """Return what a rectangle of the sheet covers, B x H x W, whole numbers 0-255, its edges soft by a px.

    `box` (B x 4) is left, top, right, bottom in px of the parent, and `steps` (B x 2) how many of these a px
    of the sensor spans along the parent's rows and columns.
    """
    (u, v), per = seen.place.unbind(1), 1 / steps[:, :, None, None]
    left, top, right, bottom = box[:, :, None, None].unbind(1)
    across = torch.minimum(u - left, right - u) * per[:, 0]
    depth = torch.minimum(across, torch.minimum(v - top, bottom - v) * per[:, 1])
    if seen.limb is not None:
        depth = torch.minimum(depth, seen.limb)
    return (depth * 255 + 128).clamp(0, 255).floor()


def layered(sheet: Tensor, behind: Tensor, cover: Tensor, shade: Tensor, params: Params) -> Tensor:
    """Return the light (see `light`) of a sheet before what is `behind` it, B x 3 x H x W, whole numbers.

    `cover` and `shade` are B x H x W, 0-255: the sheet's cover, and how far it keeps the lamp from what is
    behind. `depth` is the lamp's share there, in 256; `edge` (in 1024) how much of a px the paper's core
    takes, and `core` its light under ambient light, what the lamp adds, and the lamp's direction.
    """
    part = cover[:, None]
    whole = (part + (part >= 128)) / 256
    lit = 1 - (shade[:, None] * column(params["depth"]) * (257 / 256)).floor() / 65536
    light = cut(sheet * whole + cut(behind * lit) * (1 - whole) + 0.5)
    if "core" not in params:
        return light
    even, lamp, lamp_x, lamp_y = (column(value) for value in params["core"].unbind(1))
    rim = (part * (255 - part) * column(params["edge"]) / 16256).floor() / 1024
    wide = torch.nn.functional.pad(part, (1, 1, 1, 1), mode="replicate")
    out_x = wide[:, :, 1:-1, :-2] - wide[:, :, 1:-1, 2:]
    out_y = wide[:, :, :-2, 1:-1] - wide[:, :, 2:, 1:-1]
    facing = (out_x * lamp_x + out_y * lamp_y) / torch.hypot(out_x, out_y).clamp_min(1e-9)
    return cut(light * (1 - rim) + (even + lamp * facing.clamp_min(0)).floor() * rim)
