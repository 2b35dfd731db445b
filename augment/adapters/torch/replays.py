"""Batched replays: a picture on a display or a wall, filmed (`facedata.augment.replay`)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedata.augment import display
from facedata.augment.adapters.torch.base import Packed, Params
from facedata.augment.adapters.torch.camera import Photographs, pack_camera, pack_coarse
from facedata.augment.adapters.torch.light import enlarged, mixed, to_light, whole
from facedata.augment.adapters.torch.optics import blurred, pack_spread
from facedata.augment.adapters.torch.panel import (
    composed,
    covered,
    emitted,
    lattice_mosaic,
    on_display_grid,
    projected,
)
from facedata.augment.adapters.torch.pixels import column, held
from facedata.augment.camera import row_gains
from facedata.augment.light import ONE
from facedata.augment.replay import SHARP, Replay, Scene

__all__ = ["BatchedReplayLcd", "BatchedReplayOled", "BatchedReplayProjector"]

Floats = NDArray[np.float64]

_TILE: Final = 3 * display.CELLS**2
"""Cells of the smallest tile; those of all tiles are filled up to this times a power of two."""
_MOST: Final = 2
"""Most photosites a px along an axis."""


class _BatchedReplay(Photographs):
    """Base of the replays: what a panel shows, in its room, on a sensor of one or two photosites a px."""

    def pack_one(self, parameters: Any, height: int, width: int) -> Packed:
        """Return the maps, the lattice's tiles, the room's coarse light, the rows' gains and the camera."""
        if not isinstance(self.operator, Replay):
            raise TypeError(f"{self.name} is not a replay")
        scene: Scene[Any] = self.operator.scene(parameters, width, height)
        finest = _MOST if min(height, width) == 1 or self._may_be_fine(parameters) else 1
        canvas = finest * height, finest * width
        sensor = scene.rows, scene.width * scene.oversample
        rim_light, rim = scene.case()
        behind = scene.behind()
        boxes = scene.boxes(rim)
        whole_frame = all(scene.covers_frame(box) for box in boxes[:2])
        softness = float(np.hypot(scene.blur, scene.panel_sigma * scene.magnification)) / scene.oversample
        pulses, flicker = np.rint(scene.pulses() * ONE), np.full(scene.rows, float(ONE))
        if parameters.flicker_depth:
            flicker = row_gains(parameters, scene.rows).astype(np.float64)
        below = canvas[0] - scene.rows
        emission = display.emission(parameters.gamma, parameters.contrast_ratio)
        return {
            **pack_camera(
                parameters, height, width, sensor=sensor, canvas_rows=canvas[0], focused=False, flickers=False
            ),
            **_maps(scene),
            **_tiles(scene),
            **pack_coarse("received", scene.received()),
            **pack_coarse("behind", np.zeros((1, 1, 3), np.uint16) if behind is None else behind),
            "live": np.array(behind is None),
            "emission": np.array([parameters.gamma, 1 / parameters.contrast_ratio], np.float32),
            "black": np.float32(emission[0]),
            "boxes": np.stack([_rounded_box(box) for box in boxes]).astype(np.float32),
            "frame_light": np.rint(np.clip(rim_light, 0, 1.99) * ONE).astype(np.float32),
            "spread": _spread(softness, height, width),
            "spread_added": _spread(0 if whole_frame else scene.blur / scene.oversample, height, width),
            "pulses": np.pad(pulses, ((0, below), (0, 0))).astype(np.float32),
            "flicker": np.pad(flicker, (0, below)).astype(np.float32),
            # no data: its shape is the canvas that every sensor of the batch fits
            "canvas": np.zeros((*canvas, 0), np.uint8),
            "share": np.float32(round(parameters.strength * ONE) / ONE),
        }

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the filmed pictures."""
        light, added = self.lights(image, params)
        mosaic = self.mosaic(light, added, params)
        taken = self.photograph_mosaic(mosaic, params, (image.shape[2], image.shape[3]))
        return mixed(image, taken, params["share"])

    @staticmethod
    def lights(image: Tensor, params: Params) -> tuple[Tensor, Tensor]:
        """Return the panel's light and all other light, B x 3 x H x W each, through the lens."""
        height, width = image.shape[2:]
        shown = held(on_display_grid(whole(image.clamp(0, 1) * 255), params["shown"]))
        light = emitted(projected(shown, params), params)
        added = enlarged(params["received"], params["received_extent"], height, width)
        room = enlarged(params["behind"], params["behind_extent"], height, width)
        behind = torch.where(column(params["live"]), to_light(image), room)
        light, added = composed(light, added, behind, covered(params, height, width), params)
        return blurred(held(light), params["spread"]), blurred(held(added), params["spread_added"])

    @staticmethod
    def mosaic(light: Tensor, added: Tensor, params: Params) -> Tensor:
        """Return what the photosites collect of the panel's light and of other light."""
        return held(lattice_mosaic(light, added, params))

    def _may_be_fine(self, parameters: Any) -> bool:
        """Whether a sample of any batch may have a sensor finer than the picture: all then share its size."""
        draw = self.given.get("oversample", self.operator.draws()["oversample"])
        arguments = next(iter(draw.values())) if isinstance(draw, dict) else [draw]
        return bool(max(parameters.oversample, *arguments) > 1)


class BatchedReplayLcd(_BatchedReplay):
    """`replay-lcd`: stripes, a pulsed backlight, and the room that the front mirrors."""

    name = "replay-lcd"


class BatchedReplayOled(_BatchedReplay):
    """`replay-oled`: diamonds of half the red and blue, deep blacks, pulses."""

    name = "replay-oled"


class BatchedReplayProjector(_BatchedReplay):
    """`replay-projector`: keystone, a grid, a colour wheel's bands, and lamps on the wall."""

    name = "replay-projector"


def _maps(scene: Scene[Any]) -> Packed:
    """Return the maps from frame and sensor, counted from their middles, and how the lens bends them."""
    height, width = scene.height, scene.width
    across, down = width * scene.per_pixel, height * scene.per_pixel
    wide, tall = min(width, max(1, round(across))), min(height, max(1, round(down)))
    parted = np.array(
        [
            [wide / width, 0, (wide / width - 1) / 2],
            [0, tall / height, (tall / height - 1) / 2],
            [0, 0, 1],
        ]
    )
    frame, sensor = scene.frame, scene.sensor
    plane = _from_middle(scene.backward, frame.centre)
    lattice = _from_middle(scene.lattice_map(), sensor.centre)
    sides = min(width, height), min(sensor.width, sensor.height)
    bends = [scene.parameters.distortion / (side / 2) ** 2 for side in sides]
    return {
        "shown": np.array([tall, wide], np.int32),
        "picture": _from_middle(parted @ scene.backward, frame.centre),
        "plane": plane.astype(np.float32),
        "bend": np.array(bends[0]),
        "lattice": lattice,
        "lattice_bend": np.array(bends[1]),
    }


def _from_middle(transform: Floats, centre: tuple[float, float]) -> Floats:
    """Return a map of places on a frame as one of places counted from its middle."""
    moved = np.array([[1, 0, centre[0]], [0, 1, centre[1]], [0, 0, 1]])
    return np.asarray(transform @ moved, np.float64)


def _tiles(scene: Scene[Any]) -> Packed:
    """Return the lattice's tiles in a row, uint16 as int16, their side, and which scale each is for."""
    tiles, nearest, step = scene.tiles()
    cells = _TILE
    while cells < tiles.size:
        cells *= 2
    return {
        "tile": np.pad(tiles.reshape(-1), (0, cells - tiles.size)).view(np.int16),
        "tile_side": np.int32(tiles.shape[3]),
        "tile_bits": np.int32(22 - int(tiles.shape[3]).bit_length() + 1),
        "scales": np.array([nearest, step, len(tiles) - 1]),
    }


def _rounded_box(box: Floats) -> Floats:
    """Return middle, half sides without the rounded corners (x, y) and radius of a box of `Scene.boxes`."""
    left, top, right, bottom, corner = box
    return np.array(
        [
            (left + right) / 2,
            (top + bottom) / 2,
            (right - left) / 2 - corner,
            (bottom - top) / 2 - corner,
            corner,
        ]
    )


def _spread(sigma: float, height: int, width: int) -> NDArray[np.float32]:
    """Return the point spread, or none where it changes no code (`replay.soft`)."""
    return pack_spread(sigma if sigma >= SHARP else 0.0, height, width)
