"""The kernel that turns points of the skull into points of the face, whatever they are for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from facedata.datasets.demo import head as h

__all__ = ["HINGE_Y", "HINGE_Z", "lid_edge", "lip_edge", "sculpt"]

Floats = NDArray[np.float64]
# Numba takes module constants as literals.
_EYE_X, _EYE_Z, _EYE_HALF, _EYE_RX, _EYE_R, _TILT = h.EYE_X, h.EYE_Z, h.EYE_HALF, h.EYE_RX, h.EYE_R, h.TILT
_NOSE_Y, _NOSE_W, _NOSE_H, _BRIDGE, _HUMP, _UPTURN = h.NOSE_Y, h.NOSE_W, h.NOSE_H, h.BRIDGE, h.HUMP, h.UPTURN
_MOUTH_Y, _MOUTH_X, _LIP_UP, _LIP_LOW, _CREASE = h.MOUTH_Y, h.MOUTH_X, h.LIP_UP, h.LIP_LOW, h.CREASE
LID_THICKNESS = 1.3  # mm, of lid over eyeball
HINGE_Y, HINGE_Z = -16.0, 8.0  # the jaw's joints, mm


@njit(cache=True)
def smooth(a: float, b: float, x: float) -> float:
    """Return 0 at a, 1 at b and a cubic between (a may exceed b)."""
    t = min(1.0, max(0.0, (x - a) / (b - a)))
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True)
def lid_edge(u: float, upper: float, lower: float, half: float, tilt: float) -> tuple[float, float]:
    """Return the heights of the lids' edges at u = -1 (inner corner) .. 1 (outer corner), millimetres."""
    base = tilt * half * u
    r = max(0.0, 1.0 - u * u)
    # The upper lid peaks inward of the middle, the lower lid outward: the eye is no lens.
    up = upper * r**0.62 * (1.0 - 0.16 * u)
    low = -lower * r**0.75 * (1.0 + 0.22 * u)
    return base + up, base + low


@njit(cache=True)
def lip_edge(x: float, half: float, upper: float, lower: float) -> tuple[float, float]:
    """Return the heights of the vermilion borders over and under the line of the mouth at x, millimetres."""
    u = abs(x) / half
    if u >= 1.0:
        return 0.0, 0.0
    r = 1.0 - u * u
    bow = 1.0 - 0.22 * math.exp(-((x / 3.4) ** 2)) + 0.10 * math.exp(-(((abs(x) - 6.5) / 4.5) ** 2))
    return upper * r * bow, -lower * r**0.8 * (0.93 + 0.07 * math.cos(3.0 * u))


@njit(cache=True)
def _nose(x: float, y: float, v: Any) -> float:
    """Return the nose's push in z at (x, y)."""
    ax = abs(x)
    base = v[_NOSE_Y]
    tip = base + 8.5 + 2.0 * v[_UPTURN]
    root = 6.0
    if y > 24.0 or y < base - 6.0 or ax > 34.0:
        return 0.0
    s = min(1.0, max(0.0, (root - y) / (root - tip)))
    low = -0.5 + 4.5 * v[_BRIDGE]
    height = low + (v[_NOSE_H] - low) * s**1.15 + v[_HUMP] * 2.6 * math.exp(-(((s - 0.42) / 0.22) ** 2))
    height *= 1.0 - smooth(2.0, 22.0, y)
    width = 6.6 - 0.6 * v[_BRIDGE] + 1.0 * s + 4.2 * s * s * s
    below = 1.0 - smooth(tip - 1.0, base - 1.0, y)
    ridge = height * below * math.exp(-((ax / width) ** 2) * 0.85)
    # Side wall: a broad foot under the ridge, so that the nose grows out of the cheek.
    foot = 0.30 * height * below * math.exp(-((ax / (width * 1.8)) ** 2)) * smooth(34.0, 18.0, ax)
    # Tip: a soft ball.
    r2 = (ax / 11.0) ** 2 + ((y - tip - 0.5) / 9.5) ** 2
    ball = 4.2 * (1.0 - r2) ** 2 if r2 < 1.0 else 0.0
    # Wings.
    wx = v[_NOSE_W] - 5.6
    r2 = ((ax - wx) / 8.2) ** 2 + ((y - base - 5.2) / (8.2 if y > base + 5.2 else 6.4)) ** 2
    wing = 10.5 * (1.0 - r2) ** 1.2 if r2 < 1.0 else 0.0
    # Columella, then nostrils.
    r2 = (ax / 4.6) ** 2 + ((y - base - 2.6) / 6.0) ** 2
    columella = 6.0 * (1.0 - r2) ** 2 if r2 < 1.0 else 0.0
    r2 = ((ax - 0.47 * v[_NOSE_W]) / 4.4) ** 2 + ((y - base - 2.6) / 2.9) ** 2
    nostril = -4.5 * (1.0 - r2) ** 2 if r2 < 1.0 else 0.0
    return float(ridge + foot + ball + wing + columella + nostril)


@njit(cache=True)
def _lips(x: float, y: float, side: float, v: Any) -> float:
    """Return the lips' push in z: two cushions, a rim at the vermilion border and a roll at the seam."""
    m = y - v[_MOUTH_Y]
    up, low = lip_edge(x, v[_MOUTH_X], v[_LIP_UP], v[_LIP_LOW])
    u = min(1.0, abs(x) / v[_MOUTH_X])
    taper = (1.0 - u * u) ** 0.6
    if side > 0.0 or (side == 0.0 and m >= 0.0):
        q = m / max(up, 0.6)
        if q < 1.0:
            cushion = 3.4 * math.sin(math.pi * min(1.0, max(q, 0.0)) ** 0.72)
            return float(taper * (cushion + 1.4 * q - 1.6 * (1.0 - q) ** 3))
        return float(taper * 1.4 * math.exp(-(((q - 1.0) * up / 3.0) ** 2)))
    q = m / min(low, -0.6)
    if q < 1.0:
        cushion = 4.4 * math.sin(math.pi * min(1.0, max(q, 0.0)) ** 0.8)
        return float(taper * (cushion + 0.3 * q - 1.4 * (1.0 - q) ** 3))
    return float(taper * 0.3 * math.exp(-(((q - 1.0) * low / 3.0) ** 2)))


@njit(cache=True)
def _pushed(x: float, y: float, lip: float, bumps: Any) -> tuple[float, float, float]:
    """Return the sum of the bumps' pushes at (x, y)."""
    dx = dy = dz = 0.0
    for b in range(bumps.shape[0]):
        u = (x - bumps[b, 0]) / bumps[b, 2]
        if u * u >= 1.0:
            continue
        w = (y - bumps[b, 1]) / bumps[b, 3]
        r = 1.0 - u * u - w * w
        if r > 0.0 and bumps[b, 7] * lip >= 0.0:
            k = r * r * r
            dx += k * bumps[b, 4]
            dy += k * bumps[b, 5]
            dz += k * bumps[b, 6]
    return dx, dy, dz


@njit(cache=True)
def _furrowed(x: float, y: float, grooves: Any) -> float:
    """Return the sum of the grooves' depths, and their shoulders', at (x, y)."""
    dz = 0.0
    for g in range(grooves.shape[0]):
        px, py, length = x - grooves[g, 0], y - grooves[g, 1], grooves[g, 5]
        along = px * grooves[g, 2] + py * grooves[g, 3]
        q = 1.0 - (along / length) ** 2
        if q <= 0.0:
            continue
        across = py * grooves[g, 2] - px * grooves[g, 3]
        d = (across - grooves[g, 4] * along * along) / grooves[g, 6]
        if d * d < 16.0:
            dz += q * q * grooves[g, 7] * (0.45 * math.exp(-0.22 * d * d) - 1.3 * math.exp(-d * d))
    return dz


@njit(cache=True)
def _jaw_follows(x: float, y: float, z: float, lip: float, v: Any) -> float:
    """Return how much of the jaw's turn a point of the neutral skull takes part in.

    Along the mouth the lips part; beside it the cheek stretches from none to all of the turn.
    """
    cheek = smooth(v[_MOUTH_Y] + 24.0, v[_MOUTH_Y] - 24.0, y)
    parted = math.sqrt(max(0.0, 1.0 - (x / v[_MOUTH_X]) ** 2))
    follow = cheek + (1.0 - cheek) * parted if lip < 0.0 else cheek * (1.0 - parted)
    return follow * smooth(-10.0, 30.0, z)


@njit(cache=True)
def _over_eyeball(x: float, y: float, z: float, lids: Any, v: Any) -> float:
    """Return z of the skin at (x, y) when it may not lie inside the eyeball with its lids."""
    ex = (abs(x) - v[_EYE_X]) / (v[_EYE_RX] + LID_THICKNESS + 1.2)
    radius = v[_EYE_R] + LID_THICKNESS
    r = 1.0 - ex * ex - (y / radius) ** 2
    if r <= 0.0:
        return z
    lid = v[_EYE_Z] + radius * math.sqrt(r)
    u = (abs(x) - v[_EYE_X]) / v[_EYE_HALF]
    if u * u < 1.3:
        e = 0 if x < 0.0 else 1
        up, low = lid_edge(max(-1.0, min(1.0, u)), lids[e, 0], lids[e, 1], v[_EYE_HALF], v[_TILT])
        # The skin swells above the upper lid's crease, and a little under the lower lid.
        t = y - up - v[_CREASE]
        fold = 1.9 * smooth(-0.6, 2.0, t) - 0.9 * math.exp(-((t / 0.9) ** 2))
        lid += (1.3 - u * u) * (fold + 0.5 * math.exp(-(((y - low + 2.6) / 1.6) ** 2)))
    blend = max(0.0, 4.0 - abs(lid - z)) / 4.0
    return float(max(z, lid) + blend * blend * blend * 4.0 / 6.0)


@njit(cache=True)
def sculpt(
    points: Floats, side: Floats, vector: Floats, bumps: Floats, grooves: Floats, lids: Floats, jaw: float
) -> Floats:
    """Return `points` (n, 3) of the skull moved onto the face, millimetres, float64.

    `side` (n,) says which lip a point on the line of the mouth belongs to: 1 upper, -1 lower, 0 by its
    height. A bump (x, y, rx, ry, dx, dy, dz, side) pushes by (1 - r^2)^3; with a side, it moves that lip
    only. A groove (x, y, cos, sin, bend, half-length, half-width, depth) is a furrow along a parabola with a
    soft shoulder. `lids` (2, 2) are the upper and lower openings, image-left eye first. `jaw` is the opening
    in radians: a turn about the axis between the jaw's joints, which the cheeks follow in part and the upper
    lip not at all.
    """
    out = np.empty_like(points)
    mouth, half = vector[_MOUTH_Y], vector[_MOUTH_X]
    sin_jaw, cos_jaw = math.sin(jaw), math.cos(jaw)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        front = smooth(-5.0, 35.0, z)
        if front == 0.0 and z < -12.0:  # the back of the head, which nothing moves
            out[i, 0], out[i, 1], out[i, 2] = x, y, z
            continue
        lip = side[i]
        if lip == 0.0:
            lip = 1.0 if y >= mouth else -1.0
        dx, dy, dz = _pushed(x, y, lip, bumps)
        dz += _furrowed(x, y, grooves) + _nose(x, y, vector)
        if abs(y - mouth) < 26.0 and abs(x) < half:
            dz += _lips(x, y, lip, vector)
        px, py, pz = x + front * dx, y + front * dy, z + front * dz
        if jaw > 0.0:
            follow = _jaw_follows(x, y, z, lip, vector)
            ry, rz = py - HINGE_Y, pz - HINGE_Z
            py += follow * (ry * cos_jaw - rz * sin_jaw - ry)
            pz += follow * (ry * sin_jaw + rz * cos_jaw - rz)
        if front > 0.5:
            # The lids lie on the eyeball, however the skin about them was pulled.
            pz = _over_eyeball(px, py, pz, lids, vector)
        out[i, 0], out[i, 1], out[i, 2] = px, py, pz
    return out
