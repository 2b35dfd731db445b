"""Steps that batched operators share: light, tables, gathers, resampling."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["axis_taps", "codes", "column", "decode", "encode", "mirrored", "resampled", "rounded"]


def column(values: Tensor) -> Tensor:
    """Return B values as B x 1 x 1 x 1."""
    return values.reshape(-1, 1, 1, 1)


def decode(coded: Tensor) -> Tensor:
    """Return linear light 0-1 of sRGB values 0-1 (IEC 61966-2-1, equation 5-7)."""
    # the clamps keep the branch that is not taken, and its gradient, finite
    steep = ((coded.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(coded <= 0.04045, coded / 12.92, steep)


def encode(light: Tensor) -> Tensor:
    """Return sRGB values 0-1 of linear light; light outside 0-1 is clipped (and passes no gradient)."""
    clipped = light.clamp(0, 1)
    steep = 1.055 * clipped.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(clipped <= 0.0031308, clipped * 12.92, steep)


def codes(image: Tensor) -> Tensor:
    """Return the 8-bit codes, int32, of sRGB values 0-1; for tables and thresholds, without gradient."""
    return (image.detach().clamp(0, 1) * 255).round().to(torch.int32)


def rounded(values: Tensor, levels: float) -> Tensor:
    """Return values rounded to multiples of 1 / levels; the gradient passes as if they were not.

    Halves go up, as OpenCV's do; a hair under a half is one, for float32 misses it.
    """
    return values + ((values * levels + 0.5005).floor() / levels - values).detach()


def mirrored(place: Tensor, length: int) -> Tensor:
    """Return places (integers of any sign) reflected into 0 .. length - 1, the outermost not repeated."""
    period = max(2 * (length - 1), 1)
    place = torch.remainder(place, period)
    return torch.minimum(place, period - place) if length > 1 else place


@lru_cache(maxsize=1024)
def axis_taps(
    before: int, after: int, kernel: int, count: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return how OpenCV resizes an axis from `before` to `after` px with interpolation `kernel`.

    Starts, int32 (after), and weights, float32 (after x count): output i is the sum over t of weights[i, t]
    times input starts[i] + t. They are read off a resized identity matrix, so they are OpenCV's own, its
    border included. Raises ValueError where the kernel is wider than `count`.
    """
    eye = np.eye(before, dtype=np.float32)
    matrix = np.asarray(cv2.resize(eye, (before, after), interpolation=kernel), np.float32)
    matrix[np.abs(matrix) < 1e-7] = 0  # what rounding leaves of zero
    if kernel in (cv2.INTER_LINEAR, cv2.INTER_LANCZOS4):
        matrix[:] = np.rint(matrix * 2048) / 2048  # OpenCV's fixed point for 8-bit pictures
    used = matrix != 0
    starts = np.minimum(used.argmax(axis=1), max(before - count, 0)).astype(np.int32)
    place = starts[:, None] + np.arange(count)
    weights = np.take_along_axis(matrix, np.minimum(place, before - 1), axis=1) * (place < before)
    if not np.array_equal((weights != 0).sum(axis=1), used.sum(axis=1)):
        raise ValueError(f"{count} taps are too few to resize {before} px to {after}")
    weights.flags.writeable = starts.flags.writeable = False
    return starts, weights


def resampled(
    image: Tensor, starts: Tensor, weights: Tensor, dim: int, limits: Tensor | None = None
) -> Tensor:
    """Return B x C x H x W resampled along `dim` (2 or 3) by each sample's own taps.

    `starts` is int32, B x N; `weights` float32, B x N x T; the axis gets N places. `limits`, int32, B x 2,
    are the first and the last place that may be read; what lies beyond is taken from there.
    """
    batch, channels, height, width = image.shape
    length = starts.shape[1]
    shape = (batch, channels, height, length) if dim == 3 else (batch, channels, length, width)
    along = (batch, 1, 1, length) if dim == 3 else (batch, 1, length, 1)
    made = torch.zeros(shape, dtype=image.dtype, device=image.device)
    for tap in range(weights.shape[2]):
        place = (starts + tap).clamp(max=image.shape[dim] - 1)
        if limits is not None:
            place = torch.minimum(torch.maximum(place, limits[:, :1]), limits[:, 1:])
        place = place.reshape(along).long().expand(shape)
        made = made + torch.gather(image, dim, place) * weights[:, :, tap].reshape(along)
    return made
