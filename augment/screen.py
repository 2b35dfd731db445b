"""A lit plane before a camera: where its picture falls, and what a Bayer sensor collects of its lattice.

Two rates: the content changes slowly and is mapped at the size of the output; the lattice changes within a
pixel and is sampled at each photosite, in the one colour that its filter passes.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.operator import Image

__all__ = ["compose", "cover", "inside", "mosaic", "packed", "project", "soften", "to_display_grid"]

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
    corner) to picture px, `distortion` bends it radially about the frame's middle (k1 at half the shorter side).
    Codes are interpolated between four pixels, as a display's scaler does, then looked up in `emitted` (4096,
    code x 16). Outside the picture its edge goes on.
    """
    out = np.empty((height, width, 3), np.uint16)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    half = min(width, height) / 2
    last_u, last_v = np.int64((columns - 1) << 16), np.int64((rows - 1) << 16)
    for i in range(height):
        line = out[i].reshape(-1)
        y = i - centre_y
        u, v = np.int64(0), np.int64(0)
        for end in range(0, width + 16, 16):
            x = end - centre_x
            bend = 1 + distortion * (x * x + y * y) / (half * half)
            x_bent, y_bent = x * bend + centre_x, y * bend + centre_y
            depth = transform[2, 0] * x_bent + transform[2, 1] * y_bent + transform[2, 2]
            depth = 65536 / max(depth, 0.05)
            next_u = np.int64((transform[0, 0] * x_bent + transform[0, 1] * y_bent + transform[0, 2]) * depth)
            next_v = np.int64((transform[1, 0] * x_bent + transform[1, 1] * y_bent + transform[1, 2]) * depth)
            if end:
                step_u, step_v = (next_u - u) >> 4, (next_v - v) >> 4
                for j in range(end - 16, min(end, width)):
                    at_u, at_v = min(max(u, 0), last_u), min(max(v, 0), last_v)
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
            u, v = next_u, next_v
    return out


@kernel
def mosaic(
    emitted: Light,
    added: Light,
    scale: int,
    transform: Floats,
    distortion: float,
    tiles: Light,
    nearest: float,
    depth_step: float,
    gain: NDArray[np.int64],
    ambient_gain: NDArray[np.int64],
) -> Light:
    """Return what a Bayer sensor (RGGB, uint16) of `scale` x the frame's size collects of a lit lattice.

    `emitted` and `added` are light at the frame's size, with and without the lattice; `transform` maps sensor
    px to periods of the lattice; `tiles` is n x 3 x 64 x 64, 4096 mean: where perspective changes the
    lattice's scale, tile i is for depths (third coordinate of the map) from `nearest` + i * `depth_step`;
    `gain` (Q15, rows x 3) and `ambient_gain` (Q15, rows) are the shutter's gains on either light's flicker.
    """
    height, width, _ = emitted.shape
    rows, columns = height * scale, width * scale
    out = np.empty((rows, columns), np.uint16)
    cells, last = tiles.reshape(-1), tiles.shape[0] - 1
    centre_x, centre_y = (columns - 1) / 2, (rows - 1) / 2
    half = min(columns, rows) / 2
    shift = scale - 1
    # where in the tiles the photosites of a row look
    place = np.empty(columns + 16, np.int32)
    for i in range(rows):
        y = i - centre_y
        light, extra, line = emitted[i >> shift].reshape(-1), added[i >> shift].reshape(-1), out[i]
        colour = i & 1
        u, v = np.int64(0), np.int64(0)
        start = 0
        for end in range(0, columns + 16, 16):
            x = end - centre_x
            bend = 1 + distortion * (x * x + y * y) / (half * half)
            x_bent, y_bent = x * bend + centre_x, y * bend + centre_y
            depth = transform[2, 0] * x_bent + transform[2, 1] * y_bent + transform[2, 2]
            which = min(max(int((depth - nearest) / depth_step), 0), last) * 3
            depth = 4194304 / max(depth, 0.05)
            next_u = np.int64((transform[0, 0] * x_bent + transform[0, 1] * y_bent + transform[0, 2]) * depth)
            next_v = np.int64((transform[1, 0] * x_bent + transform[1, 1] * y_bent + transform[1, 2]) * depth)
            if end:
                step_u, step_v = np.int32((next_u - u) >> 4), np.int32((next_v - v) >> 4)
                base = np.int32((start + colour) << 12)
                part = place[end - 16 : end]
                su, sv = np.int32(u & 0x3FFFFF), np.int32(v & 0x3FFFFF)
                for j in range(16):
                    jj = np.int32(j)
                    part[j] = (
                        base
                        + ((jj & np.int32(1)) << np.int32(12))
                        + ((((sv + jj * step_v) >> np.int32(16)) & np.int32(63)) << np.int32(6))
                        + (((su + jj * step_u) >> np.int32(16)) & np.int32(63))
                    )
            u, v, start = next_u, next_v, which
        even, odd, ambient = gain[i, colour], gain[i, colour + 1], ambient_gain[i]
        if scale == 2 and even == 32768 and odd == 32768 and ambient == 32768:
            for x in range(width):
                at = 3 * x + colour
                a = np.int64(light[np.uint64(at)]) * np.int64(cells[np.uint64(place[np.uint64(2 * x)])])
                b = np.int64(light[np.uint64(at + 1)]) * np.int64(
                    cells[np.uint64(place[np.uint64(2 * x + 1)])]
                )
                a = (a >> 12) + np.int64(extra[np.uint64(at)])
                b = (b >> 12) + np.int64(extra[np.uint64(at + 1)])
                line[np.uint64(2 * x)] = min(a, np.int64(65535))
                line[np.uint64(2 * x + 1)] = min(b, np.int64(65535))
        elif scale == 2:
            for x in range(width):
                at = 3 * x + colour
                a = ((np.int64(light[np.uint64(at)]) * even) >> 15) * np.int64(
                    cells[np.uint64(place[np.uint64(2 * x)])]
                )
                b = ((np.int64(light[np.uint64(at + 1)]) * odd) >> 15) * np.int64(
                    cells[np.uint64(place[np.uint64(2 * x + 1)])]
                )
                a = (a >> 12) + ((np.int64(extra[np.uint64(at)]) * ambient) >> 15)
                b = (b >> 12) + ((np.int64(extra[np.uint64(at + 1)]) * ambient) >> 15)
                line[np.uint64(2 * x)] = min(a, np.int64(65535))
                line[np.uint64(2 * x + 1)] = min(b, np.int64(65535))
        else:
            for x in range(width):
                at = 3 * x + colour + (x & 1)
                g = odd if x & 1 else even
                a = ((np.int64(light[np.uint64(at)]) * g) >> 15) * np.int64(
                    cells[np.uint64(place[np.uint64(x)])]
                )
                a = (a >> 12) + ((np.int64(extra[np.uint64(at)]) * ambient) >> 15)
                line[np.uint64(x)] = min(a, np.int64(65535))
    return out


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
    in picture px. The edge is taken as straight within a pixel.
    """
    out = np.empty((height, width), np.uint8)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    half = min(width, height) / 2
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    reach_x, reach_y = (box[2] - box[0]) / 2 - box[4], (box[3] - box[1]) / 2 - box[4]
    for i in range(height):
        y = i - centre_y
        known = 0
        for j in range(width):
            if known > 0:
                out[i, j] = out[i, j - 1]
                known -= 1
                continue
            x = j - centre_x
            bend = 1 + distortion * (x * x + y * y) / (half * half)
            x_bent, y_bent = x * bend + centre_x, y * bend + centre_y
            depth = transform[2, 0] * x_bent + transform[2, 1] * y_bent + transform[2, 2]
            if depth <= 0.05:
                out[i, j] = 0
                continue
            u = (transform[0, 0] * x_bent + transform[0, 1] * y_bent + transform[0, 2]) / depth
            v = (transform[1, 0] * x_bent + transform[1, 1] * y_bent + transform[1, 2]) / depth
            over_u, over_v = abs(u - middle_x) - reach_x, abs(v - middle_y) - reach_y
            out_u, out_v = max(over_u, 0.0), max(over_v, 0.0)
            away = np.sqrt(out_u * out_u + out_v * out_v) + min(max(over_u, over_v), 0.0) - box[4]
            # picture px per frame px, across the edge that is nearer
            if over_u > over_v:
                step_x = (transform[0, 0] - u * transform[2, 0]) / depth
                step_y = (transform[0, 1] - u * transform[2, 1]) / depth
            else:
                step_x = (transform[1, 0] - v * transform[2, 0]) / depth
                step_y = (transform[1, 1] - v * transform[2, 1]) / depth
            step = max(np.sqrt(step_x * step_x + step_y * step_y), 1e-6)
            share = 0.5 - away / step
            # far from the edge nothing changes soon: twice the distance covers what perspective stretches
            known = np.int64(min((abs(share) - 1) / 2, 1e6))
            out[i, j] = np.uint8(min(max(share, 0.0), 1.0) * 255 + 0.5)
    return out


@kernel
def soften(
    light: Light, weights: NDArray[np.int32], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Light:
    """Return the light (uint16, height x width x 3) through a lens with the Q15 taps `weights`.

    `rows` and `columns` are the indices that go on beyond the border (`optics.mirrored`).
    """
    height, width, _ = light.shape
    out = np.empty_like(light)
    reach = weights.size // 2
    span = 3 * width
    line = np.empty(span + 6 * reach, np.int32)
    total = np.empty(span, np.int32)
    for y in range(height):
        total[:] = 16384
        for tap in range(weights.size):
            row, weight = light[rows[y + tap]].reshape(-1), weights[tap]
            for i in range(span):
                total[i] += np.int32(row[i]) * weight
        for i in range(span):
            line[3 * reach + i] = total[i] >> 15
        for i in range(reach):
            for channel in range(3):
                line[3 * i + channel] = line[3 * (columns[i] + reach) + channel]
                end = width + reach + i
                line[3 * end + channel] = line[3 * (columns[end] + reach) + channel]
        total[:] = 16384
        for tap in range(weights.size):
            weight = weights[tap]
            for i in range(span):
                total[i] += line[i + 3 * tap] * weight
        target = out[y].reshape(-1)
        for i in range(span):
            target[i] = total[i] >> 15
    return out


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
        for x in range(width):
            picture, screen = np.int64(on_picture[y, x]), np.int64(on_screen[y, x])
            device = max(np.int64(on_device[y, x]), screen)
            for channel in range(3):
                shown = black * 255 + (np.int64(emitted[y, x, channel]) - black) * picture
                emitted[y, x, channel] = (shown * screen + 32512) // 65025
                rest = np.int64(added[y, x, channel]) * device + frame[channel] * (device - screen)
                rest += np.int64(behind[y, x, channel]) * (255 - device)
                added[y, x, channel] = min((rest + 127) // 255, 65535)
