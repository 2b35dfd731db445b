"""From the raw frame to the picture: demosaic, white balance, colour, tone, sharpening, JPEG."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.light import srgb_encode
from facedata.augment.operator import Image

__all__ = ["HEADROOM", "bin_quads", "demosaic", "recompress", "sharpen", "tone_table"]

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
    x = (np.arange(_TONES) + 0.5) / _TONES * HEADROOM
    y = _GREY * np.exp(contrast * np.log(x / _GREY))
    knee, top = 0.6, max(1.0, _GREY * float(np.exp(contrast * np.log(HEADROOM / _GREY))))
    over = np.maximum(y - knee, 0)
    # over / (1 + over * bend) has slope 1 at the knee, and reaches 1 - knee at the top
    bend = 1 / (1 - knee) - 1 / (top - knee)
    soft = np.minimum(y, knee) + over / (1 + over * bend)
    return np.asarray(np.rint(srgb_encode((1 - shoulder) * y + shoulder * soft) * 255), np.uint8)


@kernel
def _finish(
    red: np.int64,
    green: np.int64,
    blue: np.int64,
    gains: NDArray[np.int64],
    saturation: int,
    tone: NDArray[np.uint8],
    pixel: NDArray[np.uint8],
) -> int:
    """Set `pixel` to the codes, blue first, of raw sums less black; return their luma (0-255)."""
    r = min((red * gains[0]) >> 16, 65535)
    g = min((green * gains[1]) >> 16, 65535)
    b = min((blue * gains[2]) >> 16, 65535)
    grey = (r * 13933 + g * 46871 + b * 4732) >> 16
    r = grey + (((r - grey) * saturation) >> 12)
    g = grey + (((g - grey) * saturation) >> 12)
    b = grey + (((b - grey) * saturation) >> 12)
    red_code = tone[np.uint64(min(max(r, 0), 65535) >> 4)]
    green_code = tone[np.uint64(min(max(g, 0), 65535) >> 4)]
    blue_code = tone[np.uint64(min(max(b, 0), 65535) >> 4)]
    pixel[0], pixel[1], pixel[2] = blue_code, green_code, red_code
    return int((np.int64(red_code) * 77 + np.int64(green_code) * 150 + np.int64(blue_code) * 29 + 128) >> 8)


@kernel
def demosaic(
    raw: NDArray[np.uint16], black: int, gains: NDArray[np.int64], saturation: int, tone: NDArray[np.uint8]
) -> tuple[Image, NDArray[np.int16]]:
    """Return the picture (uint8, height x width x 3, BLUE first) and its luma (int16, with a border of 1 px).

    `raw` is RGGB with a border of one px. Missing colours are the means of the two or four nearest sites.
    `gains` (Q16) bring four times the raw signal to 65535 = full scale, white balance included; `saturation`
    (Q12) scales the distance from grey (Rec. 709 luminance) of linear light.
    """
    height, width = raw.shape[0] - 2, raw.shape[1] - 2
    out = np.empty((height, width, 3), np.uint8)
    luma = np.empty((height + 2, width + 2), np.int16)
    floor = np.int64(4 * black)
    for y in range(height):
        above, here, below = raw[y], raw[y + 1], raw[y + 2]
        for x in range(width):
            own = np.int64(here[x + 1]) * 4
            across = (np.int64(here[x]) + here[x + 2]) * 2
            upright = (np.int64(above[x + 1]) + below[x + 1]) * 2
            corners = np.int64(above[x]) + above[x + 2] + below[x] + below[x + 2]
            cross = (across + upright) >> 1
            if y & 1:
                if x & 1:
                    red, green, blue = corners, cross, own
                else:
                    red, green, blue = upright, own, across
            elif x & 1:
                red, green, blue = across, own, upright
            else:
                red, green, blue = own, cross, corners
            luma[y + 1, x + 1] = _finish(
                red - floor, green - floor, blue - floor, gains, saturation, tone, out[y, x]
            )
    _frame(luma)
    return out, luma


@kernel
def bin_quads(
    raw: NDArray[np.uint16], black: int, gains: NDArray[np.int64], saturation: int, tone: NDArray[np.uint8]
) -> tuple[Image, NDArray[np.int16]]:
    """Return what `demosaic` does, averaged 2 x 2 before colour and tone: half the size.

    The mean over a cell of a bilinear demosaic is a fixed sum of sites, sixteenths of 9, 3, 3, 1 for red and
    blue, of 6, 6, 1, 1, 1, 1 for green.
    """
    height, width = (raw.shape[0] - 2) >> 1, (raw.shape[1] - 2) >> 1
    out = np.empty((height, width, 3), np.uint8)
    luma = np.empty((height + 2, width + 2), np.int16)
    floor = np.int64(16 * black)
    for y in range(height):
        first, second, third, fourth = raw[2 * y], raw[2 * y + 1], raw[2 * y + 2], raw[2 * y + 3]
        for x in range(width):
            i = 2 * x
            red = np.int64(second[i + 1]) * 9 + (np.int64(second[i + 3]) + fourth[i + 1]) * 3 + fourth[i + 3]
            blue = np.int64(third[i + 2]) * 9 + (np.int64(third[i]) + first[i + 2]) * 3 + first[i]
            green = (np.int64(second[i + 2]) + third[i + 1]) * 6
            green += np.int64(first[i + 1]) + second[i] + third[i + 3] + fourth[i + 2]
            luma[y + 1, x + 1] = _finish(
                (red - floor) >> 2,
                (green - floor) >> 2,
                (blue - floor) >> 2,
                gains,
                saturation,
                tone,
                out[y, x],
            )
    _frame(luma)
    return out, luma


@kernel
def _frame(luma: NDArray[np.int16]) -> None:
    """Repeat the outermost px of the picture in the border."""
    luma[:, 0] = luma[:, 1]
    luma[:, -1] = luma[:, -2]
    luma[0] = luma[1]
    luma[-1] = luma[-2]


@kernel
def sharpen(image: Image, luma: NDArray[np.int16], amount: int) -> None:
    """Add `amount` (Q8) of the luma's detail to all channels of `image` in place (unsharp masking).

    Detail is the luma less its mean over 3 x 3 px with weights 1 2 1 along each axis.
    """
    height, width, _ = image.shape
    for y in range(height):
        above, here, below, row = luma[y], luma[y + 1], luma[y + 2], image[y]
        for x in range(width):
            near = np.int32(above[x + 1]) + below[x + 1] + here[x] + here[x + 2]
            far = np.int32(above[x]) + above[x + 2] + below[x] + below[x + 2]
            detail = 12 * np.int32(here[x + 1]) - 2 * near - far
            step = (detail * amount + 2048) >> 12
            for channel in range(3):
                row[x, channel] = min(max(np.int32(row[x, channel]) + step, 0), 255)


def recompress(bgr: Image, quality: int) -> Image:
    """Return the picture (uint8, blue first) after JPEG of this quality, chroma halved both ways (4:2:0)."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", bgr, settings)[1], cv2.IMREAD_COLOR), np.uint8)
