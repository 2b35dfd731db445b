"""Procedural radiance: what a glass surface in front of the face may mirror."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.colour import D50, D65, PROFILES, adaptation
from facedata.datasets.words import Words

__all__ = ["environment", "planckian"]

Floats = NDArray[np.float32]

_CELLS: Final = 96
"""Cells along the shorter side of an environment: a mirrored room is never in focus on a face."""
_TO_SRGB: Final = np.asarray(np.linalg.solve(PROFILES["srgb"].to_pcs(), adaptation(D65, D50)), np.float64)
"""CIE XYZ to linear sRGB, both relative to D65."""


def planckian(kelvin: float) -> NDArray[np.float64]:
    """Return linear sRGB (R, G, B; luminance 1; negative values clipped) of a black body at 1667-25000 K.

    Chromaticity by the cubic splines of Kim et al. (US patent 7024034, 2002).
    """
    t = 1000 / kelvin
    if kelvin <= 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvin <= 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin <= 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    return np.asarray(np.maximum(_TO_SRGB @ xyz, 0.0), np.float64)


def environment(
    height: int, width: int, seed: int, kelvin: float, blur: float, cells: int = _CELLS
) -> NDArray[np.uint16]:
    """Return radiance mirrored by a flat glass, for a picture of `height` x `width` px.

    Result: uint16, h x w x 3, linear sRGB, brightest channel 65535, the shorter side `cells` cells: enlarge
    it to the picture. `seed` chooses the room: windows, lamps, a horizon and the dark shape of whoever holds
    the camera. `kelvin` is the colour temperature of the lamps (the camera is balanced for daylight, 6500 K);
    `blur` is the standard deviation of gloss and defocus, in % of the shorter side.
    """
    words = Words.of(seed, "environment")
    short = min(height, width)
    h, w = (min(4 * cells, round(cells * n / short)) for n in (height, width))
    lamp, sky = planckian(kelvin), planckian(words.uniform(5500, 9000))
    wall = lamp * words.uniform(0.03, 0.1)
    rows = (_walls(h, words)[:, None, None] * wall).astype(np.float32)
    room = np.asarray(cv2.resize(rows, (w, h), interpolation=cv2.INTER_NEAREST), np.float32)
    for _ in range(words.integer(1, 2)):
        _window(room, words, sky)
    for _ in range(words.integer(0, 3)):
        _lamp(room, words, lamp)
    if words.chance(0.5):
        _onlooker(room, words)
    sigma = max(0.6, blur * cells / 100)
    soft = cv2.GaussianBlur(room, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.rint(soft * np.float32(65535 / soft.max())), np.uint16)


def _walls(h: int, words: Words) -> Floats:
    """Return brightness by row: ceiling, wall, floor, with soft joints."""
    y = np.linspace(0, 1, h, dtype=np.float32)
    ceiling, horizon = words.uniform(0.05, 0.3), words.uniform(0.6, 0.9)
    above = np.float32(words.uniform(0.3, 1.0)) / (1 + np.exp((y - ceiling) * 25))
    floor: Floats = np.float32(1.0) - np.float32(words.uniform(0.3, 0.8)) / (1 + np.exp((horizon - y) * 25))
    return np.asarray(above + floor, np.float32)


def _window(room: Floats, words: Words, sky: NDArray[np.float64]) -> None:
    """Draw a window in perspective: a quadrilateral of sky, brighter above, with glazing bars."""
    h, w, _ = room.shape
    size = min(h, w)
    wide, tall = size * words.uniform(0.25, 0.55), size * words.uniform(0.35, 0.75)
    left, top = w * words.uniform(-0.1, 0.75), h * words.uniform(-0.1, 0.5)
    slope = words.uniform(-0.25, 0.25)
    columns, rows = words.integer(1, 3), words.integer(1, 3)
    bar = words.uniform(0.03, 0.08)
    level = words.uniform(0.7, 1.0)
    u = (np.arange(columns)[:, None] + np.array([bar, 1 - bar, 1 - bar, bar])) / columns
    v = (np.arange(rows)[:, None] + np.array([bar, bar, 1 - bar, 1 - bar])) / rows
    x = np.broadcast_to(left + wide * u, (rows, columns, 4))
    y = top + tall * (v[:, None] + slope * (u - 0.5) * (1 - 2 * v[:, None]))
    panes = np.rint(np.stack([x, y], axis=-1) * 16).astype(np.int32)
    for j in range(rows):
        # the sky pales towards the ground, where roofs and trees begin
        shade = level * (1.0 - 0.5 * (j + 0.5) / rows)
        cv2.fillPoly(room, panes[j], (sky * shade).tolist(), shift=4)


def _lamp(room: Floats, words: Words, lamp: NDArray[np.float64]) -> None:
    """Draw a lamp: a disc or a tube, about as bright as the sky."""
    h, w, _ = room.shape
    size = min(h, w)
    centre = round(w * words.unit()), round(h * words.uniform(0, 0.6))
    tube = words.chance(0.4)
    axes = (0.12, 0.012) if tube else (0.045, 0.045)
    scale = size * words.uniform(0.6, 1.5)
    reach = max(1, round(axes[0] * scale)), max(1, round(axes[1] * scale))
    colour = (lamp * words.uniform(0.6, 1.2)).tolist()
    cv2.ellipse(room, centre, reach, words.uniform(-20, 20), 0, 360, colour, -1)


def _onlooker(room: Floats, words: Words) -> None:
    """Draw head and shoulders of the person with the camera, who hides the room behind."""
    h, w, _ = room.shape
    size = min(h, w)
    x, y = w * words.uniform(0.3, 0.7), h * words.uniform(0.45, 0.65)
    dark = [float(room.min()) * 0.5] * 3
    head = round(size * 0.1), round(size * 0.14)
    cv2.ellipse(room, (round(x), round(y)), head, 0, 0, 360, dark, -1)
    shoulders = round(size * 0.26), round(size * 0.3)
    cv2.ellipse(room, (round(x), round(y + size * 0.42)), shoulders, 0, 0, 360, dark, -1)
