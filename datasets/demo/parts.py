"""Ears, eyes, teeth, neck, clothes and glasses: the meshes about the face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.demo import head as h
from facedata.datasets.demo.actions import Pose
from facedata.datasets.demo.head import Anatomy, section
from facedata.datasets.demo.identity import Identity
from facedata.datasets.demo.materials import Material
from facedata.datasets.demo.mesh import Part, grid_faces
from facedata.datasets.demo.sculpt import HINGE_Y, HINGE_Z, lid_edge, sculpt

__all__ = ["body", "ears", "eyes", "glasses", "mouth", "place"]

Floats = NDArray[np.float64]


def place(a: Anatomy, pose: Pose, x: Floats, y: Floats, side: Floats | None = None) -> Floats:
    """Return the points (n, 3) of the face at canonical (x, y): the neutral skull's front, sculpted."""
    points = np.stack([x, y, h.surface_z(a, x, y)], axis=1).astype(np.float64)
    which = np.zeros(len(x)) if side is None else side.astype(np.float64)
    return np.asarray(sculpt(points, which, a.vector, pose.bumps, pose.grooves, pose.lids, pose.jaw))


def _grid(points: Floats, material: Material, canon: Floats, both: bool = False) -> Part:
    """Return a part from points (rows, columns, 3) with rows going up; `both` shows its back as well."""
    rows, columns = points.shape[:2]
    faces = grid_faces(rows, columns)
    if both:
        faces = np.concatenate([faces, faces[:, ::-1]])
    return Part(points.reshape(-1, 3), np.ascontiguousarray(faces), material, canon.reshape(-1, 2), both)


def jaw_turn(points: Floats, jaw: float) -> Floats:
    """Return points turned with the jaw about its hinge, as `sculpt` turns the skin."""
    y, z = points[..., 1] - HINGE_Y, points[..., 2] - HINGE_Z
    out = points.copy()
    out[..., 1] = y * np.cos(jaw) - z * np.sin(jaw) + HINGE_Y
    out[..., 2] = y * np.sin(jaw) + z * np.cos(jaw) + HINGE_Z
    return out


def eyes(a: Anatomy, pose: Pose) -> list[Part]:
    """Return both eyeballs and their lids' wet rims. An eyeball's canon is millimetres from its centre."""
    v = a.vector
    parts = []
    for sign, material in ((-1.0, Material.EYE_LEFT), (1.0, Material.EYE_RIGHT)):
        gx, gy = np.meshgrid(np.linspace(-0.999, 0.999, 28), np.linspace(-0.95, 0.95, 22))
        r = 1.0 - gx**2 - gy**2
        points = np.stack([
            sign * v[h.EYE_X] + v[h.EYE_RX] * gx,
            v[h.EYE_R] * gy,
            v[h.EYE_Z] + v[h.EYE_R] * np.sqrt(np.maximum(r, 0.0)) - 6.0 * np.maximum(-r, 0.0),
        ], axis=-1)  # fmt: skip
        canon = np.stack([v[h.EYE_RX] * gx, v[h.EYE_R] * gy], axis=-1)
        parts.append(_grid(points, material, canon))
        u = np.linspace(-1.0, 1.0, 33)
        e = 0 if sign < 0 else 1
        edges = np.array([lid_edge(t, pose.lids[e, 0], pose.lids[e, 1], v[h.EYE_HALF], v[h.TILT]) for t in u])
        for lid, direction in ((0, -1.0), (1, 1.0)):
            x = sign * (v[h.EYE_X] + v[h.EYE_HALF] * u)
            outer = place(a, pose, x, edges[:, lid])
            inner = outer.copy()
            inner[:, 1] += direction * 0.25
            dx, dy = (inner[:, 0] - sign * v[h.EYE_X]) / v[h.EYE_RX], inner[:, 1] / v[h.EYE_R]
            ball = v[h.EYE_Z] + v[h.EYE_R] * np.sqrt(np.maximum(1.0 - dx**2 - dy**2, 0.0)) - 0.6
            inner[:, 2] = np.minimum(ball, outer[:, 2] - 0.3)
            strip = np.stack([outer, inner])
            canon = np.stack([np.stack([x, edges[:, lid]], axis=1)] * 2)
            parts.append(_grid(strip, Material.RIM, canon, both=True))
    return parts


def mouth(a: Anatomy, pose: Pose) -> list[Part]:
    """Return cavity, two rows of teeth and tongue. Canon of teeth: mm along the arch and from the edge."""
    v = a.vector
    m = v[h.MOUTH_Y]
    front = float(place(a, pose, np.array([0.0]), np.array([m + 0.01]), np.array([1.0]))[0, 2])
    gx, gy = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9))
    bag = np.stack([34.0 * gx, m - 4.0 + 16.0 * gy, front - 34.0 - 10.0 * gx**2], axis=-1)
    bag[gy < 0] = jaw_turn(bag[gy < 0], pose.jaw)
    parts = [_grid(bag, Material.CAVITY, np.stack([gx, gy], axis=-1))]
    t, s = np.meshgrid(np.linspace(-1.25, 1.25, 41), np.linspace(0.0, 1.0, 7))
    for direction, edge, gum in ((1.0, -1.2, 10.0), (-1.0, -3.2, 6.0)):
        radius = 24.0 if direction > 0 else 22.0
        up = s if direction > 0 else s[::-1]
        # The lower teeth stand behind the upper ones and their gums slope back.
        back = 2.0 + 7.0 * (1.0 - s) ** 2 if direction < 0 else 0.0
        points = np.stack([
            radius * np.sin(t),
            m + edge + direction * gum * up + 0.9 * t**2 * direction,
            front - 8.5 - radius * 1.25 * (1.0 - np.cos(t)) - back,
        ], axis=-1)  # fmt: skip
        if direction < 0:
            points = jaw_turn(points, pose.jaw)
        parts.append(_grid(points, Material.TEETH, np.stack([radius * t, gum * up * direction], axis=-1)))
    gx, gy = np.meshgrid(np.linspace(-1, 1, 17), np.linspace(-1, 1, 11))
    lift = np.sqrt(np.maximum(0.0, 1.0 - 0.9 * gx**2)) - 0.15 * np.exp(-((gx / 0.15) ** 2))
    tongue = np.stack(
        [19.0 * gx, m - 15.0 + 7.0 * lift + 4.0 * gy, front - 28.0 - 12.0 * gy - 5 * gx**2], axis=-1
    )
    parts.append(_grid(jaw_turn(tongue, pose.jaw), Material.TONGUE, np.stack([gx, gy], axis=-1)))
    return parts


def ears(a: Anatomy, p: Identity) -> list[Part]:
    """Return both ears: a rim, a ridge within it and a bowl, on a plane hinged to the head's side."""
    rings, around = 11, 36
    r, t = np.meshgrid(np.linspace(0.02, 1.0, rings), np.linspace(0.0, 2 * np.pi, around), indexing="ij")
    high, wide = p.ear_size / 2, p.ear_size * 0.29
    lobe = np.maximum(0.0, -np.sin(t)) ** 2
    back = r * np.cos(t) * wide * (1.0 - 0.34 * lobe) + 0.12 * wide * r * np.sin(t)
    up = r * np.sin(t) * high
    # The helix: a raised rim from the front, over the top, down the back; the lobe is flat.
    on = 0.35 + 0.65 * np.clip(0.6 + np.sin(t + 0.35), 0.0, 1.0)
    relief = 4.2 * on * np.exp(-(((r - 0.90) / 0.10) ** 2)) + 3.4 * np.exp(-(((r - 0.58) / 0.12) ** 2)) * (
        np.cos(t) > -0.75
    ) * np.clip(0.4 + np.sin(t + 0.9), 0.0, 1.0)
    relief = relief - 6.5 * np.exp(
        -(((back + 0.2 * wide) / (0.5 * wide)) ** 2) - ((up + 0.1 * high) / (0.34 * high)) ** 2
    )
    relief = relief + 3.0 * np.exp(-(((back + 0.75 * wide) / 3.5) ** 2) - ((up + 0.12 * high) / 6.0) ** 2)
    skirt = (r > 0.999).astype(float)
    parts = []
    y0 = -14.0
    width = float(section(a, np.array([y0]))[0][0])
    for sign in (-1.0, 1.0):
        angle = np.radians(p.ear_angle)
        b = back + wide * 0.86
        x = width - 1.5 + b * np.sin(angle) + relief * np.cos(angle) - 5.0 * skirt * np.cos(angle)
        z = 2.0 - b * np.cos(angle) + relief * np.sin(angle) + 2.0 * skirt - 0.16 * up
        points = np.stack([sign * x, y0 + up * 0.99, z], axis=-1)
        faces = grid_faces(rings, around)
        if sign > 0:
            faces = faces[:, ::-1]
        canon = np.stack([np.broadcast_to(r, x.shape), relief], axis=-1)
        parts.append(
            Part(points.reshape(-1, 3), np.ascontiguousarray(faces), Material.EAR, canon.reshape(-1, 2))
        )
    return parts


def body(p: Identity, cloth: str) -> list[Part]:
    """Return neck and clothed shoulders. A cloth's canon is its weave's coordinates in millimetres."""
    wide = 0.385 * p.face_width + 5.0 * p.robustness - 3.0
    t = np.linspace(-np.pi, np.pi, 61)
    rows = np.linspace(0.0, 1.0, 30)[::-1]
    s, tt = np.meshgrid(rows, t, indexing="ij")
    y = -18.0 - 172.0 * s
    flare = 1.0 - 0.04 * np.sin(np.pi * s) + 0.02 * np.maximum(0.0, s - 0.62) ** 1.5 / 0.38**1.5
    zc = -22.0 - 6.0 * s
    x = wide * flare * np.sin(tt)
    z = zc + (wide + 2.0) * flare * np.cos(tt)
    # Sternomastoids meet over the notch; a larynx between them.
    slant = np.abs(np.abs(tt) - (0.75 - 0.62 * s))
    z = z + 3.0 * np.exp(-((slant / 0.16) ** 2)) * (0.3 + s)
    z = z + (1.0 + 4.0 * p.robustness) * np.exp(-((tt / 0.14) ** 2) - ((s - 0.48) / 0.10) ** 2)
    z = z - 4.0 * np.exp(-((tt / 0.16) ** 2) - ((s - 0.93) / 0.10) ** 2)
    # Trapezius: the neck's sides and back run out to the shoulders.
    slope = np.clip((s - 0.46) / 0.54, 0.0, 1.0) ** 1.8
    x = (
        x
        + 46.0
        * slope
        * np.sign(tt)
        * np.clip((np.abs(tt) - 0.7) / 0.9, 0.0, 1.0) ** 1.5
        * np.abs(np.sin(tt)) ** 0.5
    )
    z = z - 10.0 * slope * np.clip((np.abs(tt) - 0.7) / 0.9, 0.0, 1.0)
    neck = _grid(np.stack([x, y, z], axis=-1), Material.NECK, np.stack([70 * tt, y], axis=-1))
    rise = {"turtleneck": 36.0, "shirt": 12.0}.get(cloth, 0.0)
    reach = 0.55 * wide + 62.0 + 14.0 * p.robustness
    wide += 2.0
    stations = np.array([
        (-330.0, reach + 100.0, 118.0), (-240.0, reach + 95.0, 112.0), (-200.0, reach + 76.0, 102.0),
        (-176.0, reach + 40.0, 92.0), (-162.0, wide + 48.0, 82.0), (-151.0, wide + 30.0, 74.0),
        (-144.0, wide + 18.0, 70.0), (-138.5, wide + 12.0, 67.0), (-137.0, wide + 9.0, 65.0),
        (-143.0, wide + 6.0, 62.0),
    ])  # fmt: skip
    if rise:
        stations[6:, 0] += np.array([0.25, 0.9, 1.0, 1.0]) * rise
        stations[6:, 1] -= 9.0 * rise / 42.0
        stations[6:, 2] -= 2.0 * rise / 42.0
    dense = np.linspace(0, len(stations) - 1, 46)
    ring = np.stack([np.interp(dense, np.arange(len(stations)), stations[:, c]) for c in range(3)], axis=1)
    ring = (ring + np.roll(ring, 1, 0) + np.roll(ring, -1, 0)) / 3 * (
        np.arange(46)[:, None] % 45 > 0
    ) + ring * (np.arange(46)[:, None] % 45 == 0)
    yy, tt = np.meshgrid(np.arange(46), t, indexing="ij")
    near = np.clip((yy - 20) / 20.0, 0.0, 1.0)
    dip = 20.0 if cloth == "crew" else 8.0
    y = (
        ring[yy, 0]
        - dip * near * np.maximum(0.0, np.cos(tt)) ** 3
        + 12.0 * near * np.maximum(0.0, -np.cos(tt))
    )
    x = ring[yy, 1] * np.sign(np.sin(tt)) * np.abs(np.sin(tt)) ** 0.9
    z = -30.0 + ring[yy, 2] * np.cos(tt) + 10 * near
    fold = 1.6 * np.sin(tt * 9.0 + 0.05 * y) * np.clip((25 - yy) / 20.0, 0, 1)
    cloth_part = _grid(
        np.stack([x, y, z + fold], axis=-1), Material.CLOTH, np.stack([120.0 * tt, y], axis=-1)
    )
    return [neck, cloth_part]


def glasses(a: Anatomy, p: Identity) -> list[Part]:
    """Return the frame: two rims, a bridge and the temples, as tubes."""
    if p.glasses == "none":
        return []
    v = a.vector
    ey = v[h.EYE_X]
    radius = 0.55 if p.glasses == "rimless" else 1.3 + 1.0 * p.glasses_colour
    power = 2.2 if p.glasses == "round" else 4.0
    high, wide = (21.0, 23.0) if p.glasses == "round" else (17.0, 24.5)
    t = np.linspace(0.0, 2 * np.pi, 49)
    c, s = np.cos(t), np.sin(t)
    k = (np.abs(c) ** power + np.abs(s) ** power) ** (-1.0 / power)
    base = v[h.EYE_Z] + 27.0
    parts = []
    for sign in (-1.0, 1.0):
        x = sign * (ey + 0.5) + wide * k * c
        bow = base - 0.0035 * x**2
        parts.append(_tube(np.stack([x, -3.0 + high * k * s, bow], axis=1), radius))
        temple_x = np.array(
            [ey + wide, ey + wide + 5.0, 0.515 * p.face_width + 3.0, 0.515 * p.face_width + 3.0]
        )
        temple_z = np.array([base - 0.0035 * (ey + wide) ** 2, base - 16.0, 30.0, -8.0])
        parts.append(
            _tube(np.stack([sign * temple_x, np.array([3.0, 4.0, 4.0, 3.0]), temple_z], axis=1), 1.3)
        )
    inner = ey - wide + 0.5
    x = np.linspace(-inner, inner, 9)
    parts.append(
        _tube(np.stack([x, 1.0 + 2.5 * (1 - (x / inner) ** 2), np.full(9, base + 0.8)], axis=1), radius)
    )
    return parts


def _tube(path: Floats, radius: float) -> Part:
    around = np.linspace(0.0, 2 * np.pi, 7)
    direction = np.gradient(path, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    across = np.cross(
        direction, np.where(np.abs(direction[:, 2:]) > 0.8, [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]])
    )
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    third = np.cross(direction, across)
    ring = path[:, None] + radius * (
        np.cos(around)[None, :, None] * across[:, None] + np.sin(around)[None, :, None] * third[:, None]
    )
    return _grid(ring, Material.FRAME, np.zeros((*ring.shape[:2], 2)), both=True)
