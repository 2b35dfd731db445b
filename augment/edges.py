"""Where a sheet ends: what it covers, the shadow it casts, its own thickness, and what lies behind it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.surface import Seen

__all__ = ["Cover", "inside", "layered", "outlined", "shadow"]

Cover = NDArray[np.uint8]
"""How much of each px something covers: uint8, height x width, 255 is all."""


def inside(seen: Seen, box: tuple[float, float, float, float], steps: tuple[float, float]) -> Cover | None:
    """Return what a rectangle of the sheet covers, or None where that is every px.

    `box` is left, top, right, bottom in px of the parent, edges of px and not their centres; `steps` is how
    many px of the parent one px of the sensor spans, along the parent's rows and columns.
    """
    if seen.limb is None:
        reach = steps[0] * 2, steps[1] * 2
        corners = [seen.place[:, j, i] for j in (0, -1) for i in (0, -1)]
        # what of a flat sheet lies between four places that it covers, it covers too
        if all(box[i] + reach[i] <= corner[i] <= box[i + 2] - reach[i] for corner in corners for i in (0, 1)):
            return None
    limb = seen.limb if seen.limb is not None else np.empty((0, 0), np.float32)
    edges = np.float32(box[0]), np.float32(box[1]), np.float32(box[2]), np.float32(box[3])
    return within(seen.place, limb, edges, (np.float32(1 / steps[0]), np.float32(1 / steps[1])))


def outlined(outline: Cover, seen: Seen) -> Cover:
    """Return what a shape on the sheet covers; `outline` is its cover of the parent's px."""
    found = np.asarray(cv2.remap(outline, seen.place[0], seen.place[1], cv2.INTER_LINEAR), np.uint8)
    if seen.limb is not None:
        found = np.where(seen.limb > 0, found, 0).astype(np.uint8)
    return found


def shadow(cover: Cover, shift: tuple[float, float], sigma: float) -> Cover:
    """Return the share of light that a sheet takes from what lies behind it, 255 = all of the lamp's.

    The cover, displaced by `shift` px and blurred by the penumbra, `sigma` px.
    """
    height, width = cover.shape
    matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    moved = cv2.warpAffine(cover, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    if sigma > 0.3:
        small = max(1, math.floor(sigma / 2))
        if small > 1 and min(height, width) > 4 * small:
            # a wide blur needs no fine px
            reduced = cv2.resize(moved, (width // small, height // small), interpolation=cv2.INTER_AREA)
            reduced = cv2.GaussianBlur(reduced, (0, 0), sigma / small, borderType=cv2.BORDER_REPLICATE)
            moved = cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR)
        else:
            moved = cv2.GaussianBlur(moved, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


@kernel
def within(
    place: NDArray[np.float32],
    limb: NDArray[np.float32],
    box: tuple[np.float32, np.float32, np.float32, np.float32],
    inverse: tuple[np.float32, np.float32],
) -> Cover:
    """Return the cover of a box on the sheet, with edges as soft as a px; `limb` may be empty.

    Blocks whose four corners lie well inside are filled without a look within: between them a sheet bends by
    less than the reserve.
    """
    _, height, width = place.shape
    out = np.empty((height, width), np.uint8)
    left, top, right, bottom = box
    per_x, per_y = inverse
    none, full, half, reserve = np.float32(0), np.float32(255), np.float32(128), np.float32(2.5)
    for start in range(0, height, 8):
        stop = min(start + 8, height)
        for first in range(0, width, 8):
            last = min(first + 8, width)
            least = np.float32(1e30)
            for y in (start, stop - 1):
                for x in (first, last - 1):
                    depth = _depth(place[0, y, x], place[1, y, x], left, top, right, bottom, per_x, per_y)
                    if limb.size > 0:
                        depth = min(depth, limb[y, x])
                    least = min(least, depth)
            if least > reserve:
                out[start:stop, first:last] = 255
                continue
            for y in range(start, stop):
                for x in range(first, last):
                    depth = _depth(place[0, y, x], place[1, y, x], left, top, right, bottom, per_x, per_y)
                    if limb.size > 0:
                        depth = min(depth, limb[y, x])
                    out[y, x] = np.uint8(min(max(depth * full + half, none), full))
    return out


@kernel
def _depth(
    u: np.float32,
    v: np.float32,
    left: np.float32,
    top: np.float32,
    right: np.float32,
    bottom: np.float32,
    per_x: np.float32,
    per_y: np.float32,
) -> np.float32:
    """Return how far inside the box a place is, in px of the sensor."""
    return min(min(u - left, right - u) * per_x, min(v - top, bottom - v) * per_y)


@kernel
def layered(
    sheet: NDArray[np.uint16],
    behind: NDArray[np.uint16],
    cover: Cover,
    shade: Cover,
    depth: int,
    edge: int,
    core: tuple[float, float, float, float],
) -> None:
    """Put a sheet before what is `behind` it, in place: uint16, height x width x 3 of light each.

    `shade` darkens what is behind by up to `depth` of 256; it never touches the sheet. Where the sheet ends
    within a px, its core takes `edge` of 1024 of the px: the thickness of the paper. `core` is the core's
    light under ambient light and what the lamp adds, then the lamp's direction (x, y) on the picture.
    """
    height, width, _ = sheet.shape
    even, lamp, lamp_x, lamp_y = core
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            part = np.int64(cover[y, x])
            if part == 255:
                continue
            rim, white = np.int64(0), np.int64(0)
            if part > 0 and edge > 0:
                rim = (part * (255 - part) * edge) // 16256  # all of `edge` where half a px is covered
                out_x = np.float64(cover[y, max(x - 1, 0)]) - np.float64(cover[y, min(x + 1, width - 1)])
                out_y = np.float64(cover[above, x]) - np.float64(cover[below, x])
                length = math.sqrt(out_x * out_x + out_y * out_y)
                facing = (out_x * lamp_x + out_y * lamp_y) / max(length, 1e-9)
                white = np.int64(even + lamp * max(facing, 0.0))
            lit = 65536 - ((np.int64(shade[y, x]) * depth * 257) >> 8)
            whole = part + (part >> 7)  # of 256
            for channel in range(3):
                back = (np.int64(behind[y, x, channel]) * lit) >> 16
                total = (np.int64(sheet[y, x, channel]) * whole + back * (256 - whole) + 128) >> 8
                sheet[y, x, channel] = (total * (1024 - rim) + white * rim) >> 10
