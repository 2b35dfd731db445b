"""A lit plane before a camera, batched: its picture, its frame and its lattice (`facedata.augment.screen`).

Places on the frame or the sensor are counted from its middle in float32; what they are mapped to is computed
at the ends of runs of px and linear between them, as in the NumPy half, so that both look at the same cell of
a lattice.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from facedata.augment.adapters.torch.base import Params
from facedata.augment.adapters.torch.light import cut, grid, whole
from facedata.augment.adapters.torch.pixels import column, held
from facedata.augment.light import ONE

__all__ = ["composed", "covered", "emitted", "lattice_mosaic", "on_display_grid", "projected"]

_RUN: Final = 16
"""Px of the frame between exact places of the picture."""
_FINE_RUN: Final = 8
"""Photosites between exact places of the lattice."""


def on_display_grid(codes: Tensor, extent: Tensor) -> Tensor:
    """Return codes, B x 3 x H x W, whole numbers, averaged onto as many px as the display shows.

    `extent`, int32, B x 2, is their rows and columns, which fill the upper left corner of what is returned;
    the gradient passes the rounding. `cv2.resize` by area: what a px of the display covers is the difference
    of two sums over all px up to its ends.
    """
    for axis, dim in enumerate((2, 3)):
        length = codes.shape[dim]
        index = torch.arange(length, device=codes.device)
        scale = (length / extent[:, axis].to(torch.float32))[:, None]
        sums = torch.nn.functional.pad(held(codes.cumsum(dim)), (1, 0) if dim == 3 else (0, 0, 1, 0))
        ends = []
        for end in (index, index + 1):
            place = (end * scale).clamp(max=length)
            first = place.floor().clamp(max=length - 1)
            part = (place - first).reshape(_shape(dim, length))
            below, above = (_taken(sums, first.long() + step, dim) for step in (0, 1))
            ends.append((below, above, part))
        (below, above, part), (last_below, last_above, last_part) = ends
        # the sums are whole: their differences first, or their size costs the fractions' last bits
        total = (last_below - below) + (last_above - last_below) * last_part - (above - below) * part
        codes = held(total / scale.reshape(-1, 1, 1, 1))
    return whole(codes)


def _shape(dim: int, length: int) -> tuple[int, ...]:
    return (-1, 1, 1, length) if dim == 3 else (-1, 1, length, 1)


def _taken(sums: Tensor, index: Tensor, dim: int) -> Tensor:
    shape = list(sums.shape)
    shape[dim] = index.shape[1]
    return torch.gather(sums, dim, index.reshape(_shape(dim, index.shape[1])).expand(shape))


def projected(codes: Tensor, params: Params) -> Tensor:
    """Return the codes that fall on each px of the frame, B x 3 x H x W, in 1/16 (whole numbers).

    Linear between the four px of the display around a place, as a display's scaler does, in steps of 1/64 px;
    outside the picture its edge goes on.
    """
    batch, channels, height, width = codes.shape
    rows, columns = grid(height, width, codes.device)
    extent = params["shown"][..., None, None]
    size = torch.full_like(params["bend"], height), torch.full_like(params["bend"], width)
    x, y, _ = _runs(params["picture"], params["bend"], rows, columns, size, _RUN)
    corners = []
    for place, count in ((y, extent[:, 0]), (x, extent[:, 1])):
        place = torch.minimum(place.clamp_min(0), (count - 1).to(torch.float32))
        first = place.floor()
        part = ((place - first) * 64).floor() / 64
        corners.append((first.to(torch.int32), torch.minimum(first.to(torch.int32) + 1, count - 1), part[:, None]))
    (top, bottom, down), (left, right, across) = corners
    flat = codes.reshape(batch, channels, height * width)

    def at(row: Tensor, place: Tensor) -> Tensor:
        index = (row * width + place).reshape(batch, 1, height * width).long()
        return torch.gather(flat, 2, index.expand_as(flat)).reshape(codes.shape)

    above = at(top, left) * (1 - across) + at(top, right) * across
    below = at(bottom, left) * (1 - across) + at(bottom, right) * across
    return cut((above * (1 - down) + below * down) * 16)


def emitted(codes: Tensor, params: Params) -> Tensor:
    """Return the light (32768 is white) of codes in 1/16: `display.emission`."""
    gamma, black = params["emission"][..., None, None, None].unbind(1)
    # no slope at black, where a power below one has none that is finite
    signal = (codes / 4080).clamp(1e-6, 1) ** gamma
    return whole((black + (1 - black) * torch.where(codes > 0, signal, 0)) * ONE)


def covered(params: Params, height: int, width: int) -> Tensor:
    """Return how much of each px picture, screen and device cover: whole numbers to 255, B x 3 x H x W.

    Rounded rectangles on the plane, whose edges are straight within a px: `screen.cover`.
    """
    rows, columns = grid(height, width, params["bend"].device)
    y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
    curve = params["bend"][:, None, None]
    radius = x * x + y * y
    t = params["plane"][..., None, None]
    u, v, depth = _mapped(t, x * (1 + curve * radius), y * (1 + curve * radius))
    u, v, near = u[:, None], v[:, None], depth[:, None] <= _NEAREST
    middle_x, middle_y, reach_x, reach_y, corner = params["boxes"][..., None, None].unbind(2)
    over_u, over_v = (u - middle_x).abs() - reach_x, (v - middle_y).abs() - reach_y
    out_u, out_v = over_u.clamp_min(0), over_v.clamp_min(0)
    away = (out_u * out_u + out_v * out_v).sqrt() + torch.maximum(over_u, over_v).clamp_max(0) - corner
    # px of the picture a px of the frame, across the edge that is nearer
    depth = depth[:, None].clamp_min(_NEAREST)
    steps = []
    for line, place in ((t[:, 0], u), (t[:, 1], v)):
        along = ((line[:, k, None] - place * t[:, 2, k, None]) / depth for k in (0, 1))
        steps.append(torch.hypot(*along))
    step = torch.where(over_u > over_v, *steps)
    stretch = (1 + 3 * curve * radius).clamp_min(0.1)[:, None]
    share = (0.5 - away / (step * stretch).clamp_min(1e-6)).clamp(0, 1)
    return torch.where(near, 0, (share * 255 + 0.5).floor())


def composed(
    light: Tensor, added: Tensor, behind: Tensor, covers: Tensor, params: Params
) -> tuple[Tensor, Tensor]:
    """Return the panel's light and all other light, with the frame around the screen: `screen.compose`."""
    picture, screen, device = covers.split(1, dim=1)
    device = torch.maximum(device, screen)
    black = column(params["black"])
    shown = whole((black * 255 + (light - black) * picture) * screen / 65025)
    frame = params["frame_light"][:, :, None, None]
    rest = added * device + frame * (device - screen) + behind * (255 - device)
    return shown, torch.where(screen < 255, whole(rest * (257 / 65536)).clamp(max=65535), added)


def lattice_mosaic(light: Tensor, added: Tensor, params: Params) -> Tensor:
    """Return what the photosites collect of a lit lattice, B x rows x columns, RGGB: `screen.mosaic`.

    `light` and `added`, B x 3 x H x W, are light with and without the lattice. The mosaic is of the size of
    `canvas`; a sample's own sensor lies in its upper left corner.
    """
    batch, _, height, width = light.shape
    tall, wide, _ = params["canvas"].shape[1:]
    rows, columns = grid(tall, wide, light.device)
    colour = (rows & 1) + (columns & 1)
    sensor = params["camera_sensor"]
    size = sensor[:, 0].to(torch.float32), sensor[:, 1].to(torch.float32)
    u, v, scale = _runs(params["lattice"], params["lattice_bend"], rows, columns, size, _FINE_RUN)
    start_u, start_v = params["start"][..., None, None].unbind(1)
    nearest, step, last = params["scales"][..., None, None].unbind(1)
    which = torch.minimum(((scale - nearest) / step).clamp_min(0), last).to(torch.int32)
    side = params["tile_side"][:, None, None]
    cells = [((place - place.floor()) * side).floor().to(torch.int32) for place in (v + start_v, u + start_u)]
    row, across = (torch.minimum(cell, side - 1) for cell in cells)
    place = ((which * 3 + colour) * side + row) * side + across
    tile = torch.gather(params["tile"], 1, place.reshape(batch, -1).long()).reshape(place.shape)
    # two bytes a cell, of which NumPy's have no sign
    tile = (tile.to(torch.int32) & 0xFFFF).to(torch.float32)
    shift = (sensor[:, 0] // height - 1)[:, None, None]
    index = (colour * height + (rows >> shift).clamp(max=height - 1)) * width
    index = (index + (columns >> shift).clamp(max=width - 1)).reshape(batch, -1).long()
    shown, other = (
        torch.gather(part.reshape(batch, -1), 1, index).reshape(place.shape) for part in (light, added)
    )
    red, green, blue = params["pulses"][:, :, None, :].unbind(3)
    gain = torch.where(colour == 0, red, torch.where(colour == 1, green, blue))
    seen = cut(cut(shown * (gain / ONE)) * (tile / 4096))
    return (seen + cut(other * (params["flicker"][:, :, None] / ONE))).clamp(max=65535)


_NEAREST: Final = 0.05
"""The least depth of a place over that of the middle: nearer ones, and those behind, are held there."""


def _mapped(t: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the places (x, y) that a map (B x 3 x 3 x 1 x 1) gives, and their depth."""
    depth = t[:, 2, 0] * x + t[:, 2, 1] * y + t[:, 2, 2]
    over = 1 / depth.clamp_min(_NEAREST)
    return (
        (t[:, 0, 0] * x + t[:, 0, 1] * y + t[:, 0, 2]) * over,
        (t[:, 1, 0] * x + t[:, 1, 1] * y + t[:, 1, 2]) * over,
        depth,
    )


def _runs(
    transform: Tensor,
    curve: Tensor,
    rows: Tensor,
    columns: Tensor,
    size: tuple[Tensor, Tensor],
    run: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the places (x, y) that each px of a frame looks at, and the scale there: B x rows x columns each.

    `size` is rows and columns of each sample's frame, float32, B; `curve` the lens's distortion of squared px
    from its middle. Places are exact at every `run`-th column and linear between; the scale is that at the
    first column of a run: depth over what the lens stretches (`Scene.scales`).
    """
    middle_y, middle_x = (((count - 1) / 2)[:, None, None] for count in size)
    first = columns & -run
    y, bend = rows - middle_y, curve[:, None, None]
    ends = []
    for start in (first, first + run):
        x = start - middle_x
        stretch = 1 + bend * (x * x + y * y)
        ends.append((*_mapped(transform[..., None, None], x * stretch, y * stretch), stretch))
    (u, v, depth, stretch), (last_u, last_v, _, _) = ends
    part = (columns - first).to(torch.float32) / run
    scale = depth / (2 * stretch - 1).clamp_min(_NEAREST)
    return torch.lerp(u, last_u, part), torch.lerp(v, last_v, part), scale
