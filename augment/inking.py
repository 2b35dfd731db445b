"""The light that leaves a printed sheet, by the tables of `paper.Sheet`: in continuous tone or in screens."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.operator import Image
from facedata.augment.paper import Arithmetic

__all__ = ["contone", "print_planes", "screened", "separations"]

Floats = NDArray[np.float64]
Words64 = NDArray[np.int64]
Row = NDArray[np.float32]


@kernel
def separations(image: Image, complement: Words64, key: Words64, inverse: Words64) -> NDArray[np.uint16]:
    """Return Q13 tones of C, M, Y, K (height x width x 4) of a picture; tables as `separation_tables`."""
    height, width, _ = image.shape
    out = np.empty((height, width, 4), np.uint16)
    for y in range(height):
        for x in range(width):
            r, g, b = image[y, x, 0], image[y, x, 1], image[y, x, 2]
            grey = np.uint64(max(r, g, b))
            black, over = key[grey], inverse[grey]
            out[y, x, 0] = ((complement[r] - black) * over + 32768) >> 16
            out[y, x, 1] = ((complement[g] - black) * over + 32768) >> 16
            out[y, x, 2] = ((complement[b] - black) * over + 32768) >> 16
            out[y, x, 3] = black
    return out


@kernel
def _tones(tones: NDArray[np.uint16], ink: int, error: Row, out: NDArray[np.int32]) -> None:
    """Set a row to an ink's Q13 tones as they lie on the paper, a solid at most."""
    for x in range(out.size):
        tone = np.int32(np.float32(tones[np.uint64(4 * x + ink)]) * error[x])
        out[x] = min(tone, np.int32(8192))


@kernel
def _cells(u: Row, v: Row, phase: Floats, side: int, out: NDArray[np.int32]) -> None:
    """Set a row to places in the cell of a screen, in reading order."""
    u_x, v_x, left = phase[0], phase[1], phase[2]
    u_y, v_y, top = phase[3], phase[4], phase[5]
    for x in range(out.size):
        column = np.int64(np.float64(u[x]) * u_x + np.float64(v[x]) * v_x + left) & (side - 1)
        row = np.int64(np.float64(u[x]) * u_y + np.float64(v[x]) * v_y + top) & (side - 1)
        out[x] = row * side + column


@kernel
def _print(table: Words64, tone: NDArray[np.int32], lanes: NDArray[np.int64]) -> None:
    """Set a row to an ink's packed factors, Q15 x 64, interpolated between two nodes."""
    for x in range(tone.size):
        node, part = np.uint32(tone[x] >> 6), np.int64(tone[x] & 63)
        lanes[x] = table[node] * (64 - part) + table[node + np.uint32(1)] * part


@kernel
def _multiply(lanes: NDArray[np.int64], shift: int, out: NDArray[np.int32]) -> None:
    """Multiply a row of one colour's light (Q15) by an ink's factors, `shift` bits up in their lanes."""
    for x in range(out.size):
        out[x] = (np.int64(out[x]) * ((lanes[x] >> shift) & 0x7FFF)) >> 15


@kernel
def _dot(
    lanes: NDArray[np.int64],
    contrasts: Words64,
    levels: Words64,
    screen: NDArray[np.int16],
    tone: NDArray[np.int32],
    place: NDArray[np.int32],
    light: NDArray[np.int32],
) -> None:
    """Multiply the light (Q15, 3 rows) by an ink's factors F where its screen lies d above its tone.

    Each is F - d * contrast, within 0 .. 1.
    """
    red, green, blue = light[0], light[1], light[2]
    for x in range(tone.size):
        node = np.uint32((tone[x] + 32) >> 6)
        d = np.int64(screen[np.uint64(levels[node] + place[x])])
        word, lane = contrasts[node], lanes[x]
        r = ((lane >> 6) & 0x7FFF) - ((d * (word & 0x7FFF)) >> 15)
        g = ((lane >> 27) & 0x7FFF) - ((d * ((word >> 21) & 0x7FFF)) >> 15)
        b = ((lane >> 48) & 0x7FFF) - ((d * (word >> 42)) >> 15)
        red[x] = (red[x] * min(max(r, 0), 32767)) >> 15
        green[x] = (green[x] * min(max(g, 0), 32767)) >> 15
        blue[x] = (blue[x] * min(max(b, 0), 32767)) >> 15


@kernel
def screened(
    tones: NDArray[np.uint16],
    place: NDArray[np.float32],
    factors: Words64,
    contrasts: Words64,
    levels: Words64,
    screen: NDArray[np.int16],
    side: int,
    phases: Floats,
    base: Words64,
    band: NDArray[np.float32],
    across: tuple[float, float],
    fibre: NDArray[np.float32],
    origin: tuple[int, int, float],
    light: NDArray[np.float32],
    lamp: NDArray[np.float32],
) -> NDArray[np.uint16]:
    """Return the light that leaves a sheet printed in screens; what `contone` returns, but for the screens.

    `tones` is uint16 x 4 (Q13) of C, M, Y, K as they lie on the sheet, `factors`, `contrasts`, `levels` and
    `base` as `Sheet` gives them, `screen` a table of `screens` whose cells have `side` places, a power of two
    (an empty one where no dots are seen), and `phases` (4 x 6) the place in a cell as a linear form of the
    place on the sheet: along its rows, then along its columns, in places of the cell.
    """
    height, width, _ = tones.shape
    out = np.empty((height, width, 3), np.uint16)
    scale, shift = across
    down, right, rough = origin
    error, shade = np.empty(width, np.float32), np.empty(width, np.float32)
    tone, cell = np.empty(width, np.int32), np.empty(width, np.int32)
    lanes, printed = np.empty(width, np.int64), np.empty((3, width), np.int32)
    most = np.float32(65535)
    for y in range(height):
        u, v, row, target = place[0, y], place[1, y], tones[y].reshape(-1), out[y].reshape(-1)
        for x in range(width):
            error[x] = band[np.uint64(np.int64(np.floor(np.float64(v[x]) * scale + shift)) & 255)]
        printed[:] = 32768
        for ink in range(4):
            _tones(row, ink, error, tone)
            _print(factors[ink], tone, lanes)
            if screen.size > 0:
                _cells(u, v, phases[ink], side, cell)
                _dot(lanes, contrasts[ink], levels[ink], screen, tone, cell, printed)
                continue
            for channel in range(3):
                _multiply(lanes, 6 + 21 * channel, printed[channel])
        _roughen(fibre[(y + down) & 255], right, np.float32(rough), shade)
        for x in range(width):
            shade[x] *= light[0, y, x]
        for channel in range(3):
            surface, body, glow, ink_light = (
                base[0, channel],
                base[1, channel],
                lamp[channel],
                printed[channel],
            )
            gloss = light[1, y]
            for x in range(width):
                total = np.float32(surface + ((body * ink_light[x]) >> 15)) * shade[x] + gloss[x] * glow
                target[np.uint64(3 * x + channel)] = np.uint16(np.int32(min(total, most)))
    return out


def contone(
    image: Image,
    place: Row,
    ink: Arithmetic,
    band: Row,
    across: tuple[float, float],
    fibre: Row,
    origin: tuple[int, int, float],
    light: Row,
    lamp: Row,
) -> NDArray[np.uint16]:
    """Return the light that leaves a sheet printed in continuous tone: R^(1/n) as a product, then a table.

    uint16, height x width x 3; 32768 is a perfect diffuser in full light. `image` is what each px sees of the
    picture (uint8 x 3) and `place` where it lies on the sheet (float32, 2 x height x width, px of the
    parent). `band` float32 x 256 scales the tones along the sheet, at row `across[0] * v + across[1]`;
    `fibre` is the tile of `fibres`, which scales the reflectance by 1 + `origin[2]` times it, from row and
    column `origin` on;
    `light` is irradiance and gloss (as `place`), the gloss of colour `lamp` (float32 x 3).
    """
    red, green, blue = (np.asarray(plane, np.uint8) for plane in cv2.split(image))
    planes = print_planes(red, green, blue, place, *ink, band, across, fibre, origin, light, lamp)
    return np.asarray(cv2.merge(planes), np.uint16)


@kernel
def print_planes(
    red: Image,
    green: Image,
    blue: Image,
    place: Row,
    key: tuple[Row, Row],
    curves: Row,
    slopes: Row,
    power: Row,
    paper: Row,
    band: Row,
    across: tuple[float, float],
    fibre: Row,
    origin: tuple[int, int, float],
    light: Row,
    lamp: Row,
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16]]:
    """Return the planes of `contone`.

    It takes a few rows at once through short loops over rows of float32, which the compiler turns into vector
    instructions; look-ups are loops of their own.
    """
    height, width = red.shape
    out = np.empty((3, height * width), np.uint16)
    tall = max(1, min(height, 1024 // width))
    index, error = np.empty(tall * width, np.int32), np.empty(tall * width, np.float32)
    black, over = np.empty(tall * width, np.float32), np.empty(tall * width, np.float32)
    roots, body = np.empty((3, tall * width), np.float32), np.empty(tall * width, np.float32)
    shade = np.empty(tall * width, np.float32)
    reds, greens, blues = red.reshape(-1), green.reshape(-1), blue.reshape(-1)
    down, bright, glossy = place[1].reshape(-1), light[0].reshape(-1), light[1].reshape(-1)
    scale, shift = np.float32(across[0]), np.float32(across[1])
    rough, mask = np.float32(origin[2]), np.int32(255)
    for first in range(0, height, tall):
        rows = min(tall, height - first)
        count, start = rows * width, first * width
        stop = start + count
        r, g, b, v = reds[start:stop], greens[start:stop], blues[start:stop], down[start:stop]
        for i in range(count):
            index[i] = np.int32(np.floor(v[i] * scale + shift)) & mask
        for i in range(count):
            error[i] = band[np.uint32(index[i])]
        _find_black(r, g, b, key[0][0], black[:count], over[:count])
        x, y, z = roots[0, :count], roots[1, :count], roots[2, :count]
        _mix(r, g, b, black, over, error, curves, slopes, x, y, z)
        for row in range(rows):
            tile = fibre[(first + row + origin[0]) & 255]
            _roughen(tile, origin[1], rough, shade[row * width : (row + 1) * width])
        lit = bright[start:stop]
        for i in range(count):
            shade[i] *= lit[i]
        for channel in range(3):
            root, gloss, target = roots[channel, :count], glossy[start:stop], out[channel, start:stop]
            _shine(root, power, paper[channel], shade, gloss, lamp[channel], index, body, target)
    planes = out.reshape((3, height, width))
    return planes[0], planes[1], planes[2]


@kernel
def _roughen(tile: Row, right: int, rough: np.float32, out: Row) -> None:
    """Fill a row with the paper's fibres: 1 + rough * tile, from column `right` on."""
    for x in range(out.size):
        out[x] = np.float32(1) + rough * tile[np.uint32((x + right) & 255)]


@kernel
def _find_black(red: Image, green: Image, blue: Image, most: np.float32, black: Row, over: Row) -> None:
    """Fill rows of black, `most` x the common grey squared, and of the factor on the other inks beside it."""
    one, code = np.float32(1), np.float32(1 / 255)
    for x in range(black.size):
        tone = one - np.float32(max(red[x], max(green[x], blue[x]))) * code
        black[x] = most * (tone * tone)
    for x in range(black.size):
        over[x] = np.divide(one, one - black[x])


@kernel
def _mix(
    red: Image,
    green: Image,
    blue: Image,
    black: Row,
    over: Row,
    error: Row,
    curves: Row,
    slopes: Row,
    first: Row,
    second: Row,
    third: Row,
) -> None:
    """Fill rows of R^(1/n) of red, green and blue: tones, coverages, then prod_j (1 - s_j a_j)."""
    none, one, code = np.float32(0), np.float32(1), np.float32(1 / 255)
    gain = curves[4, 0]
    m0, m1, y0, y1 = curves[1, 0], curves[1, 1], curves[2, 0], curves[2, 1]
    cr, cg, cb = slopes[0, 0], slopes[0, 1], slopes[0, 2]
    mr, mg, mb = slopes[1, 0], slopes[1, 1], slopes[1, 2]
    yr, yg, yb = slopes[2, 0], slopes[2, 1], slopes[2, 2]
    kr, kg, kb = slopes[3, 0], slopes[3, 1], slopes[3, 2]
    for x in range(first.size):
        scale = over[x] * error[x]
        c = min(max(one - np.float32(red[x]) * code - black[x], none) * scale, one)
        m = min(max(one - np.float32(green[x]) * code - black[x], none) * scale, one)
        y = min(max(one - np.float32(blue[x]) * code - black[x], none) * scale, one)
        k = min(black[x] * error[x], one)
        m, y = m * (m0 + m1 * m), y * (y0 + y1 * y)
        c, m = c + gain * c * (one - c), m + gain * m * (one - m)
        y, k = y + gain * y * (one - y), k + gain * k * (one - k)
        first[x] = ((one - cr * c) * (one - mr * m)) * ((one - yr * y) * (one - kr * k))
        second[x] = ((one - cg * c) * (one - mg * m)) * ((one - yg * y) * (one - kg * k))
        third[x] = ((one - cb * c) * (one - mb * m)) * ((one - yb * y) * (one - kb * k))


@kernel
def _shine(
    root: Row,
    power: Row,
    paper: Row,
    shade: Row,
    gloss: Row,
    lamp: np.float32,
    index: NDArray[np.int32],
    body: Row,
    out: NDArray[np.uint16],
) -> None:
    """Write a row of a plane of light: paper (surface, body) x power of the root x shade + gloss.

    Three loops, for one that mixes look-ups with arithmetic takes twice as long.
    """
    steps, half, most = np.float32(power.size - 1), np.float32(0.5), np.float32(65535)
    surface, under = paper[0], paper[1]
    for x in range(out.size):
        index[x] = np.int32(root[x] * steps + half)
    for x in range(out.size):
        body[x] = power[np.uint32(index[x])]
    for x in range(out.size):
        total = (surface + under * body[x]) * shade[x] + gloss[x] * lamp
        out[x] = np.uint16(np.int32(min(total, most)))
