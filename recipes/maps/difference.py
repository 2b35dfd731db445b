"""The difference between a picture and what a model makes of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import UsageError
from facedata.recipes.maps.base import check_picture

__all__ = ["difference"]


def difference(pixels: NDArray[np.uint8], made: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean absolute difference over RGB, rounded, float32 1 x h x w: whole codes 0-255.

    The rows that `facedata synth despoof` makes have it as their layer `residual`: this is the same function.
    """
    from facedata.synth.despoof import residual_map  # here: it imports torch

    for one in (pixels, made):
        check_picture(one, "difference")
    if pixels.shape != made.shape:
        raise UsageError(f"difference: the pictures are of {pixels.shape} and {made.shape}; resize one")
    return residual_map(pixels, made)[None].astype(np.float32)
