"""Slow NumPy twins of the replay kernels, written from their description, and a replay without flaws."""

import numpy as np
from camera_twins import FLAWLESS

from facedata.augment.registry import OPERATORS
from facedata.datasets.words import Words

STILL = {
    **FLAWLESS,
    "tilt": 0.0,
    "pan": 0.0,
    "roll": 0.0,
    "offset_x": 0.0,
    "offset_y": 0.0,
    "distortion": 0.0,
    "fill": 1.5,
    "gamma": 2.2,
    "aperture_width": 0.28,
    "aperture_height": 0.85,
    "contrast_ratio": 1e6,
    "focal_length": 4.2,
    "photosite": 1.4,
    "f_number": 2.0,
    "distance": 400.0,
    "oversample": 2,
    "screen_width": 100.0,
    "illuminance": 0.0,
}
SCREEN = {"mirrored_luminance": 0.0, "pulse_depth": 0.0, "lattice": "rgb-stripe"}
WALL = {"engine": "lcd", "keystone_x": 0.0, "keystone_y": 0.0, "throw_blur": 0.0}


def still(name, **changes):
    """Parameters of a replay seen straight on, in the dark, by a camera without flaws, but for `changes`."""
    fixed = {**STILL, **(WALL if name == "replay-projector" else SCREEN), **changes}
    return OPERATORS[name].sample(Words.of(1, name), fixed)


def at_scale(k, **changes):
    """Density that gives `k` photosites per display px at the distance, lens and sensor of `STILL`."""
    optics = {**STILL, **changes}
    pitch = k * optics["distance"] * optics["photosite"] * 1e-3 / optics["focal_length"]
    return {"density": 25.4 / pitch, **changes}


def mapped(transform, distortion, height, width, unit, run):
    """Places (u, v) of each px in 1 / `unit`, int64: exact every `run` px of a row, linear between; scale."""
    ends = np.arange((width + run - 1) // run + 1) * run
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    half = min(width, height) / 2
    curve = distortion / (half * half)
    y, x = np.arange(height)[:, None] - middle_y, ends[None, :] - middle_x
    bend = 1 + curve * (x * x + y * y)
    bent_x, bent_y = x * bend + middle_x, y * bend + middle_y
    depth = transform[2, 0] * bent_x + transform[2, 1] * bent_y + transform[2, 2]
    scale = unit / np.maximum(depth, 0.05)
    places = []
    for row in transform[:2]:
        end = ((row[0] * bent_x + row[1] * bent_y + row[2]) * scale).astype(np.int64)
        step = np.diff(end, axis=1) // run
        line = end[:, :-1, None] + step[:, :, None] * np.arange(run)
        places.append(line.reshape(height, -1)[:, :width])
    scale = depth / np.maximum(2 * bend - 1, 0.05)
    return *places, np.repeat(scale[:, :-1], run, axis=1)[:, :width]


def project(image, transform, distortion, height, width, emitted):
    rows, columns, _ = image.shape
    u, v, _ = mapped(transform, distortion, height, width, 65536, 16)
    u, v = np.clip(u, 0, (columns - 1) << 16), np.clip(v, 0, (rows - 1) << 16)
    left, top = u >> 16, v >> 16
    right, below = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    part_u, part_v = ((u >> 10) & 63)[..., None], ((v >> 10) & 63)[..., None]
    codes = image.astype(np.int64)
    upper = codes[top, left] * (64 - part_u) + codes[top, right] * part_u
    lower = codes[below, left] * (64 - part_u) + codes[below, right] * part_u
    return emitted[(upper * (64 - part_v) + lower * part_v) >> 8]


def mosaic(emitted, added, scale, transform, distortion, tiles, nearest, step, gain, ambient):
    height, width = emitted.shape[0] * scale, emitted.shape[1] * scale
    u, v, seen = mapped(transform, distortion, height, width, 4194304, 8)
    which = np.clip(((seen - nearest) / step).astype(np.int64), 0, len(tiles) - 1)
    i, j = np.indices((height, width))
    channel = (i & 1) + (j & 1)
    side = tiles.shape[-1]
    row, column = ((p // (4194304 // side)) % side for p in (v, u))
    cell = tiles[which, channel, row, column].astype(np.int64)
    lit = (emitted[i // scale, j // scale, channel].astype(np.int64) * gain[i, channel]) >> 15
    other = (added[i // scale, j // scale, channel].astype(np.int64) * ambient[i]) >> 15
    return np.minimum(((lit * cell) >> 12) + other, 65535)


def compose(emitted, added, behind, on_picture, on_screen, on_device, black, frame):
    picture, screen, device = (c.astype(np.int64)[..., None] for c in (on_picture, on_screen, on_device))
    device = np.maximum(device, screen)
    lit = (black * 255 + (emitted.astype(np.int64) - black) * picture) * screen
    shown = (lit * 66052 + (1 << 31)) >> 32
    rest = (
        added.astype(np.int64) * device + frame * (device - screen) + behind.astype(np.int64) * (255 - device)
    )
    light = np.minimum((rest * 257 + 32768) >> 16, 65535)
    light = np.where(device == 0, behind, np.where(screen == 255, added, light))
    untouched = picture + screen == 510
    return np.where(untouched, emitted, shown), np.where(untouched, added, light)


def soften(light, weights):
    reach = len(weights) // 2
    taps = weights.astype(np.int64)
    for axis in (0, 1):
        width = [(reach, reach) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(light.astype(np.int64), width, mode="symmetric")
        views = np.lib.stride_tricks.sliding_window_view(padded, len(taps), axis=axis)
        light = (views @ taps + 16384) >> 15
    return light
