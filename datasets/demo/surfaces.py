"""What skin, lips, eyes, teeth and cloth look like at a place, before any light falls on them.

Every function answers for one pixel: colour (three linear reflectances), gloss (strength, roughness),
openness to the sky, and what region it is. Places are canonical: they move with the skin.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from facedata.datasets.demo import head as h
from facedata.datasets.demo.sculpt import lid_edge, lip_edge, smooth

__all__ = ["eyeball", "mouth_inside", "skin", "thing", "tile"]

# Numba takes module constants as literals.
_EYE_X, _EYE_HALF, _TILT, _CREASE, _NOSE_Y, _NOSE_W = (
    h.EYE_X,
    h.EYE_HALF,
    h.TILT,
    h.CREASE,
    h.NOSE_Y,
    h.NOSE_W,
)
_MOUTH_Y, _MOUTH_X, _LIP_UP, _LIP_LOW = h.MOUTH_Y, h.MOUTH_X, h.LIP_UP, h.LIP_LOW

# Places in the numbers `q` of a picture: lamps (direction, colour), surroundings, then the colours of things.
(KEY_X, KEY_Y, KEY_Z, KEY_R, KEY_G, KEY_B, FILL_X, FILL_Y, FILL_Z, FILL_R, FILL_G, FILL_B, AMB_R, AMB_G,
 AMB_B, RIM, SOFT, SKIN_R, SKIN_G, SKIN_B, LIP_R, LIP_G, LIP_B, BLOTCH, FRECKLE, IRIS_R, IRIS_G, IRIS_B,
 IRIS_SIZE, PUPIL, GAZE_X, GAZE_Y, HAIR_R, HAIR_G, HAIR_B, CLOTH_R, CLOTH_G, CLOTH_B, FRAME_R, FRAME_G,
 FRAME_B, SHADOW_R, SHADOW_G, SHADOW_B, SHADOW_K, LIPSTICK,
 BEARD_R, BEARD_G, BEARD_B) = range(49)  # fmt: skip


@njit(cache=True)
def tile(table: Any, x: float, y: float) -> float:
    """Return the noise table's value at (x, y) cells, bilinear, tiling."""
    fx, fy = math.floor(x), math.floor(y)
    i, j = int(fx) & 255, int(fy) & 255
    u, w = x - fx, y - fy
    i1, j1 = (i + 1) & 255, (j + 1) & 255
    top = table[j, i] + u * (table[j, i1] - table[j, i])
    low = table[j1, i] + u * (table[j1, i1] - table[j1, i])
    return top + w * (low - top)  # type: ignore[no-any-return]


@njit(cache=True)
def _lip(x: float, y: float, fine: float, v: Any) -> tuple[float, float, int]:
    """Return the share of vermilion, the depth of the crevice between the lips and the region (1 if none)."""
    dm = y - v[_MOUTH_Y]
    up, low = lip_edge(x, v[_MOUTH_X], v[_LIP_UP], v[_LIP_LOW])
    edge = up - dm if dm >= 0.0 else dm - low
    what = 1
    if edge > 0.0:
        what = 7 if dm >= 0.0 else 9
    # Deepest at the corners.
    u = x / v[_MOUTH_X]
    crevice = (0.70 + 0.2 * u * u) * math.exp(-((dm / (0.7 + 0.6 * u * u)) ** 2))
    return smooth(-0.5, 0.6, edge + 0.12 * fine), crevice, what


@njit(cache=True)
def _part(x: float, y: float, brow: float, v: Any) -> int:
    """Return the region of a place of the face outside the lips."""
    if brow > 0.5:
        return 2 if x < 0.0 else 3
    half = 0.5 * v[_NOSE_W] * (1.0 + smooth(-4.0, v[_NOSE_Y] + 12.0, y))
    if v[_NOSE_Y] - 2.0 < y < 6.0 and abs(x) < half:
        return 6
    return 1


@njit(cache=True)
def _lid(x: float, y: float, lids: Any, v: Any, q: Any) -> tuple[float, float, float]:
    """Return how deep the upper lid's fold, the lashes' roots and eye shadow are at a place by the eye."""
    u = (abs(x) - v[_EYE_X]) / (v[_EYE_HALF] * 1.06)
    if not (u * u < 1.4 and -4.0 < y < 18.0):
        return 0.0, 0.0, 0.0
    wide = 1.0 - 0.72 * u * u
    paint = q[SHADOW_K] * max(0.0, wide) * smooth(15.0, 6.0, y) * smooth(-1.0, 3.0, y)
    if u * u >= 1.0 or y < -3.0:
        return 0.0, 0.0, paint
    e = 0 if x < 0.0 else 1
    up = lid_edge(u, lids[e, 0], lids[e, 1], v[_EYE_HALF], v[_TILT])[0]
    t = y - up - v[_CREASE] * (1.0 - 0.3 * u * u)
    fold = 0.60 * math.exp(-((t / 0.75) ** 2)) * math.sqrt(1.0 - u * u)
    root = smooth(1.5, 0.1, y - up) * smooth(-0.8, 0.2, y - up) * (1.0 - 0.6 * max(0.0, -u))
    return fold, 0.74 * root, paint


@njit(cache=True)
def _spots(x: float, y: float, noise: Any, q: Any) -> float:
    """Return the pigment of freckles, which lie over nose and cheeks, and of a mole or two."""
    spot = tile(noise[3], x * 1.1 + 5.0, y * 1.1 + 91.0)
    ax = abs(x)
    where = math.exp(-(((y + 20.0) / 34.0) ** 2)) * smooth(58.0, 44.0, ax)
    over = spot - 2.75 + 1.75 * q[FRECKLE] * where - 2.0 * smooth(50.0, 60.0, ax)
    return min(0.22, 0.30 * over) if over > 0.0 else 0.0


@njit(cache=True)
def skin(
    m: int, x: float, y: float, sky: float, red: float, oil: float, beard: float, brow: float, noise: Any,
    lids: Any, v: Any, q: Any,
) -> tuple[int, float, float, float, float, float, float, float, float]:  # fmt: skip
    """Return region, colour, gloss strength, roughness, openness and normal's tip of skin (m 1: face)."""
    fine = tile(noise[0], x * 1.9 + 31.0, y * 1.9)
    mid = tile(noise[1], x * 0.9, y * 0.9 + 57.0)
    blotch = q[BLOTCH] * tile(noise[2], x * 0.55 + 11.0, y * 0.55)
    what, strength, rough, lip = (12 if m == 3 else 1), 0.5 * oil, 0.42, 0.0
    pigment = 0.022 * fine + 0.022 * mid + 0.018 * blotch
    if m == 1:
        if abs(x) < v[_MOUTH_X] and -1.2 * v[_LIP_LOW] < y - v[_MOUTH_Y] < 1.3 * v[_LIP_UP]:
            lip, crevice, what = _lip(x, y, fine, v)
            sky *= 1.0 - crevice
        else:
            what = _part(x, y, brow, v)
        if beard > 0.55 and lip <= 0.0 and (what == 1 or what == 6):
            what = 15
        pigment += _spots(x, y, noise, q) * (1.0 - lip)
    elif m == 2:
        what, red, strength = 11, red + 0.9, 0.35
    red += 0.15 * blotch + 0.05 * mid
    r = q[SKIN_R] * math.exp(-0.9 * pigment - 0.04 * red)
    g = q[SKIN_G] * math.exp(-1.1 * pigment - 0.30 * red)
    b = q[SKIN_B] * math.exp(-1.25 * pigment - 0.24 * red)
    if lip > 0.0:
        streak = 1.0 + 0.045 * tile(noise[0], x * 2.6, y * 0.35) + 0.02 * fine
        r += lip * (q[LIP_R] * streak - r)
        g += lip * (q[LIP_G] * streak - g)
        b += lip * (q[LIP_B] * streak - b)
        strength += lip * (0.55 + 0.5 * q[LIPSTICK] - strength)
        rough -= 0.10 * lip
    if m == 1:
        # Nostrils are holes.
        hole = ((abs(x) - 0.47 * v[_NOSE_W]) / 3.4) ** 2 + ((y - v[_NOSE_Y] - 2.4) / 2.0) ** 2
        if hole < 2.0:
            hole = math.exp(-1.2 * hole * hole)
            sky *= 1.0 - 0.93 * hole
            strength *= 1.0 - hole
        fold, root, paint = _lid(x, y, lids, v, q)
        sky *= 1.0 - fold
        # Roots of brows and beard tint the skin between the hairs.
        tint = min(0.86, 0.75 * beard + 0.66 * brow * (0.8 + 0.25 * mid))
        dark = 1.0 - root
        r = (r + paint * (q[SHADOW_R] - r)) * dark
        g = (g + paint * (q[SHADOW_G] - g)) * dark
        b = (b + paint * (q[SHADOW_B] - b)) * dark
        r += tint * (q[BEARD_R] - r)
        g += tint * (q[BEARD_G] - g)
        b += tint * (q[BEARD_B] - b)
        strength *= 1.0 - 0.7 * tint
    # Pores: the table's slope tips the normal.
    tip_x = 0.055 * (tile(noise[0], x * 1.9 + 31.6, y * 1.9) - fine)
    tip_y = 0.055 * (tile(noise[0], x * 1.9 + 31.0, y * 1.9 + 0.6) - fine)
    return what, r, g, b, strength * (1.0 + 0.35 * fine), rough, sky, tip_x, tip_y


@njit(cache=True)
def eyeball(
    m: int, x: float, y: float, noise: Any, lids: Any, v: Any, q: Any
) -> tuple[float, float, float, float, float]:
    """Return colour, openness and the gap to the upper lid (mm) of an eyeball, (x, y) mm from its centre."""
    e, sign = (0, -1.0) if m == 4 else (1, 1.0)
    half, size = v[_EYE_HALF], q[IRIS_SIZE]
    u = max(-1.0, min(1.0, sign * x / half))
    up, low = lid_edge(u, lids[e, 0], lids[e, 1], half, v[_TILT])
    vein = 0.03 * max(0.0, tile(noise[1], x * 2.2, y * 2.2 + 7.0))
    corner = smooth(0.55, 1.0, abs(u))
    r, g, b = (
        0.47 - 0.04 * corner,
        (0.435 - vein) * (1.0 - 0.30 * corner),
        (0.41 - vein) * (1.0 - 0.34 * corner),
    )
    pink = smooth(-0.86, -0.93, u)  # the caruncle
    r += pink * (0.8 * q[LIP_R] + 0.16 - r)
    g += pink * (0.8 * q[LIP_G] + 0.05 - g)
    b += pink * (0.8 * q[LIP_B] + 0.05 - b)
    gx, gy = x - q[GAZE_X], y - q[GAZE_Y] - 0.4
    d = math.sqrt(gx * gx + gy * gy)
    iris = smooth(size + 0.35, size - 0.25, d)
    if iris > 0.0:
        angle = math.atan2(gy, gx)
        fibre = (
            1.0
            + 0.28 * tile(noise[0], angle * 13.0 + 3.0, d * 0.5)
            + 0.2 * tile(noise[1], angle * 5.0, d * 0.8)
        )
        limbus = 1.0 - 0.62 * smooth(size - 1.5, size, d)
        inner = smooth(size * 0.72, size * 0.36, d)
        # Light entering the cornea gathers on the iris's far side.
        tone = (
            0.72
            * limbus
            * fibre
            * (1.0 + 0.2 * inner)
            * (1.0 - 0.35 * (gx * q[KEY_X] + gy * q[KEY_Y]) / size)
        )
        tone *= 1.0 - smooth(q[PUPIL] + 0.3, q[PUPIL] - 0.2, d)
        r += iris * (q[IRIS_R] * (1.0 + 0.5 * inner) * tone + 0.004 - r)
        g += iris * (q[IRIS_G] * (1.0 + 0.22 * inner) * tone + 0.004 - g)
        b += iris * (q[IRIS_B] * tone + 0.004 - b)
    # The lids shade the ball, the upper one most, and lashes with it.
    sky = (0.22 + 0.78 * smooth(-0.6, 4.6, up - y)) * (0.62 + 0.38 * smooth(-0.3, 2.2, y - low))
    return r, g, b, sky * (1.0 - 0.35 * corner), up - y


@njit(cache=True)
def mouth_inside(m: int, x: float, y: float) -> tuple[float, float, float, float, float, float]:
    """Return colour, gloss strength, roughness and openness of cavity (7), teeth (8) and tongue (9)."""
    if m == 7:
        return 0.10, 0.02, 0.018, 0.0, 0.4, 0.12
    if m == 9:
        return 0.34, 0.105, 0.10, 0.5, 0.35, 0.30
    arch = abs(x)
    depth = smooth(24.0, 6.0, arch)
    # Central incisors are wider than their neighbours, the lower ones narrower than the upper.
    width = 8.2 if y >= 0.0 else 5.6
    place = arch / width if arch < width else 1.0 + (arch - width) / 6.6
    part = abs(place - math.floor(place) - 0.5) * 2.0
    scallop = 8.2 - 1.6 * part * part
    gum = smooth(scallop - 0.4, scallop + 0.4, abs(y))
    bright = (0.60 - 0.26 * smooth(0.80, 1.0, part)) * depth
    sky = (0.50 if y >= 0.0 else 0.36) * (0.35 + 0.65 * depth)
    return (
        bright + gum * (0.32 - bright), bright * 0.93 + gum * (0.11 - bright * 0.93),
        bright * 0.80 + gum * (0.11 - bright * 0.80), 0.7, 0.22, sky,
    )  # fmt: skip


@njit(cache=True)
def thing(
    m: int, x: float, y: float, noise: Any, q: Any
) -> tuple[int, float, float, float, float, float, float, float]:
    """Return region, colour, gloss strength, roughness, normal's tip of hair, cloth, frame (m 10 to 12)."""
    if m == 10:
        tone = 0.55 + 0.16 * tile(noise[0], x, y)
        return 10, tone * q[HAIR_R], tone * q[HAIR_G], tone * q[HAIR_B], 0.0, 0.5, 0.0, 0.0
    if m == 12:
        return 14, q[FRAME_R], q[FRAME_G], q[FRAME_B], 1.4, 0.25, 0.0, 0.0
    knit = 0.5 + 0.5 * math.sin(x * 2.4) * math.sin(y * 2.4 + 1.6 * math.sin(x * 1.2))
    tone = 0.86 + 0.07 * knit + 0.05 * tile(noise[0], x * 1.3, y * 1.3)
    tip_x, tip_y = 0.10 * tile(noise[2], x * 0.12, y * 0.12), 0.10 * tile(noise[2], x * 0.12 + 40.0, y * 0.12)
    return 13, q[CLOTH_R] * tone, q[CLOTH_G] * tone, q[CLOTH_B] * tone, 0.08, 0.6, tip_x, tip_y
