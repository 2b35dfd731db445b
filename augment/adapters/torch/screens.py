"""Batched reflection and moire-pattern: what the glass and the lattice of a display do."""

from __future__ import annotations

import math
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import Tensor

from facedata.augment.adapters.torch.base import BatchedOperator, Packed, Params
from facedata.augment.adapters.torch.pixels import axis_taps, column, decode, encode, resampled
from facedata.augment.operators.moire_pattern import (
    STEPS,
    UNIT,
    MoirePatternParameters,
    display_map,
    lattice,
)
from facedata.augment.operators.reflection import ReflectionParameters
from facedata.augment.textures import environment
from facedata.datasets.words import Words

__all__ = ["BatchedMoirePattern", "BatchedReflection"]


class BatchedReflection(BatchedOperator):
    """`reflection`: the room is drawn on the CPU (96 cells), enlarged and added on the device."""

    name = "reflection"

    def pack_one(self, parameters: ReflectionParameters, height: int, width: int) -> Packed:
        """Return the mirrored room, 3 x h x w, and the share of its light."""
        room = environment(height, width, parameters.pattern_seed, parameters.temperature, parameters.blur)
        planes = np.ascontiguousarray(room.transpose(2, 0, 1), np.float32) / np.float32(65535)
        return {"room": planes, "share": np.float32(parameters.strength)}

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures with the room's light added."""
        light = torch.nn.functional.interpolate(
            params["room"], size=image.shape[2:], mode="bilinear", align_corners=False
        )
        return encode(decode(image) + column(params["share"]) * light)


_SPAN: Final = 16
"""Sensor px between exact phases of the lattice; between them they are linear, as in the NumPy half."""


class BatchedMoirePattern(BatchedOperator):
    """`moire-pattern`: lattice, mosaic, demosaic and scaling on the device.

    The sensors of a batch share a canvas as large as the largest that the distribution allows. The gradient
    flows through the picture's light; the lattice does not depend on the picture.
    """

    name = "moire-pattern"

    def pack_one(self, parameters: MoirePatternParameters, height: int, width: int) -> Packed:
        """Return the map to the display, the lattice of a white display and the taps of the scaling."""
        short = min(height, width)
        largest = max(parameters.sensor, _largest(self.given.get("sensor", self.operator.draws()["sensor"])))
        extent = [_extent(parameters.sensor, length, short) for length in (height, width)]
        canvas = [_extent(largest, length, short) for length in (height, width)]
        scaler = cv2.INTER_AREA if extent[0] >= 2 * height else cv2.INTER_LINEAR
        words = Words.of(parameters.pattern_seed, "lattice")
        packed: Packed = {
            "transform": display_map(parameters).astype(np.float32),
            "start": np.array([words.unit(), words.unit()], np.float32) * STEPS,
            "bend": np.float32(parameters.distortion / (parameters.sensor / 2) ** 2),
            "lattice": (np.stack(lattice(parameters.pitch, parameters.optics)) / 4096).astype(np.float32),
            "extent": np.array(extent, np.int32),
            "strength": np.float32(parameters.strength),
            # no data: its shape is the canvas that every sensor of the batch fits
            "canvas": np.zeros((*canvas, 0), np.uint8),
        }
        for axis, before, after, most in zip(
            ("rows", "columns"), extent, (height, width), canvas, strict=True
        ):
            count = max(2, math.ceil(most / after) + 1)
            packed[axis], packed[f"{axis}_weights"] = axis_taps(before, after, scaler, count)
        return packed

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures as filmed from the display."""
        field = _demosaiced(_mosaic(params))
        # the outermost sensor px have no neighbours: theirs are those of the next
        limits = torch.stack([torch.ones_like(params["extent"]), params["extent"] - 2], dim=2)
        field = resampled(field, params["columns"], params["columns_weights"], 3, limits[:, 1])
        field = resampled(field, params["rows"], params["rows_weights"], 2, limits[:, 0])
        field = _whole(field).clamp(0, 255)
        means = field.mean((2, 3), keepdim=True).clamp_min(1e-3)
        strength = column(params["strength"])
        return encode(decode(image) * (1 - strength + strength * field / means))


def _largest(draw: Any) -> int:
    """Return the largest number that a distribution gives; a normal one has none."""
    kind, arguments = next(iter(draw.items())) if isinstance(draw, dict) else ("constant", [draw])
    return 0 if kind == "normal" else int(max(arguments))


def _extent(sensor: int, length: int, short: int) -> int:
    return min(8 * sensor, round(sensor * length / short))


def _whole(values: Tensor) -> Tensor:
    return (values + 0.5005).floor()


def _mosaic(params: Params) -> Tensor:
    """Return what a white display leaves on the sensors: B x rows x columns, whole, `UNIT` the mean."""
    batch, rows, columns, _ = params["canvas"].shape
    device = params["canvas"].device
    i = torch.arange(rows, device=device, dtype=torch.int32)[:, None]
    j = torch.arange(columns, device=device, dtype=torch.int32)[None, :]
    middle = (params["extent"].to(torch.float32) - 1) / 2
    y = i - middle[:, 0, None, None]
    x = (j & -_SPAN) - middle[:, 1, None, None]
    part = (j & (_SPAN - 1)) / _SPAN
    place = torch.lerp(_phase(x, y, params), _phase(x + _SPAN, y, params), part)
    # red stripes stand a third of a display px left of green ones, blue ones a third right
    step = place.floor().to(torch.int32)
    u = (step[:, 0] + 85 * (1 - (i & 1) - (j & 1))) & (STEPS - 1)
    v = step[:, 1] & (STEPS - 1)
    across, down = (
        torch.gather(table, 1, index.reshape(batch, -1).long()).reshape(batch, rows, columns)
        for table, index in zip(params["lattice"].unbind(1), (u, v), strict=True)
    )
    return _whole(across * down * UNIT).clamp(max=255)


def _phase(x: Tensor, y: Tensor, params: Params) -> Tensor:
    """Return the display's place in 1/256 px at sensor px about the centre: B x 2 (u, v) x rows x columns."""
    bend = 1 + params["bend"][:, None, None] * (x * x + y * y)
    x, y = x * bend, y * bend
    t = params["transform"][..., None, None]
    depth = (t[:, 2, 0] * x + t[:, 2, 1] * y + t[:, 2, 2]).clamp_min(0.05)
    along = torch.stack([t[:, k, 0] * x + t[:, k, 1] * y for k in (0, 1)], dim=1)
    return along * (STEPS / depth)[:, None] + params["start"][..., None, None]


def _demosaiced(mosaic: Tensor) -> Tensor:
    """Return B x 3 x rows x columns of an RGGB mosaic by OpenCV's bilinear rule; the outermost px void."""
    _, rows, columns = mosaic.shape
    wide = torch.nn.functional.pad(mosaic[:, None], (1, 1, 1, 1))[:, 0]
    top, bottom = wide[:, :-2], wide[:, 2:]
    beside = wide[:, 1:-1, :-2] + wide[:, 1:-1, 2:]
    above = top[:, :, 1:-1] + bottom[:, :, 1:-1]
    corners = top[:, :, :-2] + top[:, :, 2:] + bottom[:, :, :-2] + bottom[:, :, 2:]
    beside_2, above_2 = _whole(beside / 2), _whole(above / 2)
    cross, corners = _whole((beside + above) / 4), _whole(corners / 4)
    odd_row = (torch.arange(rows, device=mosaic.device) & 1).bool()[:, None]
    odd_column = (torch.arange(columns, device=mosaic.device) & 1).bool()[None, :]
    red = torch.where(
        odd_row, torch.where(odd_column, corners, above_2), torch.where(odd_column, beside_2, mosaic)
    )
    blue = torch.where(
        odd_row, torch.where(odd_column, mosaic, beside_2), torch.where(odd_column, above_2, corners)
    )
    green = torch.where(odd_row ^ odd_column, mosaic, cross)
    return torch.stack([red, green, blue], dim=1)
