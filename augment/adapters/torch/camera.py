"""The shared camera, batched: from light at its sensor to pictures (`facedata.augment.camera`).

An operator that photographs derives from `Photographs` and uses the camera in two places. In `pack_one` it
adds what `pack_camera` gives to its own tensors, and in `render` it hands its light over:

    packed = {..., **pack_camera(parameters, height, width, field_angle=sight.field_angle)}

    light = to_light(image)                   # a scene's light, or what the instrument makes of it
    taken = self.photograph(light, params)    # B x 3 x H x W, sRGB values 0-1
    return mixed(image, taken, params["share"])

Light is float32, B x 3 x H x W, linear, 32768 = diffuse white of the medium under its own light, whole
numbers up to 65535 (see `light`; other numbers are rounded). An instrument whose sensor is finer than the
picture, or whose light has passed the lens already, forms the mosaic itself and calls `photograph_mosaic`.
What is behind a medium is `room`, whose coarse light `pack_room` packs.

The camera's parameters are tensors whose first axis is the batch, named `camera_...`. Nothing is drawn,
nothing loops over the batch or branches on a value. The gradient flows through every stage: rounding and the
converter's steps pass it, light that is clipped does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedata.augment import camera
from facedata.augment.adapters.torch.base import BatchedOperator, Packed, Params
from facedata.augment.adapters.torch.isp import binned, demosaiced, finished, pack_tone, refined
from facedata.augment.adapters.torch.jpeg import LINES, quantisation, recompressed
from facedata.augment.adapters.torch.light import BRIGHTEST, enlarged, passed, whole
from facedata.augment.adapters.torch.optics import blurred, pack_spread, sites
from facedata.augment.adapters.torch.pixels import column, held
from facedata.augment.adapters.torch.sensor import framed, raw_frame
from facedata.augment.draws import Draw
from facedata.augment.geometry import room_cells
from facedata.augment.light import ONE
from facedata.augment.optics import falloff
from facedata.augment.sensor import normal_table, pedestal
from facedata.augment.shot import CameraParameters

__all__ = ["Photographs", "develop", "form", "pack_camera", "pack_coarse", "pack_room", "room"]

_CELL: Final = 2
"""Photosites along a side of the Bayer cell: no sensor has fewer."""


def pack_camera(
    parameters: CameraParameters,
    height: int,
    width: int,
    *,
    field_angle: float | None = None,
    sensor: tuple[int, int] | None = None,
    canvas_rows: int | None = None,
    focused: bool = True,
    flickers: bool = True,
) -> Packed:
    """Return one sample's camera, for pictures of `height` x `width` px; names begin with `camera_`.

    `field_angle` (deg) takes the place of the parameter's where an instrument's pose decides it. `sensor` is
    rows and columns of photosites, those of the picture unless given, and at least two; `canvas_rows` the
    rows of the largest sensor in a batch. `focused` and `flickers` False say that the light has passed
    the lens already, and that it has the rows' gains.
    """
    rows, columns = sensor or (max(height, _CELL), max(width, _CELL))
    response, balance = camera.channel_gains(parameters)
    black, top = pedestal(parameters.bits), (1 << parameters.bits) - 1
    angle = parameters.field_angle if field_angle is None else field_angle
    gains = camera.row_gains(parameters, rows) / ONE if flickers else np.ones(rows)
    # the signal, 1 is full scale, of a unit of light in each row at red, green and blue sites
    lit = (gains[:, None] * (response / 65536)).astype(np.float32)
    qualities = parameters.jpeg_first, parameters.jpeg_second
    return {
        "camera_spread": pack_spread(parameters.defocus if focused else 0.0, rows, columns),
        "camera_sensor": np.array([rows, columns], np.int32),
        "camera_fall": np.array([1 - parameters.glare / 100, falloff(angle)], np.float32),
        "camera_glare": np.float32(parameters.glare / 100),
        "camera_flare": camera.flare(parameters, (width, height)).astype(np.float32),
        "camera_gain": np.pad(lit, ((0, max(canvas_rows or 0, rows) - rows), (0, 0))),
        "camera_noise": np.array([parameters.shot_noise, parameters.read_noise], np.float32),
        "camera_seed": np.array(parameters.noise_seed, np.int64),
        "camera_levels": np.array([black, top], np.float32),
        "camera_gains": np.rint(balance * (65535 * 2**11 / (top - black))).astype(np.float32),
        "camera_saturation": np.float32(round(parameters.saturation * 4096) / 4096),
        "camera_tone": pack_tone(parameters.contrast, parameters.shoulder),
        "camera_sharpening": np.float32(256 + round(parameters.sharpening * 256)),
        "camera_core": np.array(camera.coring(parameters, balance), np.float32),
        "camera_steps": np.stack([quantisation(quality) for quality in qualities]),
        "camera_jpeg": np.array([quality > 0 for quality in qualities]),
    }


class Photographs(BatchedOperator):
    """Base of the operators that photograph what they make."""

    normal: Tensor
    lines: Tensor

    def __init__(self, parameters: Mapping[str, Draw] | None = None) -> None:
        super().__init__(parameters)
        normal = torch.from_numpy(normal_table().astype(np.float32))
        self.register_buffer("normal", normal, persistent=False)
        self.register_buffer("lines", torch.tensor(LINES, dtype=torch.float64), persistent=False)

    def photograph(self, light: Tensor, params: Params) -> Tensor:
        """Return the pictures, sRGB values 0-1 in steps of 1/255 (8 bits), of light of the picture's size.

        `camera.photograph` with a sensor of as many photosites as the picture has px.
        """
        size = light.shape[2], light.shape[3]
        return self.photograph_mosaic(form(light, params), params, size)

    def photograph_mosaic(self, mosaic: Tensor, params: Params, size: tuple[int, int]) -> Tensor:
        """Return the pictures of light at photosites: `camera.photograph_mosaic`.

        `mosaic` is B x rows x columns, RGGB, of one or two photosites a px of `size` (height, width); where
        it has two, a sample of one px each uses its upper left corner.
        """
        return develop(held(raw_frame(mosaic, params, self.normal)), params, size, self.lines)


def form(light: Tensor, params: Params) -> Tensor:
    """Return the light at the photosites, B x rows x columns, of light through the lens: `camera.form`."""
    light = whole(light).clamp(0, BRIGHTEST)
    for dim in (2, 3):
        if light.shape[dim] < _CELL:
            light = light.repeat_interleave(_CELL, dim)
    return sites(blurred(light, params["camera_spread"]))


def develop(raw: Tensor, params: Params, size: tuple[int, int], lines: Tensor) -> Tensor:
    """Return the pictures, sRGB values 0-1, of raw frames, B x rows x columns: `camera.develop`.

    `lines` is the transform of JPEG, `jpeg.LINES`.
    """
    codes = held(refined(held(_codes(raw, params, size)), params))
    for number in range(params["camera_jpeg"].shape[1]):
        made = recompressed(codes, params["camera_steps"][:, number], lines)
        codes = torch.where(column(params["camera_jpeg"][:, number]), made, codes)
    return codes / 255


def _codes(raw: Tensor, params: Params, size: tuple[int, int]) -> Tensor:
    """Return the codes of a raw frame at the picture's size."""
    rows, columns = raw.shape[1:]
    height, width = size
    # one row or column of px has two of photosites, and its picture is their mean
    tall, wide = max(height, _CELL), max(width, _CELL)
    fine = (rows, columns) == (2 * height, 2 * width)
    halved = finished(binned(framed(raw, rows, columns), params), params) if fine else None
    if halved is not None and (tall, wide) != size:
        return halved
    codes = finished(demosaiced(framed(raw, tall, wide), params), params)
    if (tall, wide) != size:
        mean = torch.nn.functional.avg_pool2d(codes, (tall // height, wide // width))
        # halves go to even numbers, as OpenCV's do
        codes = passed(mean.round(), mean)
    if halved is None:
        return codes
    return torch.where(column(params["camera_sensor"][:, 0] == rows), halved, codes)


def pack_room(height: int, width: int, seed: int, *, kelvin: float = 5000, level: float = 0.25) -> Packed:
    """Return the coarse light of what is behind a medium, for `room`; arguments are `geometry.room`'s."""
    return pack_coarse("room", room_cells(height, width, seed, kelvin=kelvin, level=level))


def room(params: Params, height: int, width: int) -> Tensor:
    """Return the light of an out-of-focus room behind the medium, B x 3 x H x W: `geometry.room`."""
    return enlarged(params["room"], params["room_extent"], height, width)


def pack_coarse(name: str, light: NDArray[np.uint16]) -> Packed:
    """Return coarse light (uint16, h x w x 3) as planes, and its extent, for `light.enlarged`.

    Even light is one cell; other light is filled up to 32 cells times a power of two: few shapes occur.
    """
    filled = [0 if count == 1 else 32 << max(0, (count - 1).bit_length() - 5) for count in light.shape[:2]]
    pads = [(0, max(0, most - count)) for most, count in zip(filled, light.shape[:2], strict=True)]
    planes = np.pad(light, (*pads, (0, 0))).transpose(2, 0, 1).astype(np.float32)
    return {name: planes, f"{name}_extent": np.array(light.shape[:2], np.int32)}
