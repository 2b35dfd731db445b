"""Maps of local patterns: binary patterns, histograms of gradients, and the patch with the most texture."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from facedata.recipes.maps.base import check_picture
from facedata.recipes.maps.filters import luma_of

__all__ = [
    "BLOCK",
    "CELL",
    "NEIGHBOURS",
    "ORIENTATIONS",
    "PATCH",
    "hog",
    "hog_drawn",
    "lbp",
    "richest_drawn",
    "richest_patch",
    "richest_place",
]

NEIGHBOURS: Final = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
"""(row, column) of the neighbour of each bit, from the lowest: the right one, then against the clock."""

ORIENTATIONS: Final = 9
CELL: Final = 8
"""Side of a cell of HOG, px."""
BLOCK: Final = 2
"""Side of a block of HOG, cells."""
PATCH: Final = 32
"""Side of the richest patch, px."""


def lbp(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return local binary patterns of luma, float32 1 x h x w: whole numbers 0-255.

    Bit k of a pixel's pattern is set where neighbour k (see NEIGHBOURS) is at least as bright as the pixel;
    the border is repeated outwards. Neighbours are those of the square of 3 x 3: no interpolation, so equal
    pixels compare as equal.

    Source: Ojala, Pietikäinen and Harwood 1996 (Pattern Recognition 29); the order of bits is that of Ojala,
    Pietikäinen and Mäenpää 2002 (IEEE TPAMI 24).
    """
    luma = luma_of(pixels, "lbp")
    height, width = luma.shape
    padded = np.pad(luma, 1, mode="edge")
    found = np.zeros((height, width), np.uint8)
    for bit, (row, column) in enumerate(NEIGHBOURS):
        neighbour = padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
        found |= (neighbour >= luma).astype(np.uint8) << np.uint8(bit)
    return found[None].astype(np.float32)


def hog(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return histograms of oriented gradients of luma, float32 36 x rows x columns, 0-1.

    Cells of 8 x 8 px vote into 9 orientations over 180 degrees; blocks of 2 x 2 cells, one cell apart, are
    normalised by L2-Hys. There are h // 8 - 1 rows; channel (i * 2 + j) * 9 + o is orientation o of the
    block's cell in row i and column j. By scikit-image, which does not share a vote between bins.

    Source: Dalal and Triggs 2005, Histograms of Oriented Gradients for Human Detection (CVPR).
    """
    found, _ = _hog(pixels, drawn=False)
    rows, columns = found.shape[:2]
    return found.reshape(rows, columns, -1).transpose(2, 0, 1).astype(np.float32)


def hog_drawn(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the cells' histograms as strokes along edges, uint8 h x w, the picture's strongest at 255."""
    _, image = _hog(pixels, drawn=True)
    return np.round(255 * image / max(float(image.max()), 1e-6)).astype(np.uint8)


def _hog(pixels: NDArray[np.uint8], *, drawn: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    luma = luma_of(pixels, "hog", BLOCK * CELL)
    from skimage.feature import hog as library  # here: it is of the extra `maps`

    found = library(
        luma,
        orientations=ORIENTATIONS,
        pixels_per_cell=(CELL, CELL),
        cells_per_block=(BLOCK, BLOCK),
        block_norm="L2-Hys",
        feature_vector=False,
        visualize=drawn,
    )
    return found if drawn else (found, np.zeros(0))


def richest_place(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """Return (top, left) of the patch of 32 x 32 px in which luma changes most, of those 16 px apart.

    Texture is the sum of absolute differences to the neighbours in four directions (along rows, columns and
    both diagonals) inside the patch; the first of equal ones counts. Sums are whole numbers.

    Source: Zhong et al. 2023, PatchCraft (arXiv 2311.12397), where patches are drawn at random.
    """
    luma = luma_of(pixels, "richest-patch", PATCH).astype(np.int32)
    steps = (
        luma[:, 1:] - luma[:, :-1],
        luma[1:] - luma[:-1],
        luma[1:, 1:] - luma[:-1, :-1],
        luma[1:, :-1] - luma[:-1, 1:],
    )
    height, width = luma.shape
    stride = PATCH // 2
    texture = np.zeros(((height - PATCH) // stride + 1, (width - PATCH) // stride + 1), np.int64)
    for step in steps:
        window = (PATCH - height + step.shape[0], PATCH - width + step.shape[1])
        texture += sliding_window_view(np.abs(step), window)[::stride, ::stride].sum(axis=(2, 3))
    row, column = np.unravel_index(int(texture.argmax()), texture.shape)
    return int(row) * stride, int(column) * stride


def richest_patch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the pixels of the patch that `richest_place` finds, float32 3 x 32 x 32 RGB, in codes 0-255."""
    top, left = richest_place(pixels)
    return pixels[top : top + PATCH, left : left + PATCH].transpose(2, 0, 1).astype(np.float32)


def richest_drawn(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return luma inside the richest patch, and 0 elsewhere, uint8 h x w."""
    check_picture(pixels, "richest-patch", PATCH)
    top, left = richest_place(pixels)
    place = (slice(top, top + PATCH), slice(left, left + PATCH))
    drawn = np.zeros(pixels.shape[:2], np.uint8)
    drawn[place] = luma_of(pixels, "richest-patch")[place]
    return drawn
