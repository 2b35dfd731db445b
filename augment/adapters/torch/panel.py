"""A lit plane before a camera, batched: its picture, its frame and its lattice (`facedata.augment.screen`).

What px look at is computed in float64 at the ends of runs of px and linear between them, in fixed point, as
in the NumPy half, so that both look at the same cell of a lattice.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from facedata.augment.adapters.torch.base import Params
from facedata.augment.adapters.torch.light import cut, grid, passed, whole
from facedata.augment.adapters.torch.pixels import column, held
from facedata.augment.light import ONE

__all__ = ["composed", "covered", "emitted", "lattice_mosaic", "on_display_grid", "projected"]

_MIDDLE: Final = 128.0
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
    # sums about nought stay small, and keep the bits of their fractions
    codes = codes - _MIDDLE
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
        # the difference of the sums first: beside large numbers a fraction loses bits
        total = (last_below - below) + (last_above - last_below) * last_part - (above - below) * part
        codes = held(total / scale.reshape(-1, 1, 1, 1))
    # halves go to even numbers, as OpenCV's do
    return passed(codes.round(), codes) + _MIDDLE


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
    size = torch.full_like(params["shown"], height)[:, 0], torch.full_like(params["shown"], width)[:, 0]
    x, y, _ = _ends(params["picture"], params["bend"], rows, width, size, _RUN)
    corners = []
    for ends, count in ((y, extent[:, 0]), (x, extent[:, 1])):
        # in 1/65536 px; the border goes on, so nothing is lost far outside
        place = _between((ends * 65536).clamp(-(2**28), 2**28).long(), columns, _RUN)
        place = torch.minimum(place.clamp_min(0), (count - 1) << 16)
        first, part = place >> 16, (place >> 10 & 63).to(torch.float32) / 64
        corners.append((first, torch.minimum(first + 1, count - 1), part[:, None]))
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
    curve = params["bend"][:, None, None].to(torch.float32)
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
        across, down = ((line[:, k, None] - place * t[:, 2, k, None]) / depth for k in (0, 1))
        steps.append(torch.hypot(across, down))
    step = torch.where(over_u > over_v, steps[0], steps[1])
    stretch = (1 + 3 * curve * radius).clamp_min(0.1)[:, None]
    share = (0.5 - away / (step * stretch).clamp_min(1e-6)).clamp(0, 1)
    return torch.where(near, 0, (share * 255 + 0.5).floor())


def composed(
    light: Tensor, added: Tensor, behind: Tensor, covers: Tensor, params: Params
) -> tuple[Tensor, Tensor]:
    """Return the panel's light and all other light, with the frame around the screen: `screen.compose`."""
    picture, screen, device = (covers[:, k : k + 1] for k in range(3))
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
    u, v, scale = _ends(
        params["lattice"], params["lattice_bend"], rows, wide, (sensor[:, 0], sensor[:, 1]), _FINE_RUN
    )
    nearest, step, last = params["scales"][..., None, None].unbind(1)
    which = torch.minimum(((scale - nearest) / step).clamp_min(0), last).to(torch.int32)
    number = torch.div(columns[0], _FINE_RUN, rounding_mode="floor")
    which = held(which).index_select(2, number)
    side, bits = params["tile_side"][:, None, None], params["tile_bits"][:, None, None]
    row, across = ((_between(_phases(ends), columns, _FINE_RUN) >> bits) & (side - 1) for ends in (v, u))
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


_PERIOD: Final = 2**22
"""Parts of a lattice's period in which places are told."""


def _phases(places: Tensor) -> Tensor:
    """Return places in periods of a lattice as parts of one, int64, whole periods of the line's first off."""
    parts = (places * _PERIOD).long()
    # ends of a run keep their distance, as both lose the same
    return parts - (parts[:, :, :1] & -_PERIOD)


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


def _ends(
    transform: Tensor, curve: Tensor, rows: Tensor, columns: int, size: tuple[Tensor, Tensor], run: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the places (x, y) that every `run`-th px of a frame looks at, and the scale there.

    Each is float64, B x rows x (columns / run + 1, upwards). `size` is rows and columns of each sample's
    frame, int32, B; `curve` the lens's distortion of squared px from its middle. The scale is depth over what
    the lens stretches (`Scene.scales`).
    """
    middle_y, middle_x = ((count.double()[:, None, None] - 1) / 2 for count in size)
    x = torch.arange(-(-columns // run) + 1, device=rows.device) * run - middle_x
    y = rows - middle_y
    stretch = 1 + curve[:, None, None] * (x * x + y * y)
    u, v, depth = _mapped(transform[..., None, None], x * stretch, y * stretch)
    return u, v, depth / (2 * stretch - 1).clamp_min(_NEAREST)


def _between(ends: Tensor, columns: Tensor, run: int) -> Tensor:
    """Return the whole numbers, int32, at every px between those at the ends of runs, int64, on a line."""
    step = (ends[:, :, 1:] - ends[:, :, :-1]) >> (run.bit_length() - 1)
    number = torch.div(columns[0], run, rounding_mode="floor")
    start, step = (held(part.to(torch.int32)).index_select(2, number) for part in (ends[:, :, :-1], step))
    return start + step * (columns & (run - 1))
