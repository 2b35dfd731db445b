"""Numbers that say how a picture looks, cheap enough to take of every one.

They describe; they do not judge. A dataset whose attacks are all darker or softer than its live faces teaches
a detector just that, and these numbers show it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facedata.datasets.pictures import Picture, suffix_of

__all__ = ["FILE_TYPES", "Look", "LookMeasure", "Quality", "blur_and_noise", "look_of", "quality_of"]

FILE_TYPES = ("jpg", "png", "webp")
"""File types of stored pictures, by the number that `Look.file_type` has."""

_WORKING_SIDE = 256  # pixels of the longer side, on which blur is taken
_BLUR_TAPS = 9  # of the filter that blurs again, as in the paper
_BLACK, _WHITE = 5, 250  # luma at and beyond which a pixel counts as clipped
_CELL = 8  # pixels: a JPEG block

# Table K.1 of ITU-T T.81 in the order of rows: what libjpeg scales to a quality.
_LUMA_TABLE = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61),
        *(12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56),
        *(14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77),
        *(24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101),
        *(72, 92, 95, 98, 112, 100, 103, 99),
    ],
    np.float64,
)
_QUALITIES = np.arange(1, 101)
_PERCENT = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)[:, None]
_SCALED = np.clip((_LUMA_TABLE * _PERCENT + 50) // 100, 1, 255)


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


@dataclass(frozen=True, slots=True)
class Look:
    """More of the same, for an audit; NaN where a picture has no such number.

    - `blur`: 0 sharp to 1 blurred, the blur effect of Crété, Dolmiere, Ladret and Nicolas (SPIE 6492, 2007):
      how little a picture changes when it is blurred again. Taken on a copy of which the longer side is at
      most 256 pixels, so that pictures of several sizes compare as a detector meets them.
    - `noise`: the standard deviation of noise in luma, after Immerkær, Fast noise variance estimation
      (CVIU 64, 1996). Fine texture counts as noise.
    - `dark`, `bright`: shares of pixels with luma up to 5, and from 250.
    - `blockiness`: how much larger the steps between neighbours are on one of the eight grids of 8 pixels
      than elsewhere, as a ratio, the larger of rows and columns; about 1 where there is no grid. It outlives
      a change of file type.
    - `jpeg_quality`: 1-100, the scale of libjpeg that fits the file's luma table best; NaN for another type.
    - `bits`: bits of the file for a pixel. `side`: the shorter side, pixels. `file_type`: an index of
      FILE_TYPES.
    """

    brightness: float
    contrast: float
    sharpness: float
    blur: float
    noise: float
    dark: float
    bright: float
    blockiness: float
    jpeg_quality: float
    bits: float
    side: float
    file_type: float


class LookMeasure:
    """`Look` as a measure of datasets (measuring.py); the columns are `names`."""

    key = "look-1"
    names = tuple(field.name for field in fields(Look))
    width = len(names)
    dtype: np.dtype[Any] = np.dtype(np.float32)
    in_workers = True

    def of(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Return the numbers of each picture."""
        return np.array([astuple(look_of(one.pixels, one.data)) for one in pictures], np.float32)


def quality_of(pixels: NDArray[np.uint8]) -> Quality:
    """Return the quality of a picture, uint8 height x width x 3 RGB."""
    return _quality(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def look_of(pixels: NDArray[np.uint8], data: bytes) -> Look:
    """Return how a picture looks: uint8 height x width x 3 RGB pixels, and the bytes of its file."""
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = luma.shape
    quality = _quality(luma)
    counts = cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel() / luma.size
    return Look(
        brightness=quality.brightness,
        contrast=quality.contrast,
        sharpness=quality.sharpness,
        blur=_blur(luma),
        noise=_noise(luma),
        dark=float(counts[: _BLACK + 1].sum()),
        bright=float(counts[_WHITE:].sum()),
        blockiness=float(np.fmax(_blockiness(luma), _blockiness(cv2.transpose(luma)))),
        jpeg_quality=_jpeg_quality(data),
        bits=8 * len(data) / luma.size,
        side=min(height, width),
        file_type=FILE_TYPES.index(suffix_of(data)),
    )


def blur_and_noise(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Return `blur` and `noise` of a picture as `look_of` does, and nothing else: for those who ask often."""
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return _blur(luma), _noise(luma)


def _quality(luma: NDArray[Any]) -> Quality:
    edges = cv2.Laplacian(luma, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE)
    mean, deviation = cv2.meanStdDev(luma)
    return Quality(float(mean[0, 0]), float(deviation[0, 0]), float(cv2.meanStdDev(edges)[1][0, 0]))


def _blur(luma: NDArray[Any]) -> float:
    """Return the larger of the blur across and along, NaN where nothing changes at all."""
    scale = _WORKING_SIDE / max(luma.shape)
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in luma.shape[::-1])
        luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    fine = luma.astype(np.float32)
    found = []
    for picture in (fine, cv2.transpose(fine)):
        if picture.shape[1] < 2:
            continue
        again = cv2.blur(picture, (_BLUR_TAPS, 1), borderType=cv2.BORDER_REFLECT_101)
        before = cv2.absdiff(picture[:, 1:], picture[:, :-1])
        after = cv2.absdiff(again[:, 1:], again[:, :-1])
        if (total := cv2.sumElems(before)[0]) > 0:
            # What blurring took: each step less its remainder, and nothing where the step grew.
            found.append(1 - cv2.sumElems(np.maximum(before - after, 0))[0] / total)
    return max(found, default=float("nan"))


def _noise(luma: NDArray[Any]) -> float:
    """Return sigma from the mean magnitude under a mask that planes and straight edges leave at nought."""
    height, width = luma.shape
    if height < 3 or width < 3:
        return float("nan")
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    found = cv2.filter2D(luma, cv2.CV_32F, mask)[1:-1, 1:-1]
    # The mask's weights have the norm 6, and the mean magnitude of a normal deviate is sqrt(2 / pi).
    return float(np.sqrt(np.pi / 2) / 6 * cv2.norm(found, cv2.NORM_L1) / found.size)


def _blockiness(luma: NDArray[Any]) -> float:
    """Return the mean step on the strongest of eight grids over the mean step on the others, for columns."""
    if luma.shape[1] <= 2 * _CELL:
        return float("nan")
    steps = cv2.reduce(cv2.absdiff(luma[:, 1:], luma[:, :-1]), 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    whole = len(steps) // _CELL * _CELL
    phases = steps[:whole].reshape(-1, _CELL).sum(axis=0)
    strongest = int(phases.max())
    others = (int(phases.sum()) - strongest) / (_CELL - 1)
    return strongest / others if others > 0 else float("nan")


def _jpeg_quality(data: bytes) -> float:
    if data[:2] != b"\xff\xd8":
        return float("nan")
    with Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as image:
        table = image.quantization.get(0)  # type: ignore[attr-defined]
    if table is None or len(table) != _LUMA_TABLE.size:
        return float("nan")
    distance = np.abs(_SCALED - np.asarray(table)).sum(axis=1)
    return float(_QUALITIES[distance.argmin()])
