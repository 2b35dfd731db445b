"""What JPEG leaves of a picture, without the bits in between.

A file holds the quantised cosine transform exactly, so that writing and reading it again comes to this: luma
and chroma (ITU-T T.871), chroma halved both ways, cosines of blocks of 8 x 8 px, quantised (T.81), and all of
it backwards. In the integers of libjpeg (its "islow" transform, its smooth enlargement of chroma) the result
is that of `cv2.imencode` and `cv2.imdecode` to the bit, in less than half the time.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel

__all__ = ["recompressed"]

Plane = NDArray[np.uint8]
Whole = NDArray[np.int32]
Eight = tuple[
    np.int32, np.int32, np.int32, np.int32, np.int32, np.int32, np.int32, np.int32
]  # samples or cosines along one axis of a block

_LEAST_WIDTH: Final = 5
"""Width in px from which on chroma is enlarged smoothly; libjpeg repeats it in narrower pictures."""

_LUMA_STEPS: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_STEPS: Final = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
"""Steps of quantisation at quality 50 (T.81, tables K.1 and K.2)."""

_GROUP: Final = 16
"""Blocks that go through the transform side by side, a sample of each: what the compiler makes vectors of."""
_SPAN: Final = 8 * _GROUP

_I = np.int32


def _q13(value: float) -> np.int32:
    return _I(round(value * 8192))


# the rotations of Loeffler, Ligtenberg and Moschytz (ICASSP 1989, figure 1), times sqrt 2, Q13
_C1, _C2, _C3, _C5, _C6, _C7 = (math.sqrt(2) * math.cos(k * math.pi / 16) for k in (1, 2, 3, 5, 6, 7))
_EVEN, _EVEN_2, _EVEN_6 = _q13(_C6), _q13(_C2 - _C6), _q13(_C2 + _C6)
_ODD, _ODD_1, _ODD_2 = _q13(_C3), _q13(_C3 - _C7), _q13(_C1 + _C3)
_ODD_3, _ODD_4 = _q13(_C3 + _C5), _q13(_C3 - _C5)
_OUT_1, _OUT_3 = _q13(_C1 + _C3 - _C5 - _C7), _q13(_C1 + _C3 + _C5 - _C7)
_OUT_5, _OUT_7 = _q13(_C1 + _C3 - _C5 + _C7), _q13(-_C1 + _C3 + _C5 - _C7)


def recompressed(planes: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return red, green and blue (uint8, 3 x height x width) after JPEG of `quality` 1-100, chroma 4:2:0."""
    if planes.shape[2] < _LEAST_WIDTH:
        settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
        coded = cv2.imencode(".jpg", cv2.merge(list(planes[::-1])), settings)[1]
        found = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
        return np.ascontiguousarray(np.moveaxis(found, 2, 0)[::-1])
    luma, chroma = _steps(quality)
    return passed(np.ascontiguousarray(planes), luma, chroma)


@cache
def _steps(quality: int) -> tuple[Whole, Whole]:
    """Return the steps of luma and chroma, int32, 8 x 128: rows; columns, each for 16 blocks side by side."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    scaled = [
        np.clip((np.array(table) * scale + 50) // 100, 1, 255) for table in (_LUMA_STEPS, _CHROMA_STEPS)
    ]
    luma, chroma = (np.repeat(table.astype(np.int32), _GROUP, axis=1) for table in scaled)
    return luma, chroma


@kernel
def passed(planes: NDArray[np.uint8], luma_steps: Whole, chroma_steps: Whole) -> NDArray[np.uint8]:
    """Return what `recompressed` does, by the steps of `_steps`."""
    _, height, width = planes.shape
    half_height, half_width = (height + 1) >> 1, (width + 1) >> 1
    wide, half_wide = -(-width // _SPAN) * _SPAN, -(-half_width // _SPAN) * _SPAN
    luma = np.empty((-(-height // 8) * 8, wide), np.uint8)
    blue = np.empty((-(-half_height // 8) * 8, half_wide), np.uint8)
    red = np.empty_like(blue)
    _part(planes, luma, blue, red)
    _quantise(luma, luma_steps)
    _quantise(blue, chroma_steps)
    _quantise(red, chroma_steps)
    out = np.empty((3, height, width), np.uint8)
    _join(luma, blue, red, half_height, half_width, out)
    return out


@kernel
def _part(planes: NDArray[np.uint8], luma: Plane, blue: Plane, red: Plane) -> None:
    """Fill luma and the halved differences of blue and red; edges repeat to fill the blocks."""
    _, height, width = planes.shape
    across = 2 * blue.shape[1]
    blues, reds = np.empty((2, across), np.uint8), np.empty((2, across), np.uint8)
    half, shift = _I(32768), _I(16)
    middle = _I((128 << 16) + 32767)
    for pair in range((height + 1) >> 1):
        for side in range(2):
            y = min(2 * pair + side, height - 1)
            r, g, b, light = planes[0, y], planes[1, y], planes[2, y], luma[y]
            to_blue, to_red = blues[side], reds[side]
            for x in range(width):
                total = _I(_I(r[x]) * _I(19595)) + _I(_I(g[x]) * _I(38470))
                light[x] = np.uint8(_I(total + _I(_I(b[x]) * _I(7471)) + half) >> shift)
            for x in range(width):
                total = _I(_I(b[x]) * half) - _I(_I(r[x]) * _I(11059))
                to_blue[x] = np.uint8(_I(total - _I(_I(g[x]) * _I(21709)) + middle) >> shift)
            for x in range(width):
                total = _I(_I(r[x]) * half) - _I(_I(g[x]) * _I(27439))
                to_red[x] = np.uint8(_I(total - _I(_I(b[x]) * _I(5329)) + middle) >> shift)
            light[width:] = light[width - 1]
            to_blue[width:] = to_blue[width - 1]
            to_red[width:] = to_red[width - 1]
        _halve(blues, blue[pair])
        _halve(reds, red[pair])
    for y in range(height, luma.shape[0]):
        luma[y] = luma[height - 1]
    last = (height - 1) >> 1
    for y in range(last + 1, blue.shape[0]):
        blue[y] = blue[last]
        red[y] = red[last]


@kernel
def _halve(rows: Plane, out: Plane) -> None:
    """Set a row to means of 2 x 2 px, halves rounded down and up in turn."""
    above, below = rows[0], rows[1]
    for x in range(out.size):
        left, right = np.uint64(2 * x), np.uint64(2 * x + 1)
        total = _I(above[left]) + _I(above[right]) + _I(below[left]) + _I(below[right])
        out[x] = np.uint8(_I(total + _I(1) + _I(x & 1)) >> _I(2))


@kernel
def _quantise(plane: Plane, steps: Whole) -> None:
    """Take blocks of 8 x 8 px through the cosine transform, its steps, and back, in place."""
    height, width = plane.shape
    # a quotient as a product: so little above 1 / step that no whole one is missed and none is made up
    work, inverse = np.empty((8, width), np.int32), np.empty((8, _SPAN), np.float32)
    for y in range(8):
        for x in range(_SPAN):
            inverse[y, x] = np.float32((1 + 2.0**-20) / (8 * steps[y, x]))
    for top in range(0, height, 8):
        for y in range(8):
            _row_cosines(plane[top + y].view(np.uint64), work[y])
        _column_cosines(work)
        for y in range(8):
            for left in range(0, width, _SPAN):
                _round(work[y, left : left + _SPAN], steps[y], inverse[y])
        _column_samples(work)
        for y in range(8):
            _row_samples(work[y], plane[top + y])


@kernel
def _round(row: Whole, steps: Whole, inverse: NDArray[np.float32]) -> None:
    """Set cosines, which are 8 times too large, to the nearest multiples of their steps."""
    for x in range(row.size):
        cosine, step = row[x], steps[x]
        whole = _I(np.float32(_I(abs(cosine) + _I(step * _I(4)))) * inverse[x])
        size = _I(whole * step)
        row[x] = size if cosine >= _I(0) else _I(-size)


@kernel
def _row_cosines(blocks: NDArray[np.uint64], out: Whole) -> None:
    """Set `out` (8 cosines x 16 blocks) to those of a row of 16 blocks of 8 px, 4 times too large.

    A word holds a block's row: shifts take it apart in vectors where strided loads would not.
    """
    byte, half, shift = np.uint64(255), _I(1024), _I(11)
    for first in range(0, blocks.size, _GROUP):
        for i in range(_GROUP):
            word = blocks[np.uint64(first + i)]
            found = _cosines(
                _I(word & byte),
                _I((word >> np.uint64(8)) & byte),
                _I((word >> np.uint64(16)) & byte),
                _I((word >> np.uint64(24)) & byte),
                _I((word >> np.uint64(32)) & byte),
                _I((word >> np.uint64(40)) & byte),
                _I((word >> np.uint64(48)) & byte),
                _I(word >> np.uint64(56)),
            )
            at = np.uint64(8 * first + i)
            out[at] = _I(found[0] - half) << _I(2)  # eight samples lie 128 too high
            out[at + np.uint64(_GROUP)] = _I(found[1] + half) >> shift
            out[at + np.uint64(2 * _GROUP)] = _I(found[2] + half) >> shift
            out[at + np.uint64(3 * _GROUP)] = _I(found[3] + half) >> shift
            out[at + np.uint64(4 * _GROUP)] = found[4] << _I(2)
            out[at + np.uint64(5 * _GROUP)] = _I(found[5] + half) >> shift
            out[at + np.uint64(6 * _GROUP)] = _I(found[6] + half) >> shift
            out[at + np.uint64(7 * _GROUP)] = _I(found[7] + half) >> shift


@kernel
def _column_cosines(work: Whole) -> None:
    """Set 8 rows to the cosines down them, 2 times too large for rows that are 4 times so."""
    a, b, c, d = work[0], work[1], work[2], work[3]
    e, f, g, h = work[4], work[5], work[6], work[7]
    half, shift, two = _I(16384), _I(15), _I(2)
    for x in range(a.size):
        found = _cosines(a[x], b[x], c[x], d[x], e[x], f[x], g[x], h[x])
        a[x] = _I(found[0] + two) >> two
        b[x] = _I(found[1] + half) >> shift
        c[x] = _I(found[2] + half) >> shift
        d[x] = _I(found[3] + half) >> shift
        e[x] = _I(found[4] + two) >> two
        f[x] = _I(found[5] + half) >> shift
        g[x] = _I(found[6] + half) >> shift
        h[x] = _I(found[7] + half) >> shift


@kernel
def _column_samples(work: Whole) -> None:
    """Set 8 rows of cosines to the samples down them, 4 times too large."""
    a, b, c, d = work[0], work[1], work[2], work[3]
    e, f, g, h = work[4], work[5], work[6], work[7]
    half, shift = _I(1024), _I(11)
    for x in range(a.size):
        found = _samples(a[x], b[x], c[x], d[x], e[x], f[x], g[x], h[x])
        a[x] = _I(found[0] + half) >> shift
        b[x] = _I(found[1] + half) >> shift
        c[x] = _I(found[2] + half) >> shift
        d[x] = _I(found[3] + half) >> shift
        e[x] = _I(found[4] + half) >> shift
        f[x] = _I(found[5] + half) >> shift
        g[x] = _I(found[6] + half) >> shift
        h[x] = _I(found[7] + half) >> shift


@kernel
def _row_samples(row: Whole, out: Plane) -> None:
    """Set px of a row of 16 blocks to the samples of their cosines (8 x 16)."""
    n = np.uint64(_GROUP)
    for first in range(0, out.size >> 3, _GROUP):
        for i in range(_GROUP):
            at, to = np.uint64(8 * first + i), np.uint64(8 * (first + i))
            found = _samples(
                row[at],
                row[at + n],
                row[at + np.uint64(2) * n],
                row[at + np.uint64(3) * n],
                row[at + np.uint64(4) * n],
                row[at + np.uint64(5) * n],
                row[at + np.uint64(6) * n],
                row[at + np.uint64(7) * n],
            )
            out[to] = _code(found[0])
            out[to + np.uint64(1)] = _code(found[1])
            out[to + np.uint64(2)] = _code(found[2])
            out[to + np.uint64(3)] = _code(found[3])
            out[to + np.uint64(4)] = _code(found[4])
            out[to + np.uint64(5)] = _code(found[5])
            out[to + np.uint64(6)] = _code(found[6])
            out[to + np.uint64(7)] = _code(found[7])


@kernel
def _code(sample: np.int32) -> np.uint8:
    """Return the code of a sample, 2^18 a step and 0 in the middle."""
    return np.uint8(min(max(_I(_I(sample + _I(131072)) >> _I(18)) + _I(128), _I(0)), _I(255)))


@kernel
def _cosines(
    a: np.int32, b: np.int32, c: np.int32, d: np.int32, e: np.int32, f: np.int32, g: np.int32, h: np.int32
) -> Eight:
    """Return the cosine transform of 8 samples, times sqrt 8: orders 0 and 4 as they are, others Q13."""
    ah, bg, cf, de = _I(a + h), _I(b + g), _I(c + f), _I(d + e)
    k, m, n, o = _I(d - e), _I(c - f), _I(b - g), _I(a - h)
    outer, inner, low, high = _I(ah + de), _I(bg + cf), _I(ah - de), _I(bg - cf)
    turn = _I(_I(low + high) * _EVEN)
    two, six = _I(turn + _I(low * _EVEN_2)), _I(turn - _I(high * _EVEN_6))
    first, second, third, fourth = _I(k + o), _I(m + n), _I(k + n), _I(m + o)
    whole = _I(_I(third + fourth) * _ODD)
    first, second = _I(first * _ODD_1), _I(second * _ODD_2)
    third, fourth = _I(whole - _I(third * _ODD_3)), _I(whole - _I(fourth * _ODD_4))
    one = _I(_I(o * _OUT_1) + _I(fourth - first))
    three = _I(_I(n * _OUT_3) + _I(third - second))
    five = _I(_I(m * _OUT_5) + _I(fourth - second))
    seven = _I(_I(k * _OUT_7) + _I(third - first))
    return _I(outer + inner), one, two, three, _I(outer - inner), five, six, seven


@kernel
def _samples(
    a: np.int32, b: np.int32, c: np.int32, d: np.int32, e: np.int32, f: np.int32, g: np.int32, h: np.int32
) -> Eight:
    """Return 8 samples, Q13, of their cosine transform times sqrt 8."""
    turn = _I(_I(c + g) * _EVEN)
    high, low = _I(turn - _I(g * _EVEN_6)), _I(turn + _I(c * _EVEN_2))
    outer, inner = _I(_I(a + e) << _I(13)), _I(_I(a - e) << _I(13))
    ah, de, bg, cf = _I(outer + low), _I(outer - low), _I(inner + high), _I(inner - high)
    first, second, third, fourth = _I(h + b), _I(f + d), _I(h + d), _I(f + b)
    whole = _I(_I(third + fourth) * _ODD)
    first, second = _I(first * _ODD_1), _I(second * _ODD_2)
    third, fourth = _I(whole - _I(third * _ODD_3)), _I(whole - _I(fourth * _ODD_4))
    k = _I(_I(h * _OUT_7) + _I(third - first))
    m = _I(_I(f * _OUT_5) + _I(fourth - second))
    n = _I(_I(d * _OUT_3) + _I(third - second))
    o = _I(_I(b * _OUT_1) + _I(fourth - first))
    return _I(ah + o), _I(bg + n), _I(cf + m), _I(de + k), _I(de - k), _I(cf - m), _I(bg - n), _I(ah - o)


@kernel
def _join(luma: Plane, blue: Plane, red: Plane, rows: int, columns: int, out: NDArray[np.uint8]) -> None:
    """Fill red, green and blue; of chroma, `rows` x `columns` are the picture's."""
    _, height, width = out.shape
    sums = np.empty(columns + 2, np.int32)
    to_blue, to_red = np.empty(2 * columns, np.int32), np.empty(2 * columns, np.int32)
    half, shift, none, most = _I(32768), _I(16), _I(0), _I(255)
    for y in range(height):
        near = y >> 1
        far = min(max(near + 2 * (y & 1) - 1, 0), rows - 1)
        _double(blue[near], blue[far], sums, to_blue)
        _double(red[near], red[far], sums, to_red)
        light, r, g, b = luma[y], out[0, y], out[1, y], out[2, y]
        for x in range(width):
            r[x] = np.uint8(
                min(max(_I(light[x]) + (_I(_I(to_red[x] * _I(91881)) + half) >> shift), none), most)
            )
        for x in range(width):
            both = _I(to_blue[x] * _I(22554)) + _I(to_red[x] * _I(46802))
            g[x] = np.uint8(min(max(_I(light[x]) + (_I(half - _I(both)) >> shift), none), most))
        for x in range(width):
            b[x] = np.uint8(
                min(max(_I(light[x]) + (_I(_I(to_blue[x] * _I(116130)) + half) >> shift), none), most)
            )


@kernel
def _double(near: Plane, far: Plane, sums: Whole, out: Whole) -> None:
    """Set a row of chroma, 0 its middle, from the nearest row of px twice as large and the next: 3 to 1.

    `sums` is room for the columns and one at either end.
    """
    three, four, eight, seven, middle = _I(3), _I(4), _I(8), _I(7), _I(128)
    count = sums.size - 2
    for x in range(count):
        sums[x + 1] = _I(near[x]) * three + _I(far[x])
    sums[0], sums[count + 1] = sums[1], sums[count]
    for x in range(count):
        here = _I(sums[x + 1] * three)
        out[np.uint64(2 * x)] = (_I(here + sums[x] + eight) >> four) - middle
        out[np.uint64(2 * x + 1)] = (_I(here + sums[x + 2] + seven) >> four) - middle
