"""Batched bn-halftone and sfc-halftone: ink on paper.

What a dot covers is decided in the integers of the NumPy half, on the picture's 8-bit codes, so the same
places get ink. Decisions have no gradient: it flows through the light of paper and ink alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from facedata.augment import screens
from facedata.augment.adapters.torch.base import BatchedOperator, Packed, Params
from facedata.augment.adapters.torch.pixels import codes, column, decode, encode
from facedata.augment.bluenoise import MASK_SIDE, blue_noise
from facedata.augment.draws import Draw
from facedata.augment.light import ONE
from facedata.augment.operators import bn_halftone, sfc_halftone
from facedata.augment.operators.bn_halftone import BlueNoiseHalftoneParameters
from facedata.augment.operators.sfc_halftone import ClusteredHalftoneParameters
from facedata.datasets.words import Words

__all__ = ["BatchedBlueNoiseHalftone", "BatchedClusteredHalftone"]

_WHITE: Final = 65535


class BatchedBlueNoiseHalftone(BatchedOperator):
    """`bn-halftone`: each ink's tone against the blue-noise mask, at the four cells that a pixel sees."""

    name = "bn-halftone"
    masks: Tensor
    tones: Tensor

    def __init__(self, parameters: Mapping[str, Draw] | None = None) -> None:
        super().__init__(parameters)
        masks = [np.roll(blue_noise() * 4, shift, axis=(0, 1)) for shift in bn_halftone.SHIFTS]
        self.register_buffer("masks", torch.from_numpy(np.stack(masks).astype(np.int32)), persistent=False)
        self.register_buffer("tones", torch.from_numpy(_tones()), persistent=False)

    def pack_one(self, parameters: BlueNoiseHalftoneParameters, height: int, width: int) -> Packed:
        """Return cells (2 x length: the cell, and 0-4 parts of the next) of rows and columns, and shares."""
        pitch = parameters.dot / 1000 / parameters.print_width * min(height, width)
        words = Words.of(parameters.pattern_seed, "mask")
        scales = bn_halftone.scales(pitch)
        rows = bn_halftone.cells(height, *scales, words.integer(0, MASK_SIDE - 1))
        columns = bn_halftone.cells(width, *scales, words.integer(0, MASK_SIDE - 1))
        return {
            "rows": rows.astype(np.int32),
            "columns": columns.astype(np.int32),
            "black": np.int32(round(parameters.black * ONE)),
            "share": np.float32(round(parameters.strength * min(pitch, 1.0) * ONE) / ONE),
        }

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures in dots."""
        tone = self.tones[codes(image).long()]
        free = ONE - ((ONE - tone.amax(1)) * params["black"][:, None, None] >> 15)
        parts = torch.zeros_like(tone)
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            row = (params["rows"][:, 0] + down) & (MASK_SIDE - 1)
            across = (params["columns"][:, 0] + right) & (MASK_SIDE - 1)
            ranks = self.masks[:, row[:, :, None].long(), across[:, None, :].long()]
            tall, wide = params["rows"][:, 1], params["columns"][:, 1]
            area = (tall if down else 4 - tall)[:, :, None] * (wide if right else 4 - wide)[:, None, :]
            inked = ((ranks[:3] * free) >> 16 < tone.transpose(0, 1)) & (ranks[3] >> 1 < free)
            parts = parts + (inked * area).transpose(0, 1)
        light = decode(image)
        ink = light.clamp(max=bn_halftone.INK / _WHITE)
        printed = ink + (1 - ink) * (parts / 16)
        share = column(params["share"])
        return encode(light * (1 - share) + printed * share)


def _tones() -> np.ndarray:
    """Return the share of paper, Q15, of each 8-bit code: int32 x 256, by the curve of the NumPy half."""
    cubic, square, line, ink = bn_halftone.CURVE.astype(np.int64)
    code = np.arange(256) * 257
    tone = np.maximum((((code * cubic >> 16) + square) * code >> 16) - line, 0)
    return np.asarray(np.maximum((tone * code >> 16) - ink, 0), np.int32)


class BatchedClusteredHalftone(BatchedOperator):
    """`sfc-halftone`: each sample reads the dots of its own cell size from a bank of tables.

    The bank holds a table for each eighth of an octave, 33 x 65 tones x 32 x 32.
    """

    name = "sfc-halftone"
    bank: Tensor
    reciprocal: Tensor
    chance: Tensor

    def __init__(self, parameters: Mapping[str, Draw] | None = None) -> None:
        super().__init__(parameters)
        tables = np.stack([screens.cell_table(step) for step in range(_FINEST, _COARSEST + 1)])
        self.register_buffer("bank", torch.from_numpy(tables.reshape(-1)), persistent=False)
        reciprocal = torch.from_numpy(sfc_halftone.RECIPROCAL.copy())
        self.register_buffer("reciprocal", reciprocal, persistent=False)
        chance = torch.from_numpy(sfc_halftone.tones(0)[0])
        self.register_buffer("chance", chance, persistent=False)

    def pack_one(self, parameters: ClusteredHalftoneParameters, height: int, width: int) -> Packed:
        """Return the phases of K, C, M, Y by row and by column (2 x 4 x length), the table and the shares."""
        # where the screen is too fine to show, whatever is packed is not seen
        period = max(sfc_halftone.period_of(parameters, min(height, width)), 2.0)
        starts, steps = sfc_halftone.phases(height, period, parameters.rotation, parameters.pattern_seed)
        lane = sfc_halftone.LANE
        rows = np.stack([starts >> 31, starts & lane])
        columns = np.stack([steps >> 31, steps & lane])[:, None, :] * np.arange(width)[:, None] & lane
        step = min(round(screens.OCTAVE * math.log2(period)), _COARSEST)
        return {
            "rows": rows.transpose(0, 2, 1).astype(np.int32),
            "columns": columns.transpose(0, 2, 1).astype(np.int32),
            "table": np.int32((step - _FINEST) * _TABLE),
            "black": np.int32(round(parameters.black * ONE)),
            "share": np.float32(round(parameters.strength * ONE) / ONE),
        }

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures in clustered dots."""
        part = self.chance[codes(image).long()]
        step = ((_WHITE - part.amax(1)) * params["black"][:, None, None]) >> 23
        inverse = self.reciprocal[step]
        # two phases of 30 bits each add up without spilling over; five bits name the place in the cell
        phases = params["rows"][..., :, None] + params["columns"][..., None, :]
        u, v = ((phases & sfc_halftone.LANE) >> 25).unbind(1)
        places = params["table"][:, None, None, None] + v * _SIDE + u
        tone = _WHITE - ((part * inverse[:, None]) >> 16)
        tone = torch.cat([(step << 8)[:, None], tone], dim=1)
        nodes = ((tone + 512) >> 10) * _SIDE**2 + places
        dots = self.bank[nodes].to(torch.float32) * (2 / _WHITE)
        light = decode(image)
        ink = light.clamp(max=sfc_halftone.INK / _WHITE)
        bare = (light - ink) / (1 - sfc_halftone.INK / _WHITE) * (inverse / 65536.0)[:, None] - dots[:, 1:]
        paper = 1 - (step << 8)[:, None] / _WHITE - dots[:, :1]
        share = column(params["share"])
        mixed = light * (1 - share) + ink * share
        return encode(mixed + share * (1 - sfc_halftone.INK / _WHITE) * paper * bare)


_SIDE: Final = 32
_TABLE: Final = 65 * _SIDE**2
_FINEST: Final = screens.OCTAVE
_COARSEST: Final = 5 * screens.OCTAVE
