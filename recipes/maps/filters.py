"""Maps by linear filters: luma, its Laplacian, and the noise residuals of steganalysis."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.recipes.maps.base import check_picture

__all__ = ["SRM", "SRM_NAMES", "grey", "laplacian", "luma_of", "srm"]

SRM_NAMES: Final = ("3x3", "5x5", "1x3")
"""Second differences in both directions, the filter of Ker and Böhme, and second differences along rows."""

SRM: Final[tuple[tuple[tuple[tuple[int, ...], ...], int], ...]] = (
    (((-1, 2, -1), (2, -4, 2), (-1, 2, -1)), 4),
    (
        (
            (-1, 2, -2, 2, -1),
            (2, -6, 8, -6, 2),
            (-2, 8, -12, 8, -2),
            (2, -6, 8, -6, 2),
            (-1, 2, -2, 2, -1),
        ),
        12,
    ),
    (((1, -2, 1),), 2),
)
"""Integer weights and divisor of each filter. With integers, sums of 8-bit luma are exact in float32, in any
order and in TF32 too, so both twins agree."""


def luma_of(pixels: NDArray[np.uint8], name: str, least: int = 1) -> NDArray[np.uint8]:
    """Return the luma of a picture, uint8 h x w: Y' of ITU-R BT.601 in codes 0-255, as OpenCV rounds it."""
    check_picture(pixels, name, least)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return luma, float32 1 x h x w, in codes 0-255."""
    return luma_of(pixels, "grey")[None].astype(np.float32)


def laplacian(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the Laplacian of luma by four neighbours, float32 1 x h x w, in codes, -1020 to 1020.

    The border is repeated outwards. Its standard deviation is `sharpness` of datasets/quality.py.
    """
    luma = luma_of(pixels, "laplacian")
    found = cv2.Laplacian(luma, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)[None]


def srm(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what three high-pass filters leave of luma, float32 3 x h x w, in codes, within +-1020.

    The filters (SRM) give 0 on any plane of luma, so a smooth face leaves noise, and a print or a screen its
    lattice. The border is repeated outwards. Values are neither quantised nor truncated, as they are in the
    steganalysis model; truncate where a network asks for it.

    Source: Fridrich and Kodovsky 2012, Rich Models for Steganalysis of Digital Images (IEEE TIFS 7); the
    choice of three is that of Zhou et al. 2018, Learning Rich Features for Image Manipulation Detection
    (arXiv 1805.04953).
    """
    luma = luma_of(pixels, "srm")
    found = [
        cv2.filter2D(luma, cv2.CV_32F, np.array(weights, np.float32), borderType=cv2.BORDER_REPLICATE)
        / np.float32(divisor)
        for weights, divisor in SRM
    ]
    return np.stack(found)
