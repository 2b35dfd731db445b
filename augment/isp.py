"""From the raw frame to the picture: demosaic, white balance, colour, tone, sharpening."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.light import CODED

__all__ = ["HEADROOM", "bin_quads", "demosaic", "refine", "tone_table"]

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
    saturation: int,
    tone: NDArray[np.uint8],
    planes: NDArray[np.uint8],
    y: int,
) -> None:
    """Set row `y` of `planes` (3 x rows x columns, a border of two px around) to the codes of light.

    65535 is full scale; the rows of light are written over.
    """
    width, full, mix = red.size, np.int32(65535), np.int32(saturation)
    for x in range(width):
        r, g, b = min(red[x], full), min(green[x], full), min(blue[x], full)
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
        first[x + 2] = tone[np.uint32(red[x])]
        second[x + 2] = tone[np.uint32(green[x])]
        third[x + 2] = tone[np.uint32(blue[x])]
    for row in (first, second, third):
        row[0] = row[1] = row[2]
        row[width + 2] = row[width + 3] = row[width + 1]


@kernel
def _balance(
    row: NDArray[np.uint16], y: int, black: int, gains: NDArray[np.int32], out: NDArray[np.int32]
) -> None:
    """Set `out` to row `y` of a raw frame, black taken away, times the gains (Q11) of its two colours."""
    floor, full, shift = np.int32(black), np.int32(65535), np.int32(11)
    even, odd = gains[y & 1], gains[(y & 1) + 1]
    for x in range(out.size):
        out[x] = min(np.int32((np.int32(row[x]) - floor) * (odd if x & 1 else even)) >> shift, full)


@kernel
def demosaic(
    raw: NDArray[np.uint16], black: int, gains: NDArray[np.int32], saturation: int, tone: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return red, green and blue codes, uint8, 3 x (height + 4) x (width + 4): a border repeats the edge.

    `raw` is RGGB with a border of two px; `gains` (Q11, white balance included) bring its steps to 65535 at
    full scale, where it is cut. Then missing colours are the mean of the two or four nearest sites: sharper
    filters (Malvar 2004) were tried and roughen noise and edges alike, as the parents are sharp to a px,
    which no lens is. `saturation` (Q12) scales the distance from grey of linear light.
    """
    height, width = raw.shape[0] - 4, raw.shape[1] - 4
    planes = np.empty((3, height + 4, width + 4), np.uint8)
    red, green, blue = (np.empty(width, np.int32), np.empty(width, np.int32), np.empty(width, np.int32))
    ready = np.empty((3, width + 4), np.int32)
    for y in range(2):
        _balance(raw[y + 1], y + 1, black, gains, ready[y])
    one, two = np.int32(1), np.int32(2)
    for y in range(height):
        _balance(raw[y + 3], y + 3, black, gains, ready[(y + 2) % 3])
        above, here, below = ready[y % 3], ready[(y + 1) % 3], ready[(y + 2) % 3]
        # the row's own colour stands at even or at odd places, green at the others
        phase = y & 1
        own, other = (blue, red) if phase else (red, blue)
        for x in range(width):
            site, across, upright = here[x + 2], here[x + 1] + here[x + 3], above[x + 2] + below[x + 2]
            corners = above[x + 1] + above[x + 3] + below[x + 1] + below[x + 3]
            on_green = (x & 1) != phase
            own[x] = np.int32(across) >> one if on_green else site
            green[x] = site if on_green else np.int32(across + upright) >> two
            other[x] = np.int32(upright) >> one if on_green else np.int32(corners) >> two
        _finish(red, green, blue, saturation, tone, planes, y + 2)
    _repeat_edges(planes)
    return planes


@kernel
def _repeat_edges(planes: NDArray[np.uint8]) -> None:
    """Set the two outermost rows at either end to the third."""
    last = planes.shape[1] - 3
    for plane in range(3):
        planes[plane, 0] = planes[plane, 1] = planes[plane, 2]
        planes[plane, last + 1] = planes[plane, last + 2] = planes[plane, last]


@kernel
def bin_quads(
    raw: NDArray[np.uint16], black: int, gains: NDArray[np.int32], saturation: int, tone: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return what `demosaic` does, of half the size: a bilinear demosaic averaged 2 x 2 in linear light.

    The mean over a cell of a bilinear demosaic is a fixed sum of sites: sixteenths of 9, 3, 3, 1 for red and
    blue, of 6, 6, 1, 1, 1, 1 for green.
    """
    height, width = (raw.shape[0] - 4) >> 1, (raw.shape[1] - 4) >> 1
    planes = np.empty((3, height + 4, width + 4), np.uint8)
    red, green, blue = (np.empty(width, np.int32), np.empty(width, np.int32), np.empty(width, np.int32))
    floor, three, six, nine = np.int32(16 * black), np.int32(3), np.int32(6), np.int32(9)
    red_gain, green_gain, blue_gain = gains[0] >> 2, gains[1] >> 2, gains[2] >> 2
    shift = np.int32(11)
    for y in range(height):
        a, b, c, d = raw[2 * y + 1], raw[2 * y + 2], raw[2 * y + 3], raw[2 * y + 4]
        for x in range(width):
            i = 2 * x + 1
            total = np.int32(b[i + 1]) * nine + (np.int32(b[i + 3]) + np.int32(d[i + 1])) * three
            red[x] = np.int32(total + np.int32(d[i + 3]) - floor) >> np.int32(2)
            total = np.int32(c[i + 2]) * nine + (np.int32(c[i]) + np.int32(a[i + 2])) * three
            blue[x] = np.int32(total + np.int32(a[i]) - floor) >> np.int32(2)
            total = (np.int32(b[i + 2]) + np.int32(c[i + 1])) * six + np.int32(a[i + 1]) + np.int32(b[i])
            green[x] = np.int32(total + np.int32(c[i + 3]) + np.int32(d[i + 2]) - floor) >> np.int32(2)
        for x in range(width):
            red[x] = np.int32(red[x] * np.int32(red_gain)) >> shift
            green[x] = np.int32(green[x] * np.int32(green_gain)) >> shift
            blue[x] = np.int32(blue[x] * np.int32(blue_gain)) >> shift
        _finish(red, green, blue, saturation, tone, planes, y + 2)
    _repeat_edges(planes)
    return planes


@kernel
def refine(planes: NDArray[np.uint8], amount: int, luma_core: int, chroma_core: int) -> NDArray[np.uint8]:
    """Return the codes, 3 x height x width, denoised and sharpened; `planes` has a border of two px.

    Luma (BT.601) detail is a code less its mean over 3 x 3 px with weights 1 2 1 along each axis; chroma
    detail is a code less luma, less the mean of that over 5 x 5 px with weights 1 2 2 2 1. Of either as much
    as its core (1/16 code) is taken for noise and cut (soft coring, Rossi 1978); what is left of luma's is
    added again 1 + `amount` (Q8) times.
    """
    height, width = planes.shape[1] - 4, planes.shape[2] - 4
    out = np.empty((3, height, width), np.uint8)
    near, far = np.empty(width + 4, np.int16), np.empty(width + 4, np.int16)
    detail, colour = np.empty((3, width), np.int16), np.empty((3, width), np.int16)
    luma, grey = np.empty(width, np.int32), np.empty(width, np.int32)
    two, six, eight, none, most = np.int32(2), np.int32(6), np.int32(8), np.int32(0), np.int32(255)
    core, cut, gain = np.int32(luma_core), np.int32(4 * chroma_core), np.int32(256 + amount)
    for y in range(height):
        for channel in range(3):
            up, above, here = planes[channel, y], planes[channel, y + 1], planes[channel, y + 2]
            below, down = planes[channel, y + 3], planes[channel, y + 4]
            # a result a loop: with more of them the compiler gives up telling their rows apart
            for x in range(width + 4):
                near[x] = np.int32(above[x]) + np.int32(below[x]) + two * np.int32(here[x])
            for x in range(width + 4):
                middle = np.int32(above[x]) + np.int32(below[x]) + np.int32(here[x])
                far[x] = np.int32(up[x]) + np.int32(down[x]) + two * middle
            row, wide = detail[channel], colour[channel]
            for x in range(width):
                mean = np.int32(near[x + 1]) + np.int32(near[x + 3]) + two * np.int32(near[x + 2])
                row[x] = np.int32(here[x + 2]) * np.int32(16) - mean
            for x in range(width):
                middle = np.int32(far[x + 1]) + np.int32(far[x + 2]) + np.int32(far[x + 3])
                mean = np.int32(far[x]) + np.int32(far[x + 4]) + two * middle
                wide[x] = np.int32(here[x + 2]) * np.int32(64) - mean
        _weigh(detail, luma)
        _weigh(colour, grey)
        for x in range(width):
            fine = luma[x]
            left = np.int32(fine - min(max(fine, -core), core))
            # what is added to every channel, in 1/16 code
            luma[x] = (np.int32(left * gain + np.int32(128)) >> eight) - fine
        for channel in range(3):
            here, wide, target = planes[channel, y + 2], colour[channel], out[channel, y]
            for x in range(width):
                chroma = np.int32(wide[x] - grey[x])
                noise = np.int32(min(max(chroma, -cut), cut))
                change = np.int32(luma[x] * np.int32(4) - noise + np.int32(32)) >> six
                target[x] = min(max(np.int32(np.int32(here[x + 2]) + change), none), most)
    return out


@kernel
def _weigh(rows: NDArray[np.int16], luma: NDArray[np.int32]) -> None:
    """Set `luma` to the BT.601 luma of rows of red, green and blue."""
    red, green, blue = rows[0], rows[1], rows[2]
    for x in range(luma.size):
        total = np.int32(red[x]) * np.int32(77) + np.int32(green[x]) * np.int32(150)
        luma[x] = np.int32(total + np.int32(blue[x]) * np.int32(29) + np.int32(128)) >> np.int32(8)
