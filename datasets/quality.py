"""Three numbers that say how a picture looks, cheap enough to take of every one.

They describe; they do not judge. A dataset whose attacks are all darker or softer than its live faces teaches
a detector just that, and these numbers show it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Quality", "quality_of"]


@dataclass(frozen=True, slots=True)
class Quality:
    """Measured on luma, Y' of ITU-R BT.601, which runs from 0 to 255.

    `brightness` is its mean, `contrast` its standard deviation, and `sharpness` the standard deviation of its
    Laplacian (4 neighbours): the square root of LAPV in Pertuz, Puig and Garcia, Analysis of focus measure
    operators for shape-from-focus, Pattern Recognition 46 (2013). Noise counts as sharpness, and sharpness is
    comparable between pictures of one size only.
    """

    brightness: float
    contrast: float
    sharpness: float


def quality_of(pixels: NDArray[np.uint8]) -> Quality:
    """Return the quality of a picture, uint8 height x width x 3 RGB."""
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    edges = cv2.Laplacian(luma, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE)
    return Quality(float(luma.mean()), float(luma.std()), float(edges.std(dtype=np.float64)))
