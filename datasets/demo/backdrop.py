"""What stands out of focus behind the person."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.demo.shot import Shot
from facedata.datasets.words import Words

__all__ = ["backdrop"]

Floats32 = NDArray[np.float32]
GRID = 96  # the background is drawn at this size, whatever the picture's, and enlarged: it is out of focus


def backdrop(shot: Shot, size: int) -> Floats32:
    """Return the background, linear light (size, size, 3)."""
    words = Words.of(shot.seed, "backdrop")
    colour = np.array(shot.background_colour, np.float32)
    y, x = np.mgrid[0:GRID, 0:GRID].astype(np.float32) / GRID
    image = np.ones((GRID, GRID, 3), np.float32) * colour
    kind = shot.background
    if kind in ("paper", "gradient"):
        cx, cy, reach = words.uniform(0.2, 0.8), words.uniform(0.25, 0.7), words.uniform(0.45, 0.8)
        glow = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * reach**2))
        image *= (0.35 + 0.9 * glow)[..., None]
        if kind == "gradient":
            image *= (0.55 + 0.8 * (1 - y))[..., None]
    elif kind == "wall":
        image *= (0.7 + 0.5 * (x if words.chance(0.5) else 1 - x))[..., None]
        image[int(GRID * words.uniform(0.6, 0.85)) :] *= np.float32(words.uniform(0.4, 0.8))
        _boxes(image, words, 2, colour)
    elif kind == "room":
        _boxes(image, words, 14, colour)
    elif kind == "window":
        _boxes(image, words, 6, colour * 0.6)
        left = int(GRID * words.uniform(-0.1, 0.7))
        top, wide, high = int(GRID * words.uniform(-0.1, 0.15)), int(GRID * 0.32), int(GRID * 0.55)
        pane = image[max(0, top) : top + high, max(0, left) : left + wide]
        pane[:] = np.array([0.75, 0.92, 1.15]) * words.uniform(0.5, 1.0)
        if pane.shape[1] > 8:
            pane[:, pane.shape[1] // 2 - 1 : pane.shape[1] // 2 + 2] *= 0.25
    else:
        image *= (0.5 + 0.9 * y)[..., None]
        _lamps(image, words, 22 if kind == "bokeh" else 4, x, y)
    sigma = 0.012 * GRID if kind == "bokeh" else 0.045 * GRID
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC), np.float32).clip(
        0.0, None
    )


def _boxes(image: Floats32, words: Words, count: int, colour: Floats32) -> None:
    for _ in range(count):
        left, top = int(GRID * words.uniform(-0.15, 0.95)), int(GRID * words.uniform(-0.1, 0.95))
        wide, high = int(GRID * words.uniform(0.06, 0.4)), int(GRID * words.uniform(0.06, 0.5))
        tint = np.array([words.uniform(0.6, 1.4) for _ in range(3)], np.float32)
        image[max(0, top) : max(0, top + high), max(0, left) : max(0, left + wide)] = (
            colour * tint * words.log_uniform(0.35, 1.9)
        )


def _lamps(image: Floats32, words: Words, count: int, x: Floats32, y: Floats32) -> None:
    for _ in range(count):
        cx, cy, r = words.unit(), words.uniform(0.0, 0.75), words.uniform(0.015, 0.06)
        warm = words.unit()
        tint = np.array([1.0, 0.45 + 0.4 * warm, 0.12 + 0.7 * warm * words.unit()], np.float32)
        disc = np.clip((r - np.hypot(x - cx, y - cy)) * GRID + 0.5, 0.0, 1.0)
        image += (disc * words.log_uniform(0.02, 0.55))[..., None] * tint
