"""Batched prints and shaped papers: what `augment.recapture` does to one picture.

`medium` gives the light that leaves the sheet and what is behind it; the camera takes it from there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from facedata.augment.adapters.torch.base import Packed, Params
from facedata.augment.adapters.torch.blurs import pack_shadow, shadowed
from facedata.augment.adapters.torch.camera import Photographs, pack_camera, pack_room
from facedata.augment.adapters.torch.light import mixed, to_light
from facedata.augment.adapters.torch.pixels import column, rounded
from facedata.augment.adapters.torch.printed import Press, pack_print
from facedata.augment.adapters.torch.surfaces import (
    Seen,
    covered,
    layered,
    looked,
    pack_nodes,
    seen_from,
)
from facedata.augment.draws import Draw
from facedata.augment.geometry import view
from facedata.augment.light import ONE
from facedata.augment.operators.paper_shape import FoldedPaperParameters, crease_lines, speckle
from facedata.augment.printing import lamp_of
from facedata.augment.recapture import SheetParameters, SheetPhoto, cast_shadow
from facedata.augment.surface import stretch, trace

__all__ = [
    "BatchedCurvedPaper",
    "BatchedCutPaper",
    "BatchedFoldedPaper",
    "BatchedInkjetPrint",
    "BatchedLaserPrint",
]


class BatchedSheet(Photographs):
    """Base of the sheets: print, bend, hold before something, photograph.

    Rays, screens' phases, shadows' maps and the room are prepared on the CPU, coarse. The gradient flows
    through the print and through the live face behind it; see `printed` for screens.
    """

    drops: ClassVar[bool] = True
    """Whether a sheet may come from an inkjet."""

    def __init__(self, parameters: Mapping[str, Draw] | None = None) -> None:
        super().__init__(parameters)
        self.press = Press(drops=self.drops)

    @property
    def photo(self) -> SheetPhoto[Any]:
        """The operator."""
        if not isinstance(self.operator, SheetPhoto):
            raise TypeError(f"{self.name} is not a photographed sheet")
        return self.operator

    def pack_one(self, parameters: Any, height: int, width: int) -> Packed:
        """Return what `medium` takes, and the camera."""
        photo = self.photo
        sight = view(parameters, width, height)
        scale = parameters.medium_width / width
        lamp, spans = lamp_of(parameters), stretch(sight)
        step = float(np.hypot(*spans).max())
        nodes = trace(
            sight, scale, (width, height), photo.curve(parameters, width, height), lamp, photo.nodes
        )
        millimetre = scale * step
        worn = photo.live_beside(parameters)
        towards = lamp.place() / lamp.distance
        white = parameters.whiteness
        core = [white * ONE * lamp.ambient, white * ONE * (1 - lamp.ambient), towards[0], towards[1]]
        packed: Packed = {
            **pack_nodes(nodes),
            **pack_print(parameters, photo.halftone(parameters), scale, step, (height, width)),
            "box": np.array(photo.box(parameters, width, height), np.float32),
            "steps": np.hypot(*spans.T).astype(np.float32),
            "edge": np.float32(round(min(parameters.thickness / millimetre, 1.0) * 1024)),
            "core": np.array(core, np.float32),
            "depth": np.float32(round(256 * (1 - lamp.ambient)) if worn else 0),
            "worn": np.float32(worn),
            **pack_room(height, width, parameters.paper_seed, level=parameters.room_level),
            **_shadow(parameters, worn, millimetre, height, width),
            **pack_camera(parameters, height, width, field_angle=sight.field_angle),
            "share": np.float32(round(parameters.strength * ONE) / ONE),
        }
        outline = photo.outline(parameters, width, height)
        if outline is not None:
            packed["outline"] = outline
        return packed

    def medium(self, image: Tensor, params: Params) -> tuple[Tensor, Tensor]:
        """Return the light before the lens (see `light`), B x 3 x H x W, and the sheet's cover, 0-1.

        `image` is float32, sRGB-coded.
        """
        seen = seen_from(params, *image.shape[2:])
        light = self.press(self.inked(image, params), seen, params)
        cover = covered(seen, params["box"], params["steps"])
        if "outline" in params:
            cover = torch.minimum(cover, _scissors(params["outline"], seen))
        behind = interpolate(params["room"], size=image.shape[2:], mode="bilinear", align_corners=False)
        behind, shade = behind.round(), torch.zeros_like(cover)
        if params["shadow_rows"].shape[1]:
            behind = torch.where(column(params["worn"]) > 0, to_light(image), behind)
            shade = shadowed(cover, params)
        return layered(light, behind, cover, shade, params), cover[:, None] / 255

    def inked(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures as they are on the sheet."""
        del params
        return image

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the photographs of the sheets."""
        light, _ = self.medium(image, params)
        return mixed(image, self.photograph(light, params), params["share"])


def _shadow(parameters: SheetParameters, worn: bool, millimetre: float, height: int, width: int) -> Packed:
    """Return the maps of the sheet's shadow on the live face, empty where that is not behind it."""
    if not worn:
        none = np.zeros((0, 0), np.float32)
        return {"shadow_shift": np.zeros(2, np.float32), "shadow_rows": none, "shadow_columns": none}
    return {**pack_shadow(height, width, *cast_shadow(parameters, millimetre))}


def _scissors(outline: Tensor, seen: Seen) -> Tensor:
    """Return what a shape on the sheet covers, B x H x W, whole numbers 0-255."""
    cut = looked(outline[:, None].to(torch.float32) / 255, seen.place, 0.0)[:, 0] * 255
    if seen.limb is not None:
        cut = torch.where(seen.limb > 0, cut, 0.0)
    return cut.round()


class BatchedInkjetPrint(BatchedSheet):
    """`print-inkjet`: a flat sheet in drops."""

    name = "print-inkjet"


class BatchedLaserPrint(BatchedSheet):
    """`print-laser`: a flat sheet in four screens."""

    name = "print-laser"
    drops = False


class BatchedCurvedPaper(BatchedSheet):
    """`paper-curved`: a cylinder."""

    name = "paper-curved"


class BatchedCutPaper(BatchedSheet):
    """`paper-cut`: a sheet with holes before the live face; the holes are drawn on the CPU."""

    name = "paper-cut"


_FOLDS: Final = 8
"""The most folds that a sheet has."""


class BatchedFoldedPaper(BatchedSheet):
    """`paper-folded`: parallel folds, and the ink off their creases."""

    name = "paper-folded"

    def pack_one(self, parameters: FoldedPaperParameters, height: int, width: int) -> Packed:
        """Return what `medium` takes, with the creases."""
        scale = parameters.medium_width / width
        places, angles = crease_lines(parameters, height * scale)
        creases = np.zeros((2, _FOLDS), np.float32)
        creases[0, : len(places)] = places
        creases[1, : len(places)] = [min(abs(angle) / 20, 1.0) * parameters.wear for angle in angles]
        turn = math.radians(parameters.axis)
        wide = max(0.2, scale / 2)
        return {
            **super().pack_one(parameters, height, width),
            "creases": creases,
            # along the picture's rows and columns, mm across the folds; and how wide a worn line is
            "folded": np.array([-math.sin(turn) * scale, math.cos(turn) * scale, wide], np.float32),
            "speckle": speckle(parameters.paper_seed)[None],
        }

    def inked(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures with the ink off the creases, rounded to 8 bits."""
        height, width = image.shape[2:]
        x = torch.arange(width, device=image.device) - (width - 1) / 2
        y = torch.arange(height, device=image.device)[:, None] - (height - 1) / 2
        along, across, wide = params["folded"][:, :, None, None].unbind(1)
        t = y * across + x * along
        worn = torch.zeros_like(t)
        for crease in params["creases"].unbind(2):
            place, depth = crease[:, :, None, None].unbind(1)
            worn = torch.maximum(worn, depth * torch.exp(-(((t - place) / wide) ** 2)))
        ragged = interpolate(params["speckle"], size=(height, width), mode="bilinear", align_corners=False)
        return rounded(image + (1 - image) * (worn[:, None] * ragged), 255.0)
