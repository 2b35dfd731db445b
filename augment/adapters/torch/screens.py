"""Batched reflection and moire-pattern: what the glass and the lattice of a display do."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from facedata.augment.adapters.torch.base import BatchedOperator, Packed, Params
from facedata.augment.adapters.torch.pixels import column, decode, encode
from facedata.augment.operators.reflection import ReflectionParameters
from facedata.augment.textures import environment

__all__ = ["BatchedReflection"]


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
