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
def _factors(table: Words64, ink: int, tone: int) -> tuple[int, int, int]:
    """Return an ink's Q15 factors for red, green and blue at a Q13 tone, interpolated between two nodes."""
    node, part = tone >> 6, tone & 63
    word = table[ink, np.uint64(node)] * (64 - part) + table[ink, np.uint64(node + 1)] * part
    return (word >> 6) & 0x7FFF, (word >> 27) & 0x7FFF, (word >> 48) & 0x7FFF


@kernel
def _dot(
    table: Words64,
    contrasts: Words64,
    levels: Words64,
    screen: NDArray[np.int16],
    ink: int,
    tone: int,
    at: int,
) -> tuple[int, int, int]:
    """Return an ink's factors where its screen lies `d` above its tone: F - d * contrast, within 0 .. 1."""
    red, green, blue = _factors(table, ink, tone)
    node = np.uint64((tone + 32) >> 6)
    d = np.int64(screen[np.uint64(levels[ink, node] + at)])
    word = contrasts[ink, node]
    red -= (d * (word & 0x7FFF)) >> 15
    green -= (d * ((word >> 21) & 0x7FFF)) >> 15
    blue -= (d * (word >> 42)) >> 15
    return min(max(red, 0), 32767), min(max(green, 0), 32767), min(max(blue, 0), 32767)


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
    `base` as `Sheet` gives them, `screen` a table of `screens` whose cells have `side` places, a power of
    two, and `phases` (4 x 6) the place in a cell as a linear form of the place on the sheet: along its rows,
    then along its columns, in places of the cell.
    """
    height, width, _ = tones.shape
    out = np.empty((height, width, 3), np.uint16)
    scale, shift = across
    down, right, rough = origin
    for y in range(height):
        for x in range(width):
            u, v = np.float64(place[0, y, x]), np.float64(place[1, y, x])
            error = band[np.uint64(np.int64(np.floor(v * scale + shift)) & 255)]
            red, green, blue = 32768, 32768, 32768
            for ink in range(4):
                tone = min(int(np.float32(tones[y, x, ink]) * error), 8192)
                column = np.int64(u * phases[ink, 0] + v * phases[ink, 1] + phases[ink, 2]) & (side - 1)
                row = np.int64(u * phases[ink, 3] + v * phases[ink, 4] + phases[ink, 5]) & (side - 1)
                seen = _dot(factors, contrasts, levels, screen, ink, tone, int(row * side + column))
                red, green, blue = (red * seen[0]) >> 15, (green * seen[1]) >> 15, (blue * seen[2]) >> 15
            paper = fibre[np.uint64((y + down) & 255), np.uint64((x + right) & 255)]
            shade = light[0, y, x] * (np.float32(1) + np.float32(rough) * paper)
            gloss = light[1, y, x]
            total = np.float32(base[0, 0] + ((base[1, 0] * red) >> 15)) * shade + gloss * lamp[0]
            out[y, x, 0] = np.uint16(min(total, np.float32(65535)))
            total = np.float32(base[0, 1] + ((base[1, 1] * green) >> 15)) * shade + gloss * lamp[1]
            out[y, x, 1] = np.uint16(min(total, np.float32(65535)))
            total = np.float32(base[0, 2] + ((base[1, 2] * blue) >> 15)) * shade + gloss * lamp[2]
            out[y, x, 2] = np.uint16(min(total, np.float32(65535)))
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
