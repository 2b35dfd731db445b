"""From the head's millimetres to pixels: pose, perspective, normals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Camera", "rotation", "turned", "vertex_normals"]

Floats = NDArray[np.float64]
DISTANCE = 1100.0  # mm from the camera to the axis of the head
FIELD = 290.0  # mm of the plane through that axis that the picture's side covers, at scale 1


def rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """Return the matrix (3, 3) that turns the head, angles in degrees.

    Positive yaw turns the face to the image's right, positive pitch upwards, positive roll clockwise as seen
    in the picture. Roll is applied last, yaw first of all about the head's own axis.
    """
    y, p, r = math.radians(yaw), math.radians(-pitch), math.radians(-roll)
    turn = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    nod = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    tilt = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return np.asarray(tilt @ nod @ turn)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera looking along -z at the head.

    `scale` 1 shows FIELD millimetres; `shift` moves the head by fractions of the picture's side, right and
    down.
    """

    size: int
    scale: float
    shift: tuple[float, float]

    @property
    def pixels_per_mm(self) -> float:
        """Pixels per millimetre in the plane of the head's axis."""
        return self.size * self.scale / FIELD

    def project(self, points: Floats) -> Floats:
        """Return pixel x, pixel y and depth (mm from the camera) of `points` (n, 3), float64."""
        z = DISTANCE - points[:, 2]
        k = self.pixels_per_mm * DISTANCE / z
        x = self.size * (0.5 + self.shift[0]) + k * points[:, 0]
        y = self.size * (0.5 + self.shift[1]) - k * points[:, 1]
        return np.ascontiguousarray(np.stack([x, y, z], axis=1))


@njit(cache=True)
def turned(points: Any, matrix: Any, before: Any, after: Any) -> Any:
    """Return matrix (points + before) + after for points (n, 3).

    A loop and not a product of matrices: a threaded BLAS starts more threads than such products are worth,
    and may round otherwise with another number of them.
    """
    out = np.empty(points.shape)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] + before[0], points[i, 1] + before[1], points[i, 2] + before[2]
        for r in range(3):
            out[i, r] = matrix[r, 0] * x + matrix[r, 1] * y + matrix[r, 2] * z + after[r]
    return out


@njit(cache=True)
def vertex_normals(points: Any, faces: Any) -> Any:
    """Return unit normals (n, 3), each the area-weighted mean over the triangles about a point."""
    out = np.zeros(points.shape)
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1], points[j, 2] - points[i, 2]
        bx, by, bz = points[k, 0] - points[i, 0], points[k, 1] - points[i, 1], points[k, 2] - points[i, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
    for v in range(out.shape[0]):
        length = math.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2)
        if length > 0.0:
            out[v, 0] /= length
            out[v, 1] /= length
            out[v, 2] /= length
    return out
