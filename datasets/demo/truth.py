"""The truth of a picture, read from the geometry that was rendered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.demo import head as h
from facedata.datasets.demo.camera import Camera
from facedata.datasets.demo.facial_hair import brow_curve
from facedata.datasets.demo.head import Anatomy, section
from facedata.datasets.demo.identity import Identity
from facedata.datasets.demo.parts import place
from facedata.datasets.demo.rendering import Scene
from facedata.datasets.demo.sculpt import lid_edge, lip_edge, sculpt

__all__ = ["box", "landmarks"]

Floats = NDArray[np.float64]


def _jaw(a: Anatomy) -> Floats:
    """Return the 17 points of the jaw on the unsculpted skull, image-left ear to image-right ear."""
    v = a.vector
    # Heights are denser near the chin, where the contour runs sideways.
    t = np.linspace(0.0, 1.0, 9)
    chin = v[h.CHIN_Y]
    y = chin + (0.0 - chin) * (1.0 - np.cos(t * np.pi / 2 * 0.92)) / (1.0 - np.cos(np.pi / 2 * 0.92))
    y[0] = chin
    w, d, centre, n = section(a, y)
    # The contour seen from in front: nearly the widest place, and at the chin its middle.
    angle = np.radians(np.array([0.0, 34.0, 52.0, 64.0, 72.0, 78.0, 82.0, 85.0, 87.0]))
    s, c = np.sin(angle), np.cos(angle)
    r = ((s / np.maximum(w, 1e-6)) ** n + (c / np.maximum(d, 1e-6)) ** n) ** (-1.0 / n)
    right = np.stack([r * s, y, centre + r * c], axis=1)
    return np.concatenate([right[:0:-1] * np.array([-1.0, 1.0, 1.0]), right])


def landmarks(scene: Scene, camera: Camera) -> NDArray[np.float32]:
    """Return the 68 landmarks, pixels (x, y), float32 (68, 2); the centre of the first pixel is (0.5, 0.5).

    Order of iBUG's 300-W (Sagonas et al., Image and Vision Computing 47, 2016), image-left first: jaw 0-16,
    brows 17-21 and 22-26, nose 27-35, eyes 36-41 and 42-47 (clockwise from the image-left corner), outer
    lips 48-59, inner lips 60-67. They are points of the skin, so those on a side turned away are behind the
    head's edge (three-dimensional landmarks, as in 300W-LP).
    """
    a, pose = scene.anatomy, scene.pose
    v = a.vector
    jaw = _jaw(a)
    jaw = np.asarray(sculpt(jaw, np.zeros(17), v, pose.bumps, pose.grooves, pose.lids, pose.jaw))
    bx, by, thick = brow_curve(a, np.array([0.02, 0.25, 0.5, 0.75, 0.98]))
    top = by + 0.55 * thick
    x = [-bx[::-1], bx]
    y = [top[::-1], top]
    side = [np.zeros(10)]
    # The nose: four down the bridge, five along its base.
    tip = v[h.NOSE_Y] + 9.0 + 2.0 * v[h.UPTURN]
    wing = v[h.NOSE_W]
    x += [np.zeros(4), np.array([-0.80, -0.42, 0.0, 0.42, 0.80]) * wing]
    y += [np.linspace(4.0, tip, 4), v[h.NOSE_Y] + np.array([2.0, 0.4, -0.4, 0.4, 2.0])]
    side.append(np.zeros(9))
    # Eyes, each clockwise in the picture from its image-left corner.
    for e, sign in ((0, -1.0), (1, 1.0)):
        u = np.array([-1.0, -1 / 3, 1 / 3, 1.0, 1 / 3, -1 / 3]) * sign
        lid = (0, 0, 0, 0, 1, 1)
        edges = [
            lid_edge(q, pose.lids[e, 0], pose.lids[e, 1], v[h.EYE_HALF], v[h.TILT])[k]
            for q, k in zip(u, lid, strict=True)
        ]
        x.append(sign * (v[h.EYE_X] + v[h.EYE_HALF] * u))
        y.append(np.array(edges))
        side.append(np.zeros(6))
    # Lips: the vermilion border, then the seam's two edges.
    m, half = v[h.MOUTH_Y], v[h.MOUTH_X]

    def border(at: Floats, which: int) -> Floats:
        return np.array([lip_edge(q, half, v[h.LIP_UP], v[h.LIP_LOW])[which] for q in at])

    up = np.array([-0.62, -0.26, 0.0, 0.26, 0.62]) * half
    low = np.array([0.62, 0.30, 0.0, -0.30, -0.62]) * half
    inner = np.array([-0.42, 0.0, 0.42]) * half
    x += [
        np.array([-half]),
        up,
        np.array([half]),
        low,
        np.array([-0.9 * half]),
        inner,
        np.array([0.9 * half]),
        inner[::-1],
    ]
    y += [np.zeros(1) + m, m + border(up, 0), np.zeros(1) + m, m + border(low, 1), np.zeros(8) + m]
    side += [np.array([1.0]), np.ones(5), np.array([1.0]), -np.ones(5), np.ones(5), -np.ones(3)]
    rest = place(a, pose, np.concatenate(x), np.concatenate(y), np.concatenate(side))
    points = scene.head_to_camera(np.concatenate([jaw, rest]))
    return np.ascontiguousarray(camera.project(points)[:, :2], dtype=np.float32)


def box(
    scene: Scene, camera: Camera, p: Identity, points: NDArray[np.float32]
) -> tuple[float, float, float, float]:
    """Return the tight face box (x, y, width, height), pixels: from the hairline's height to the chin.

    The hairline is taken where it would be on a full head of hair, on bald heads too; sideways the box holds
    the face's skin and all landmarks. It may reach over the picture's edge.
    """
    a, pose = scene.anatomy, scene.pose
    t = np.radians(np.linspace(-38.0, 38.0, 9))
    y = np.full(9, 0.585 * p.cranium_height)
    x = 60.0 * np.sin(t)
    top = camera.project(scene.head_to_camera(place(a, pose, x, y)))[:, :2]
    seen = camera.project(scene.points[: len(scene.skin)][scene.skin])[:, :2]
    everything = np.concatenate([points, top, seen])
    low, high = everything.min(axis=0), everything.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])
