"""Brows, lashes and beard: short strands rooted in the canonical face, so they go where the skin goes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.demo import head as h
from facedata.datasets.demo.actions import Pose
from facedata.datasets.demo.head import Anatomy, section
from facedata.datasets.demo.identity import Identity
from facedata.datasets.demo.noise import gaussian, uniform
from facedata.datasets.demo.parts import place
from facedata.datasets.demo.sculpt import lid_edge

__all__ = ["beard_density", "beard_strands", "brow_curve", "brows_and_lashes"]

Floats = NDArray[np.float64]


def brow_curve(a: Anatomy, t: Floats) -> tuple[Floats, Floats, Floats]:
    """Return x, y and half-thickness of the image-right brow at t = 0 (inner) .. 1 (outer), mm."""
    v = a.vector
    inner, outer = v[h.EYE_X] - v[h.EYE_HALF] - 0.5, v[h.EYE_X] + v[h.EYE_HALF] + 5.5
    x = inner + (outer - inner) * t
    rise = np.where(t < 0.66, np.sin(np.pi / 2 * t / 0.66) ** 1.4, np.cos(np.pi / 2 * (t - 0.66) / 0.62))
    y = v[h.BROW_Y] - 2.0 + (2.2 + 4.2 * v[h.BROW_ARCH]) * rise
    thick = 0.5 * v[h.BROW_T] * np.interp(t, [0.0, 0.12, 0.5, 0.75, 1.0], [0.72, 1.0, 1.0, 0.72, 0.18])
    return x, y, thick


def beard_density(p: Identity, x: Floats, y: Floats) -> Floats:
    """Return how densely the beard grows (0..1) at canonical places of the face."""
    if p.beard == "none":
        return np.zeros_like(x)
    nose = -p.nose_length
    mouth = nose - p.philtrum
    half = p.mouth_width / 2
    ax = np.abs(x)

    def step(low: float, high: float, at: Floats) -> Floats:
        return np.asarray(np.clip((at - low) / (high - low), 0.0, 1.0))

    lip_top = mouth + p.upper_lip * (1 - (np.minimum(ax / half, 1)) ** 2) ** 0.8 + 0.8
    moustache = (
        step(0, 3, y - lip_top)
        * step(0, 4, nose - 3.0 - 0.12 * ax - y)
        * step(0, 6, half + 5.0 - ax)
        * step(-1, 2.5, ax)
    )
    below = mouth - p.lower_lip - 3.0
    soul = step(0, 3, below - y) * step(0, 4, 5.5 - ax)
    chin_part = step(0, 6, mouth - 15.0 - y) * step(0, 8, 25.0 - ax + 0.12 * (mouth - y))
    ring = step(0, 6, half + 8.0 - ax) * step(0, 5, ax - half - 0.5) * step(0, 6, nose - 9.0 - y)
    # The cheek's edge runs from the side whiskers to the corner of the mouth.
    edge = nose + 2.0 - 0.020 * (62.0 - np.minimum(ax, 62.0)) ** 1.65 + 26.0 * step(50.0, 64.0, ax)
    cheek = step(0, 9, edge - y) * step(0, 5, ax - half - 1.5)
    jaw = step(0, 6, mouth - 13.0 - y)
    if p.beard == "moustache":
        out = moustache
    elif p.beard == "goatee":
        out = np.maximum.reduce([moustache, soul, chin_part, ring])
    else:
        out = np.maximum.reduce([moustache, soul, chin_part, ring, cheek, jaw * step(0, 5, mouth - 12 - y)])
    strength = 0.42 if p.beard == "stubble" else 0.85
    return np.asarray(out * strength * p.beard_density)


def _along(a: Anatomy, pose: Pose, x: Floats, y: Floats, dx: Floats, dy: Floats, lift: Floats) -> Floats:
    """Return three-point strands that leave the skin at (x, y) along canonical (dx, dy), rising `lift` mm."""
    n = len(x)
    xs = np.concatenate([x, x + 0.55 * dx, x + dx])
    ys = np.concatenate([y, y + 0.55 * dy, y + dy])
    points = place(a, pose, xs, ys).reshape(3, n, 3).transpose(1, 0, 2).copy()
    points[:, :, 2] += np.stack([0.25 + 0 * lift, 0.7 * lift, lift], axis=1)
    return np.ascontiguousarray(points)


def beard_strands(a: Anatomy, pose: Pose, p: Identity) -> tuple[Floats, float]:
    """Return the beard's strands (n, 3, 3) in the head's millimetres and their thickness, mm."""
    if p.beard == "none":
        return np.zeros((0, 3, 3)), 0.0
    count = 5200
    x = (2 * uniform(p.seed, 31, count) - 1) * 0.5 * p.face_width * 0.97
    y = -p.face_length - 1.0 + (p.face_length - 12.0) * uniform(p.seed, 32, count)
    keep = uniform(p.seed, 33, count) < 1.25 * beard_density(p, x, y)
    w = section(a, y)[0]
    keep &= np.abs(x) < 0.97 * w
    x, y = x[keep], y[keep]
    n = len(x)
    length = {"stubble": 1.6, "moustache": 6.0, "goatee": 6.5, "full": 8.0}[p.beard] * (
        0.6 + 0.8 * uniform(p.seed, 34, n)
    )
    angle = 0.9 * gaussian(p.seed, 35, (n,)) * 0.35
    dx = length * (np.sin(angle) + 0.35 * np.sign(x) * np.minimum(np.abs(x) / 20.0, 1.0))
    dy = -length * np.cos(angle) * 0.8
    return _along(a, pose, x, y, dx, dy, 0.35 * length), 0.42


def brows_and_lashes(a: Anatomy, pose: Pose, p: Identity) -> list[tuple[Floats, float, float]]:
    """Return (strands (n, 3, 3), thickness in mm, coverage) of brows, upper lashes and lower lashes."""
    v = a.vector
    out: list[tuple[Floats, float, float]] = []
    strands = []
    for sign in (-1.0, 1.0):
        k = 40 if sign < 0 else 60
        n = int(420 * p.brow_density)
        t = uniform(p.seed, k, n) ** 0.9
        s = 2 * uniform(p.seed, k + 1, n) - 1
        x, y, thick = brow_curve(a, t)
        y = y + s * thick * 1.05
        # Inner hairs stand up, the rest lie outward and meet along the brow's ridge.
        angle = np.radians(np.interp(t, [0.0, 0.18, 0.5, 1.0], [78.0, 48.0, 22.0, -16.0]) - 16.0 * s)
        angle = angle + 0.22 * gaussian(p.seed, k + 2, (n,))
        length = (3.4 + 2.6 * uniform(p.seed, k + 3, n)) * np.interp(t, [0, 0.2, 1], [0.75, 1.0, 0.7])
        strands.append(
            _along(
                a, pose, sign * x, y, sign * length * np.cos(angle), length * np.sin(angle) * 0.7, 0.6 + 0 * s
            )
        )
    out.append((np.concatenate(strands), 0.40, 0.62))
    for lid in (0, 1):
        strands = []
        for e, sign in enumerate((-1.0, 1.0)):
            n = 54 if lid == 0 else 30
            u = np.linspace(-0.86, 0.98, n) + 0.03 * gaussian(p.seed, 80 + lid + 2 * e, (n,))
            u = np.clip(u, -0.95, 0.99)
            edge = np.array(
                [lid_edge(q, pose.lids[e, 0], pose.lids[e, 1], v[h.EYE_HALF], v[h.TILT])[lid] for q in u]
            )
            root = place(a, pose, sign * (v[h.EYE_X] + v[h.EYE_HALF] * u), edge)
            gap = float(pose.lids[e].sum())
            open_ = min(1.0, max(0.0, gap / 9.0))
            length = (
                (4.6 if lid == 0 else 2.2)
                * (0.75 + 0.35 * np.clip(u + 0.3, 0, 1))
                * (1.15 - 0.3 * p.robustness)
            )
            up = (1.5 * open_ - 0.5) if lid == 0 else -0.75
            direction = np.stack([sign * 0.75 * u, np.full(n, 0.52 * up), np.full(n, 0.95)], axis=1)
            curl = np.array([0.0, 0.42 if lid == 0 else 0.1, 0.0])
            points = [
                root + length[:, None] * (q * direction + q * q * curl * open_) for q in (0.0, 0.55, 1.0)
            ]
            strands.append(np.stack(points, axis=1) + np.array([0.0, 0.0, 0.15]))
        out.append((np.concatenate(strands), 0.34 if lid == 0 else 0.22, 0.8 if lid == 0 else 0.45))
    return out
