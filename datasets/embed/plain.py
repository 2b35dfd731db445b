"""An embedder that needs no weights: shape, edges and colour of a small copy of the picture.

256 numbers, three unit vectors side by side, so that a cosine is the mean of three:

- 80: the lowest 9 x 9 coefficients of the cosine transform of a 32 x 32 luma, without the constant one:
  where it is light and dark, whatever the exposure and the contrast;
- 144: histograms of 9 edge directions in 4 x 4 cells of a 64 x 64 luma (after Dalal and Triggs, CVPR 2005),
  less their mean, so that pictures do not resemble each other by having edges at all;
- 32: mean Cb and Cr in 4 x 4 cells; shorter than a unit vector where there is little colour.

It sees the same picture after recompression, resizing and small changes of exposure; it does not see it
mirrored, turned or cropped by much, and knows nothing of who is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.pictures import Picture

__all__ = ["Plain"]

_SIDE = 64
_CELLS = 4
_DIRECTIONS = 9
_WAVES = 9
_GREY = 12.0  # chroma of this norm counts by half: below it, colour is mostly noise of compression


class Plain:
    """The embedder `plain`, 256 dimensions."""

    name = "plain"
    key = "plain-1"
    width = _WAVES * _WAVES - 1 + _CELLS * _CELLS * (_DIRECTIONS + 2)
    dtype: np.dtype[Any] = np.dtype(np.float32)
    in_workers = True
    near = 0.95

    def of(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Return float32, pictures x 256."""
        return np.stack([_vector(one.pixels) for one in pictures])


def _vector(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    tones = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    luma = np.ascontiguousarray(tones[:, :, 0])
    colour = cv2.resize(tones[:, :, 1:], (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    chroma = np.asarray(colour.ravel() - 128, np.float32)
    return np.concatenate([_unit(_waves(luma)), _unit(_edges(luma)), _unit(chroma, _GREY)])


def _waves(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    half = cv2.resize(luma, (_SIDE // 2, _SIDE // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.dct(half)[:_WAVES, :_WAVES].ravel()[1:], np.float32)


def _edges(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, borderType=cv2.BORDER_REPLICATE)
    along = cv2.Sobel(luma, cv2.CV_32F, 0, 1, borderType=cv2.BORDER_REPLICATE)
    size, angle = cv2.cartToPolar(across, along)
    # An edge has a direction and no sense: dark on light is light on dark. Each pixel counts for the two
    # directions next to its own, so that a small turn changes little.
    place = np.mod(angle, np.pi) * (_DIRECTIONS / np.pi)
    lower = np.floor(place)
    share = place - lower
    first = lower.astype(np.int64) % _DIRECTIONS
    step = _SIDE // _CELLS
    cell = np.arange(_SIDE) // step
    where = (cell[:, None] * _CELLS + cell[None, :]) * _DIRECTIONS
    weight = np.sqrt(size)  # a strong edge must not drown the others
    length = _CELLS * _CELLS * _DIRECTIONS
    found = np.bincount((where + first).ravel(), (weight * (1 - share)).ravel(), length)
    found += np.bincount((where + (first + 1) % _DIRECTIONS).ravel(), (weight * share).ravel(), length)
    return np.asarray(found - found.mean(), np.float32)


def _unit(vector: NDArray[np.float32], soft: float = 1e-3) -> NDArray[np.float32]:
    """Return a vector of length |v| / sqrt(|v|^2 + soft^2): one, or none where there is nothing."""
    return np.asarray(vector / np.sqrt(np.square(vector).sum() + np.float32(soft) ** 2), np.float32)
