"""From the raw frame to the picture: demosaic, white balance, colour, tone, sharpening, JPEG."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.light import CODED
from facedata.augment.operator import Image

__all__ = ["HEADROOM", "bin_quads", "demosaic", "recompress", "refine", "tone_table"]

HEADROOM: Final = 2**0.5
"""Light that fills the sensor over diffuse white at exposure 0 (ISO 12232, saturation-based speed)."""
_GREY: Final = 0.18
_TONES: Final = 4096


@lru_cache(maxsize=256)
def tone_table(contrast: float, shoulder: float) -> NDArray[np.uint8]:
    """Return the sRGB code, uint8 x 4096, of light (k + 1/2) / 4096 of full scale.

    y = 0.18 (x / 0.18)^contrast about mid-grey, x relative to diffuse white; then `shoulder` 0-1 mixes a hard
    clip at white (0) with a roll-off (1) that is straight to 0.6 and brings full scale to 1 with a rational
    curve of continuous slope.
    """
    y = _GREY * np.exp(contrast * _LOGARITHMS)
    knee, top = 0.6, max(1.0, float(y[-1]))
    over = np.maximum(y - knee, 0)
    # over / (1 + over * bend) has slope 1 at the knee, and reaches 1 - knee at the top
    bend = 1 / (1 - knee) - 1 / (top - knee)
    y += shoulder * (over / (1 + over * bend) - over)
    return np.asarray(CODED[np.minimum(np.rint(y * 65535), 65535).astype(np.int64) >> 2], np.uint8)


_LOGARITHMS: Final = np.log((np.arange(_TONES) + 0.5) / _TONES * HEADROOM / _GREY)
"""Logarithm of each entry's light over mid-grey."""


@kernel
def _finish(
    red: NDArray[np.int32],
    green: NDArray[np.int32],
    blue: NDArray[np.int32],
    gains: NDArray[np.int32],
    shift: int,
    saturation: int,
    tone: NDArray[np.uint8],
    planes: NDArray[np.uint8],
    y: int,
) -> None:
    """Set row `y` of `planes` (3 x rows x columns, a border of one px around) to the codes of light."""
    width, down = red.size, np.int32(shift)
    full, mix = np.int32(65535), np.int32(saturation)
    red_gain, green_gain, blue_gain = gains[0], gains[1], gains[2]
    for x in range(width):
        r = min(np.int32(red[x] * red_gain) >> down, full)
        g = min(np.int32(green[x] * green_gain) >> down, full)
        b = min(np.int32(blue[x] * blue_gain) >> down, full)
        # Rec. 709 luminance; products are cast to stay within 32 bits, which vectors are made of
        grey = np.int32(r * np.int32(6966) + g * np.int32(23436) + b * np.int32(2366)) >> np.int32(15)
        r = grey + (np.int32((r - grey) * mix) >> np.int32(12))
        g = grey + (np.int32((g - grey) * mix) >> np.int32(12))
        b = grey + (np.int32((b - grey) * mix) >> np.int32(12))
        red[x] = min(max(r, np.int32(0)), full) >> np.int32(4)
        green[x] = min(max(g, np.int32(0)), full) >> np.int32(4)
        blue[x] = min(max(b, np.int32(0)), full) >> np.int32(4)
    first, second, third = planes[0, y], planes[1, y], planes[2, y]
    for x in range(width):
        first[x + 1] = tone[np.uint32(red[x])]
        second[x + 1] = tone[np.uint32(green[x])]
        third[x + 1] = tone[np.uint32(blue[x])]
    for row in (first, second, third):
        row[0], row[width + 1] = row[1], row[width]


@kernel
def demosaic(
    raw: NDArray[np.uint16],
    black: int,
    gains: NDArray[np.int32],
    shift: int,
    saturation: int,
    tone: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Return red, green and blue codes, uint8, 3 x (height + 2) x (width + 2): a border repeats the edge.

    `raw` is RGGB with a border of one px. Missing colours are the means of the two or four nearest sites.
    Four times the raw signal, times `gains`, over 2^shift, is 65535 at full scale, white balance included;
    `saturation` (Q12) scales the distance from grey of linear light.
    """
    height, width = raw.shape[0] - 2, raw.shape[1] - 2
    planes = np.empty((3, height + 2, width + 2), np.uint8)
    red, green, blue = (np.empty(width, np.int32), np.empty(width, np.int32), np.empty(width, np.int32))
    floor = np.int32(4 * black)
    for y in range(height):
        above, here, below = raw[y], raw[y + 1], raw[y + 2]
        # the row's own colour stands at even or at odd places, green at the others
        phase = y & 1
        own, other = (blue, red) if phase else (red, blue)
        for x in range(width):
            site = np.int32(here[x + 1]) * np.int32(4)
            across = (np.int32(here[x]) + np.int32(here[x + 2])) * np.int32(2)
            upright = (np.int32(above[x + 1]) + np.int32(below[x + 1])) * np.int32(2)
            corners = (
                np.int32(above[x]) + np.int32(above[x + 2]) + np.int32(below[x]) + np.int32(below[x + 2])
            )
            cross = np.int32(across + upright) >> np.int32(1)
            on_green = (x & 1) != phase
            own[x] = (across if on_green else site) - floor
            green[x] = (site if on_green else cross) - floor
            other[x] = (upright if on_green else corners) - floor
        _finish(red, green, blue, gains, shift, saturation, tone, planes, y + 1)
    planes[:, 0], planes[:, height + 1] = planes[:, 1], planes[:, height]
    return planes


@kernel
def bin_quads(
    raw: NDArray[np.uint16],
    black: int,
    gains: NDArray[np.int32],
    shift: int,
    saturation: int,
    tone: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Return what `demosaic` does, averaged 2 x 2 before colour and tone: half the size.

    The mean over a cell of a bilinear demosaic is a fixed sum of sites: sixteenths of 9, 3, 3, 1 for red and
    blue, of 6, 6, 1, 1, 1, 1 for green.
    """
    height, width = (raw.shape[0] - 2) >> 1, (raw.shape[1] - 2) >> 1
    planes = np.empty((3, height + 2, width + 2), np.uint8)
    red, green, blue = (np.empty(width, np.int32), np.empty(width, np.int32), np.empty(width, np.int32))
    floor, three, six, nine = np.int32(16 * black), np.int32(3), np.int32(6), np.int32(9)
    for y in range(height):
        a, b, c, d = raw[2 * y], raw[2 * y + 1], raw[2 * y + 2], raw[2 * y + 3]
        for x in range(width):
            i = 2 * x
            total = np.int32(b[i + 1]) * nine + (np.int32(b[i + 3]) + np.int32(d[i + 1])) * three
            red[x] = np.int32(total + np.int32(d[i + 3]) - floor) >> np.int32(2)
            total = np.int32(c[i + 2]) * nine + (np.int32(c[i]) + np.int32(a[i + 2])) * three
            blue[x] = np.int32(total + np.int32(a[i]) - floor) >> np.int32(2)
            total = (np.int32(b[i + 2]) + np.int32(c[i + 1])) * six + np.int32(a[i + 1]) + np.int32(b[i])
            green[x] = np.int32(total + np.int32(c[i + 3]) + np.int32(d[i + 2]) - floor) >> np.int32(2)
        _finish(red, green, blue, gains, shift, saturation, tone, planes, y + 1)
    planes[:, 0], planes[:, height + 1] = planes[:, 1], planes[:, height]
    return planes


@kernel
def refine(planes: NDArray[np.uint8], amount: int, core: int, chroma: int) -> NDArray[np.uint8]:
    """Return the codes, 3 x height x width, denoised and sharpened; `planes` has a border of one px.

    Detail is a code less its mean over 3 x 3 px with weights 1 2 1 along each axis, in luma (BT.601) and in
    chroma, the rest. Of luma detail as much as `core` (1/16 code) is taken for noise and cut (soft coring);
    what is left is added again 1 + `amount` (Q8) times; of chroma detail, `chroma` (Q8) is left.
    """
    height, width = planes.shape[1] - 2, planes.shape[2] - 2
    out = np.empty((3, height, width), np.uint8)
    sums = np.empty(width + 2, np.int32)
    detail, luma = np.empty((3, width), np.int32), np.empty(width, np.int32)
    two, four, eight = np.int32(2), np.int32(4), np.int32(8)
    threshold, gain, kept = np.int32(core), np.int32(256 + amount), np.int32(chroma)
    for y in range(height):
        for channel in range(3):
            above, here, below = planes[channel, y], planes[channel, y + 1], planes[channel, y + 2]
            row = detail[channel]
            for x in range(width + 2):
                sums[x] = np.int32(above[x]) + two * np.int32(here[x]) + np.int32(below[x])
            for x in range(width):
                row[x] = (np.int32(here[x + 1]) << four) - sums[x] - two * sums[x + 1] - sums[x + 2]
        red, green, blue = detail[0], detail[1], detail[2]
        for x in range(width):
            total = red[x] * np.int32(77) + green[x] * np.int32(150) + blue[x] * np.int32(29)
            luma[x] = np.int32(total + np.int32(128)) >> eight
        for channel in range(3):
            here, row, target = planes[channel, y + 1], detail[channel], out[channel, y]
            for x in range(width):
                size = max(abs(luma[x]) - threshold, np.int32(0))
                shaped = (size if luma[x] >= 0 else -size) * gain + (row[x] - luma[x]) * kept
                change = np.int32(shaped - (row[x] << eight) + np.int32(2048)) >> np.int32(12)
                target[x] = min(max(np.int32(here[x + 1]) + change, np.int32(0)), np.int32(255))
    return out


def recompress(bgr: Image, quality: int) -> Image:
    """Return the picture (uint8, blue first) after JPEG of this quality, chroma halved both ways (4:2:0)."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", bgr, settings)[1], cv2.IMREAD_COLOR), np.uint8)
