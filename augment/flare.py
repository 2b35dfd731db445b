"""Lens flare: light of a source in or beside the frame that lens and aperture scatter over the picture."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.light import CODED, ONE
from facedata.augment.operator import Image
from facedata.augment.textures import planckian
from facedata.datasets.words import Words

__all__ = ["flare_field", "flare_layer"]

Floats = NDArray[np.float32]

_CELLS: Final = 64
"""Cells along the shorter side: flare has no detail finer than about a percent of the picture."""
_LONGEST: Final = 4 * _CELLS


def flare_field(
    height: int, width: int, strength: float, source: tuple[float, float], seed: int
) -> NDArray[np.uint16]:
    """Return the light that a flare adds, coarse: uint16, h x w x 3, 32768 is white; enlarge it to the frame.

    `source` is the light's place (x, y) from the middle of the frame, right and down, in % of the shorter
    side; it may lie outside. `strength` is the radiance of the brightest channel and place over white.
    `seed` chooses lens and aperture. Three parts: a halo that falls off with the square of the distance
    (Stiles-Holladay, CIE 146:2002), spikes that the edges of the aperture's n blades diffract (n of them if n
    is even, else 2 n), and ghosts, images of the aperture that pairs of lens surfaces mirror onto the line
    through source and middle (Hullin et al., SIGGRAPH 2011).
    """
    short = min(height, width)
    h, w = (max(2, min(_LONGEST, round(_CELLS * n / short))) for n in (height, width))
    words = Words.of(seed, "flare")
    y, x = _centres(h, height / short), _centres(w, width / short)
    place = source[0] / 100, source[1] / 100
    lamp = np.asarray(planckian(words.uniform(3500, 7500)), np.float32)
    blades = words.integer(5, 9)
    field = _glow(x - np.float32(place[0]), y - np.float32(place[1]), *_source(blades, words), lamp)
    _ghosts(field, x, y, *_images(place, blades, words))
    peak = max(float(field.max()), 1e-6)
    return np.asarray(np.rint(field * np.float32(strength * ONE / peak)), np.uint16)


def _centres(count: int, extent: float) -> Floats:
    """Return the middles of `count` cells over `extent`, counted from the middle."""
    return np.asarray(((np.arange(count) + 0.5) / count - 0.5) * extent, np.float32)


def flare_layer(field: NDArray[np.uint16], height: int, width: int) -> Image:
    """Return the field as a picture of the flare alone, sRGB, uint8 height x width x 3."""
    light = np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR), np.uint16)
    return np.asarray(CODED[np.minimum(light.astype(np.int32) * 2, 65535) >> 2], np.uint8)


def _source(blades: int, words: Words) -> tuple[Floats, Floats]:
    """Return (shape of halo and spikes, directions of the spikes: sine and cosine of each)."""
    spikes = blades if blades % 2 == 0 else 2 * blades
    core, thin = words.uniform(0.03, 0.08), words.uniform(0.006, 0.012)
    share, reach = words.uniform(0.05, 0.4), words.uniform(0.1, 0.35)
    # a line through the source is two spikes
    angles = words.uniform(0, math.pi) + math.pi * np.arange(spikes // 2) / (spikes // 2)
    shape = np.array([core**2, thin**2, share, reach**-2], np.float32)
    return shape, np.stack([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def _images(place: tuple[float, float], blades: int, words: Words) -> tuple[Floats, Floats]:
    """Return (ghosts: x, y, size, red, green, blue; directions of the aperture's sides)."""
    angles = words.uniform(0, 2 * math.pi) + 2 * math.pi * np.arange(blades) / blades
    ghosts = []
    for _ in range(words.integer(3, 7)):
        along, size = words.uniform(-1.6, 0.6), words.log_uniform(0.02, 0.14)
        level = words.uniform(0.02, 0.12) * (0.05 / size) ** 0.5
        tint = [level * words.uniform(low, 1) for low in (0.2, 0.3, 0.3)]
        ghosts.append([place[0] * along, place[1] * along, size, *tint])
    return np.array(ghosts, np.float32), np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@kernel
def _glow(x: Floats, y: Floats, shape: Floats, spikes: Floats, lamp: Floats) -> Floats:
    """Return halo and spikes, float32 rows x columns x 3, of a source at 0, 0."""
    field = np.empty((y.size, x.size, 3), np.float32)
    core, thin, share, reach = shape[0], shape[1], shape[2], shape[3]
    one = np.float32(1)
    for i in range(y.size):
        for j in range(x.size):
            squared = x[j] * x[j] + y[i] * y[i]
            star = np.float32(0)
            for spike in range(spikes.shape[0]):
                off = x[j] * spikes[spike, 0] - y[i] * spikes[spike, 1]
                star += thin / (off * off + thin)
            light = core / (squared + core) + star * share / (one + squared * reach)
            for channel in range(3):
                field[i, j, channel] = light * lamp[channel]
    return field


@kernel
def _ghosts(field: Floats, x: Floats, y: Floats, ghosts: Floats, sides: Floats) -> None:
    """Add images of the aperture, polygons with soft edges, to the field."""
    zero, half, one = np.float32(0), np.float32(0.5), np.float32(1)
    for ghost in range(ghosts.shape[0]):
        size = ghosts[ghost, 2]
        edge = size * np.float32(_CELLS)
        for i in range(y.size):
            dy = (y[i] - ghosts[ghost, 1]) / size
            if abs(dy) > np.float32(1.6):
                continue
            for j in range(x.size):
                dx = (x[j] - ghosts[ghost, 0]) / size
                if abs(dx) > np.float32(1.6):
                    continue
                far = -one
                for side in range(sides.shape[0]):
                    far = max(far, dx * sides[side, 0] + dy * sides[side, 1])
                disc = min(max((one - far) * edge + half, zero), one)
                # the rim of a ghost is brighter than its middle
                light = disc * (np.float32(0.6) + np.float32(0.4) * max(far, zero))
                for channel in range(3):
                    field[i, j, channel] += light * ghosts[ghost, 3 + channel]
