"""A lit plane before a camera: where its picture falls, and what a Bayer sensor collects of its lattice.

Two rates: the content changes slowly and is mapped at the size of the output; the lattice changes within a
pixel and is sampled at each photosite, in the one colour that its filter passes.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.operator import Image

__all__ = ["compose", "cover", "inside", "local", "mosaic", "packed", "project", "to_display_grid"]

Floats = NDArray[np.float64]
Light = NDArray[np.uint16]


def to_display_grid(image: Image, columns: float, rows: float) -> Image:
    """Return the picture on no more pixels than the display has: a panel cannot show finer detail.

    `columns` x `rows` are the display pixels that the picture takes. A finer panel changes nothing here.
    """
    height, width, _ = image.shape
    wide, tall = min(width, max(1, round(columns))), min(height, max(1, round(rows)))
    if (wide, tall) == (width, height):
        return image
    return np.asarray(cv2.resize(image, (wide, tall), interpolation=cv2.INTER_AREA), np.uint8)


@kernel
def packed(image: Image) -> NDArray[np.int64]:
    """Return the pixels as 64-bit words of three lanes of 21 bits, red highest, in reading order."""
    flat = image.reshape(-1)
    out = np.empty(flat.size // 3, np.int64)
    for i in range(out.size):
        at = np.uint64(3 * i)
        out[i] = (
            (np.int64(flat[at]) << 42)
            | (np.int64(flat[at + np.uint64(1)]) << 21)
            | np.int64(flat[at + np.uint64(2)])
        )
    return out


@kernel
def project(
    pixels: NDArray[np.int64],
    rows: int,
    columns: int,
    transform: Floats,
    distortion: float,
    height: int,
    width: int,
    emitted: Light,
) -> Light:
    """Return the light of the picture as it falls on the frame, `height` x `width` px, uint16 x 3.

    `pixels` is the `packed` picture of `rows` x `columns` px; `transform` maps frame px (x, y from the
    corner) to picture px, `distortion` bends it radially about the frame's middle (k1 at half the shorter
    side). Codes are interpolated between four pixels, as a display's scaler does, then looked up in
    `emitted` (4096, code x 16). Outside the picture its edge goes on.
    """
    out = np.empty((height, width, 3), np.uint16)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    half = min(width, height) / 2
    curve = distortion / (half * half)
    last_u, last_v = np.int64((columns - 1) << 16), np.int64((rows - 1) << 16)
    ends = (width + 15) // 16 + 1
    across, down = np.empty(ends), np.empty(ends)
    for i in range(height):
        line = out[i].reshape(-1)
        y = i - centre_y
        for end in range(ends):
            x = 16 * end - centre_x
            bend = 1 + curve * (x * x + y * y)
            x_bent, y_bent = x * bend + centre_x, y * bend + centre_y
            depth = transform[2, 0] * x_bent + transform[2, 1] * y_bent + transform[2, 2]
            depth = 65536 / max(depth, 0.05)
            across[end] = (transform[0, 0] * x_bent + transform[0, 1] * y_bent + transform[0, 2]) * depth
            down[end] = (transform[1, 0] * x_bent + transform[1, 1] * y_bent + transform[1, 2]) * depth
        for end in range(ends - 1):
            u, v = np.int64(across[end]), np.int64(down[end])
            step_u, step_v = (np.int64(across[end + 1]) - u) >> 4, (np.int64(down[end + 1]) - v) >> 4
            first = 16 * end
            stop = min(first + 16, width)
            far_u, far_v = u + 16 * step_u, v + 16 * step_v
            if (
                min(u, far_u) >= 0
                and max(u, far_u) < last_u
                and min(v, far_v) >= 0
                and max(v, far_v) < last_v
            ):
                for j in range(first, stop):
                    place = (v >> 16) * columns + (u >> 16)
                    part_u, part_v = (u >> 10) & 63, (v >> 10) & 63
                    both = part_u * part_v
                    code = (
                        pixels[np.uint64(place)] * (4096 - ((part_u + part_v) << 6) + both)
                        + pixels[np.uint64(place + 1)] * ((part_u << 6) - both)
                        + pixels[np.uint64(place + columns)] * ((part_v << 6) - both)
                        + pixels[np.uint64(place + columns + 1)] * both
                    )
                    line[np.uint64(3 * j)] = emitted[np.uint64(code >> 50)]
                    line[np.uint64(3 * j + 1)] = emitted[np.uint64((code >> 29) & 4095)]
                    line[np.uint64(3 * j + 2)] = emitted[np.uint64((code >> 8) & 4095)]
                    u += step_u
                    v += step_v
                continue
            for j in range(first, stop):
                at_u, at_v = max(np.int64(0), min(u, last_u)), max(np.int64(0), min(v, last_v))
                place = (at_v >> 16) * columns + (at_u >> 16)
                right = 1 if at_u < last_u else 0
                below = columns if at_v < last_v else 0
                part_u, part_v = (at_u >> 10) & 63, (at_v >> 10) & 63
                both = part_u * part_v
                code = (
                    pixels[np.uint64(place)] * (4096 - ((part_u + part_v) << 6) + both)
                    + pixels[np.uint64(place + right)] * ((part_u << 6) - both)
                    + pixels[np.uint64(place + below)] * ((part_v << 6) - both)
                    + pixels[np.uint64(place + below + right)] * both
                )
                line[np.uint64(3 * j)] = emitted[np.uint64(code >> 50)]
                line[np.uint64(3 * j + 1)] = emitted[np.uint64((code >> 29) & 4095)]
                line[np.uint64(3 * j + 2)] = emitted[np.uint64((code >> 8) & 4095)]
                u += step_u
                v += step_v
    return out


@kernel
def local(
    places: Floats, centre: tuple[float, float], curve: float, inverse: Floats, per_pixel: float
) -> tuple[Floats, Floats]:
    """Return (scales, derivatives: N x 2 x 2) of the map from sensor px to display px at places (N x 2).

    `inverse` maps the pinhole's px to those of the picture, each `per_pixel` of the display; the lens's are
    bent by `curve` a squared px about `centre`. A scale says how small the lattice is seen: perspective makes
    it as small as the inverse map's third coordinate says, the lens by 1 + 2 k1 r^2, the mean of its
    stretches along and across.
    """
    count = places.shape[0]
    scales, found = np.empty(count), np.empty((count, 2, 2))
    for i in range(count):
        x, y = places[i, 0] - centre[0], places[i, 1] - centre[1]
        # the lens maps r to r (1 + k1 r^2), whose derivative is (1 + k1 r^2) I + 2 k1 r r^T
        bend = 1 + curve * (x * x + y * y)
        x_x, x_y, y_y = bend + 2 * curve * x * x, 2 * curve * x * y, bend + 2 * curve * y * y
        x, y = centre[0] + x * bend, centre[1] + y * bend
        depth = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
        scales[i] = depth / max(2 * bend - 1, 0.05)
        depth = max(depth, 0.05)
        for axis in range(2):
            at = (inverse[axis, 0] * x + inverse[axis, 1] * y + inverse[axis, 2]) / depth
            along = (inverse[axis, 0] - at * inverse[2, 0]) * per_pixel / depth
            across = (inverse[axis, 1] - at * inverse[2, 1]) * per_pixel / depth
            found[i, axis, 0] = along * x_x + across * x_y
            found[i, axis, 1] = along * x_y + across * y_y
    return scales, found


@kernel
def mosaic(
    emitted: Light,
    added: Light,
    scale: int,
    transform: Floats,
    distortion: float,
    tiles: Light,
    nearest: float,
    step: float,
    gain: NDArray[np.int64],
    ambient_gain: NDArray[np.int64],
) -> Light:
    """Return what a Bayer sensor (RGGB, uint16) of `scale` x the frame's size collects of a lit lattice.

    `emitted` and `added` are light at the frame's size, with and without the lattice; `transform` maps sensor
    px to periods of the lattice; `tiles` is n x 3 x 2^b x 2^b, 4096 mean: tile i is for places whose scale
    (`local`) is from `nearest` + i * `step`; `gain` (Q15, rows x 3) and `ambient_gain` (Q15,
    rows) are the shutter's gains on either light's flicker.
    """
    height, width, _ = emitted.shape
    rows, columns = height * scale, width * scale
    out = np.empty((rows, columns), np.uint16)
    cells, last = tiles.reshape(-1), tiles.shape[0] - 1
    side, plane = np.int64(tiles.shape[3]), np.int64(tiles.shape[3] * tiles.shape[3])
    mask, fine = side - 1, np.int64(0)
    while side << fine < 4194304:
        fine += 1
    bits = 22 - fine
    centre_x, centre_y = (columns - 1) / 2, (rows - 1) / 2
    half = min(columns, rows) / 2
    curve = distortion / (half * half)
    shift = scale - 1
    ends = (columns + 7) // 8 + 1
    across, down, which = np.empty(ends), np.empty(ends), np.empty(ends, np.int64)
    # of the photosites of a row: where in the tiles they look, the light there in their colours
    place = np.empty(ends * 8, np.int32)
    lit, other = np.zeros(ends * 8, np.int32), np.zeros(ends * 8, np.int32)
    for i in range(rows):
        y = i - centre_y
        light, extra, line = emitted[i >> shift].reshape(-1), added[i >> shift].reshape(-1), out[i]
        colour = i & 1
        for end in range(ends):
            x = 8 * end - centre_x
            bend = 1 + curve * (x * x + y * y)
            x_bent, y_bent = x * bend + centre_x, y * bend + centre_y
            depth = transform[2, 0] * x_bent + transform[2, 1] * y_bent + transform[2, 2]
            metric = depth / max(2 * bend - 1, 0.05)
            which[end] = min(max(int((metric - nearest) / step), 0), last)
            depth = 4194304 / max(depth, 0.05)
            across[end] = (transform[0, 0] * x_bent + transform[0, 1] * y_bent + transform[0, 2]) * depth
            down[end] = (transform[1, 0] * x_bent + transform[1, 1] * y_bent + transform[1, 2]) * depth
        for end in range(ends - 1):
            u, v = np.int64(across[end]), np.int64(down[end])
            step_u, step_v = (np.int64(across[end + 1]) - u) >> 3, (np.int64(down[end + 1]) - v) >> 3
            first = (which[end] * 3 + colour) * plane
            for j in range(8 * end, 8 * end + 8, 2):
                place[np.uint64(j)] = first + (((v >> fine) & mask) << bits) + ((u >> fine) & mask)
                u += step_u
                v += step_v
                place[np.uint64(j + 1)] = (
                    first + plane + (((v >> fine) & mask) << bits) + ((u >> fine) & mask)
                )
                u += step_u
                v += step_v
        even, odd, ambient = gain[i, colour], gain[i, colour + 1], ambient_gain[i]
        if scale == 2:
            for x in range(width):
                at = 3 * x + colour
                lit[2 * x] = (np.int64(light[np.uint64(at)]) * even) >> 15
                lit[2 * x + 1] = (np.int64(light[np.uint64(at + 1)]) * odd) >> 15
                other[2 * x] = (np.int64(extra[np.uint64(at)]) * ambient) >> 15
                other[2 * x + 1] = (np.int64(extra[np.uint64(at + 1)]) * ambient) >> 15
        else:
            for x in range(width):
                at = 3 * x + colour + (x & 1)
                lit[x] = (np.int64(light[np.uint64(at)]) * (odd if x & 1 else even)) >> 15
                other[x] = (np.int64(extra[np.uint64(at)]) * ambient) >> 15
        _through(cells, place, lit, other, line)
    return out


@kernel
def _through(
    cells: Light, place: NDArray[np.int32], lit: NDArray[np.int32], other: NDArray[np.int32], out: Light
) -> None:
    """Set a row of the mosaic to the panel's light through the cells that photosites see, and other light.

    Look-ups are a loop of their own, so that the compiler makes vectors of the rest.
    """
    for x in range(out.size):
        place[x] = cells[np.uint32(place[x])]
    for x in range(out.size):
        seen = (np.uint64(np.uint32(lit[x])) * np.uint64(np.uint32(place[x]))) >> np.uint64(12)
        out[x] = np.uint16(min(np.uint32(seen) + np.uint32(other[x]), np.uint32(65535)))


@kernel
def inside(transform: Floats, distortion: float, height: int, width: int, box: Floats) -> bool:
    """Whether a rectangle on the plane covers the whole frame; arguments as those of `cover`."""
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    half = min(width, height) / 2
    for side in range(4):
        for step in range(9):
            along, across = step / 8 - 0.5, (side & 1) - 0.5
            x = (width + 2) * (along if side < 2 else across)
            y = (height + 2) * (across if side < 2 else along)
            bend = 1 + distortion * (x * x + y * y) / (half * half)
            x_bent, y_bent = x * bend + centre_x, y * bend + centre_y
            depth = transform[2, 0] * x_bent + transform[2, 1] * y_bent + transform[2, 2]
            if depth <= 0.05:
                return False
            u = (transform[0, 0] * x_bent + transform[0, 1] * y_bent + transform[0, 2]) / depth
            v = (transform[1, 0] * x_bent + transform[1, 1] * y_bent + transform[1, 2]) / depth
            if u < box[0] or v < box[1] or u > box[2] or v > box[3]:
                return False
    return True


@kernel
def cover(transform: Floats, distortion: float, height: int, width: int, box: Floats) -> NDArray[np.uint8]:
    """Return how much of each frame px a rounded rectangle on the plane covers: uint8, 255 is all.

    `transform` and `distortion` are those of `project`; `box` is left, top, right, bottom and corner radius
    in picture px. Places are exact at every 8th px of a row and the edge is taken
    as straight within a px.
    """
    out = np.empty((height, width), np.uint8)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    half = min(width, height) / 2
    curve = distortion / (half * half)
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    reach_x, reach_y = (box[2] - box[0]) / 2 - box[4], (box[3] - box[1]) / 2 - box[4]
    ends = (width + 15) // 16 + 1
    across, down, inverse = np.empty(ends), np.empty(ends), np.empty(ends)
    for i in range(height):
        line, y = out[i], i - centre_y
        for end in range(ends):
            u, v, inverse[end] = _place(transform, curve, centre_x, centre_y, 16 * end - centre_x, y)
            across[end], down[end] = u - middle_x, v - middle_y
        for end in range(ends - 1):
            first, stop = 16 * end, min(16 * end + 16, width)
            if inverse[end] == 0 or inverse[end + 1] == 0 or stop - first < 16:
                # at the vanishing line, and past the frame's side, one px tells nothing of the next
                for j in range(first, stop):
                    x = j - centre_x
                    u, v, deep = _place(transform, curve, centre_x, centre_y, x, y)
                    line[j] = 0
                    if deep > 0:
                        per_u, per_v = _steps(transform, u, v, deep, curve * (x * x + y * y))
                        u, v = abs(u - middle_x) - reach_x, abs(v - middle_y) - reach_y
                        line[j] = _share(u, v, box[4], per_u, per_v)
                continue
            u, v, last_u, last_v = across[end], down[end], across[end + 1], down[end + 1]
            x = first + 8 - centre_x
            half_u, half_v, deep = _place(transform, curve, centre_x, centre_y, x, y)
            per_u, per_v = _steps(transform, half_u, half_v, deep, curve * (x * x + y * y))
            # where all of it lies well within, or well off to one side, its px need no look
            wide, tall = 1 + 1 / per_u, 1 + 1 / per_v
            if max(abs(u), abs(last_u)) < reach_x - wide and max(abs(v), abs(last_v)) < reach_y - tall:
                line[first:stop] = 255
                continue
            beside = min(abs(u), abs(last_u)) > reach_x + box[4] + wide and u * last_u > 0
            if beside or (min(abs(v), abs(last_v)) > reach_y + box[4] + tall and v * last_v > 0):
                line[first:stop] = 0
                continue
            # the parabola through both ends and the middle
            half_u, half_v = half_u - middle_x, half_v - middle_y
            bend_u, bend_v = (u + last_u - 2 * half_u) / 128, (v + last_v - 2 * half_v) / 128
            step_u, step_v = (last_u - u) / 16 - 16 * bend_u, (last_v - v) / 16 - 16 * bend_v
            for j in range(first, stop):
                k = j - first
                over_u = abs(u + k * (step_u + k * bend_u)) - reach_x
                over_v = abs(v + k * (step_v + k * bend_v)) - reach_y
                line[j] = _share(over_u, over_v, box[4], per_u, per_v)
    return out


@kernel
def _place(
    transform: Floats, curve: float, centre_x: float, centre_y: float, x: float, y: float
) -> tuple[float, float, float]:
    """Return the picture's px seen x, y from the frame's middle and 1 over its depth; 0 if too far."""
    bend = 1 + curve * (x * x + y * y)
    x, y = x * bend + centre_x, y * bend + centre_y
    depth = transform[2, 0] * x + transform[2, 1] * y + transform[2, 2]
    inverse = 1 / depth if depth > 0.05 else 0.0
    u = (transform[0, 0] * x + transform[0, 1] * y + transform[0, 2]) * inverse
    v = (transform[1, 0] * x + transform[1, 1] * y + transform[1, 2]) * inverse
    return u, v, inverse


@kernel
def _steps(transform: Floats, u: float, v: float, inverse: float, bent: float) -> tuple[float, float]:
    """Return how many frame px one picture px spans, across edges of constant u and of constant v."""
    u_x, u_y = transform[0, 0] - u * transform[2, 0], transform[0, 1] - u * transform[2, 1]
    v_x, v_y = transform[1, 0] - v * transform[2, 0], transform[1, 1] - v * transform[2, 1]
    scale = inverse * max(1 + 3 * bent, 0.1)
    per_u, per_v = math.sqrt(u_x * u_x + u_y * u_y) * scale, math.sqrt(v_x * v_x + v_y * v_y) * scale
    return 1 / max(per_u, 1e-6), 1 / max(per_v, 1e-6)


@kernel
def _share(over_u: float, over_v: float, radius: float, per_u: float, per_v: float) -> np.uint8:
    """Return how much of a px a rounded box covers, of 255; `over` is how far it lies past the sides."""
    out_u, out_v = max(over_u, 0.0), max(over_v, 0.0)
    away = min(max(over_u, over_v), 0.0) - radius
    if out_u + out_v > 0:
        away += math.sqrt(out_u * out_u + out_v * out_v)
    share = 0.5 - away * (per_u if over_u > over_v else per_v)
    return np.uint8(min(max(share, 0.0), 1.0) * 255 + 0.5)


@kernel
def compose(
    emitted: Light,
    added: Light,
    behind: Light,
    on_picture: NDArray[np.uint8],
    on_screen: NDArray[np.uint8],
    on_device: NDArray[np.uint8],
    black: int,
    frame: NDArray[np.int64],
) -> None:
    """Cut the lit screen out of its frame and set both before what is `behind`, in place.

    The screen shows `black` where it does not show the picture; the device's frame around it reflects the
    light `frame` (x 3); `added`, mirrored light, lies over the whole device. The covers are 0-255.
    """
    height, width, _ = emitted.shape
    for y in range(height):
        shown, light, far = emitted[y].reshape(-1), added[y].reshape(-1), behind[y].reshape(-1)
        for x in range(width):
            picture, screen = np.int64(on_picture[y, x]), np.int64(on_screen[y, x])
            if picture + screen == 510:
                continue
            device = max(np.int64(on_device[y, x]), screen)
            for channel in range(3):
                at = np.uint64(3 * x + channel)
                if screen:
                    lit = black * 255 + (np.int64(shown[at]) - black) * picture
                    # a division by 255^2, exact to half a unit: 2^32 / 65025 is 66051.6
                    shown[at] = (lit * screen * 66052 + (1 << 31)) >> 32
                else:
                    shown[at] = 0
                if device == 0:
                    light[at] = far[at]
                elif screen < 255:
                    rest = np.int64(light[at]) * device + frame[channel] * (device - screen)
                    rest += np.int64(far[at]) * (255 - device)
                    light[at] = min((rest * 257 + 32768) >> 16, 65535)
    return
