"""Batched hand-trembling and low-resolution: what a camera does to any picture."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from facedata.augment.adapters.torch.base import BatchedOperator, Packed, Params
from facedata.augment.adapters.torch.pixels import (
    axis_taps,
    column,
    decode,
    encode,
    mirrored,
    resampled,
    rounded,
)
from facedata.augment.operators.hand_trembling import HandTremblingParameters, traces
from facedata.augment.operators.low_resolution import KERNELS, LowResolutionParameters, reduction

__all__ = ["BatchedHandTrembling", "BatchedLowResolution"]

_TAPS: Final = 16
"""Taps of a trace are filled up to a multiple of this: few shapes occur, and few graphs are compiled."""
_LOSS: Final = 0.125 / 255
"""What OpenCV's linear interpolation of 8-bit pictures loses on average, as it cuts off where others round.

At whole ratios its weights are exact, and nothing is lost.
"""


class BatchedHandTrembling(BatchedOperator):
    """`hand-trembling`: shifted pictures are added, each sample by its own taps.

    The number of taps is that of the longest trace in the batch, in steps of 16.
    """

    name = "hand-trembling"

    def pack_one(self, parameters: HandTremblingParameters, height: int, width: int) -> Packed:
        """Return offsets and weights of each pass (P x T, with a second pass for long traces)."""
        passes = traces(parameters.length / 100 * min(height, width), parameters.direction)
        count = -(-max(len(trace.weights) for trace in passes) // _TAPS) * _TAPS
        down, across, weight = (np.zeros((len(passes), count), np.int32) for _ in range(3))
        for number, trace in enumerate(passes):
            taps = slice(len(trace.weights))
            down[number, taps] = trace.rows - trace.down
            across[number, taps] = trace.columns - trace.across
            weight[number, taps] = trace.weights
        reach = -(-sum(max(trace.down, trace.across) for trace in passes) // 8) * 8
        return {
            "down": down,
            "across": across,
            "weight": (weight / 32768).astype(np.float32),
            # no data: its length is the margin that the longest trace needs
            "margin": np.zeros((reach, 0), np.uint8),
        }

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures drawn out along a line."""
        batch, _, height, width = image.shape
        margin = params["margin"].shape[1]
        device = image.device
        rows = mirrored(torch.arange(-margin, height + margin, device=device), height)
        columns = mirrored(torch.arange(-margin, width + margin, device=device), width)
        light = decode(image)[:, :, rows][:, :, :, columns]
        tall, wide = light.shape[2:]
        # places in the margin that point outside give what nobody sees
        place = torch.arange(tall * wide, device=device, dtype=torch.int32)[None, :]
        flat = light.reshape(batch, 3, tall * wide)
        offsets = params["down"] * wide + params["across"]
        for number in range(offsets.shape[1]):
            made = torch.zeros_like(flat)
            weights = params["weight"][:, number]
            # a sample of one pass has no weights in the second: it stays
            idle = 1 - weights.sum(1)
            for tap in range(offsets.shape[2]):
                index = (place + offsets[:, number, tap, None]).clamp(0, tall * wide - 1)
                index = index.long()[:, None, :].expand(batch, 3, tall * wide)
                made = made + torch.gather(flat, 2, index) * weights[:, tap, None, None]
            flat = made + flat * idle[:, None, None]
        smeared = flat.reshape(batch, 3, tall, wide)
        return encode(smeared[:, :, margin : margin + height, margin : margin + width])


class BatchedLowResolution(BatchedOperator):
    """`low-resolution`: four resampling passes with OpenCV's own weights.

    The reduced picture is rounded to 8 bits, as OpenCV's is; the gradient passes as if it were not.
    """

    name = "low-resolution"

    def pack_one(self, parameters: LowResolutionParameters, height: int, width: int) -> Packed:
        """Return starts and weights of the taps down and up, along both axes."""
        scale = reduction(min(height, width), parameters.strength)
        # lanczos4 has 8 taps; `area` one for each px of input that a px of output overlaps, here at the most
        most = max(8, int(1 / reduction(min(height, width), 0.9)) + 3)
        whole = all(length % max(1, round(length * scale)) == 0 for length in (height, width))
        packed: Packed = {
            "loss_down": np.float32(_LOSS if parameters.down == "linear" and not whole else 0),
            "loss_up": np.float32(_LOSS if parameters.up == "linear" else 0),
        }
        for axis, length in (("rows", height), ("columns", width)):
            small = max(1, round(length * scale))
            down = axis_taps(length, small, KERNELS[parameters.down], most)
            # the canvas of the reduced picture is as large as the picture, whatever the sample's scale
            packed[f"{axis}_down"] = np.pad(down[0], (0, length - small))
            packed[f"{axis}_down_weights"] = np.pad(down[1], ((0, length - small), (0, 0)))
            up = axis_taps(small, length, KERNELS[parameters.up], 4)
            packed[f"{axis}_up"], packed[f"{axis}_up_weights"] = up
        return packed

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures at their own size with less detail."""
        small = resampled(image, params["columns_down"], params["columns_down_weights"], 3)
        small = resampled(small, params["rows_down"], params["rows_down_weights"], 2)
        small = rounded((small - column(params["loss_down"])).clamp(0, 1), 255.0)
        large = resampled(small, params["columns_up"], params["columns_up_weights"], 3)
        large = resampled(large, params["rows_up"], params["rows_up_weights"], 2)
        return (large - column(params["loss_up"])).clamp(0, 1)
