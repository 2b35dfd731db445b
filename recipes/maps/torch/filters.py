"""Luma, its Laplacian and noise residuals of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facedata.recipes.maps.filters import SRM
from facedata.recipes.maps.torch.luma import in_float32, luma_of

__all__ = ["grey", "laplacian", "srm"]

_LAPLACIAN = ((0, 1, 0), (1, -4, 1), (0, 1, 0))


@in_float32
def grey(pictures: Tensor) -> Tensor:
    """Return luma, n x 1 x h x w; see maps/filters.py."""
    return luma_of(pictures, "grey")


@in_float32
def laplacian(pictures: Tensor) -> Tensor:
    """Return the Laplacian, n x 1 x h x w; see maps/filters.py."""
    return _filtered(luma_of(pictures, "laplacian"), _LAPLACIAN)


@in_float32
def srm(pictures: Tensor) -> Tensor:
    """Return noise residuals, n x 3 x h x w; see maps/filters.py."""
    luma = luma_of(pictures, "srm")
    return torch.cat([_filtered(luma, weights) / divisor for weights, divisor in SRM], 1)


def _filtered(luma: Tensor, weights: tuple[tuple[int, ...], ...]) -> Tensor:
    kernel = luma.new_tensor(weights)
    down, right = kernel.shape[0] // 2, kernel.shape[1] // 2
    return functional.conv2d(
        functional.pad(luma, (right, right, down, down), "replicate"), kernel[None, None]
    )
