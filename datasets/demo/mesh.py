"""Triangles: the head's grid, and the small parts that are not skin of the face."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.demo import head as h
from facedata.datasets.demo.head import Anatomy, section

__all__ = ["INNER", "Grid", "Part", "grid_faces", "head_grid", "skull_points"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

INNER = 4  # rows that roll from the line of the mouth inward, on each lip
_ROLL = np.array([[1.4, 0.5], [4.0, 0.9], [8.0, 0.9], [14.0, 0.0]])  # their way back and towards the gums, mm


@dataclass(frozen=True)
class Part:
    """A mesh: positions (n, 3), triangles (m, 3), its material and canonical coordinates (n, 2)."""

    points: Floats
    faces: Ints
    material: int
    canon: Floats
    both: bool = False  # the second half of the faces is the first one's back

    @property
    def front(self) -> Ints:
        """The faces that give the normals."""
        return self.faces[: len(self.faces) // 2] if self.both else self.faces


def grid_faces(rows: int, columns: int, closed: bool = False, skip: int | None = None) -> Ints:
    """Return triangles of a grid whose rows go up and columns to the image's right, front faces outward.

    `closed` joins the last column to the first; `skip` leaves out the strip above row `skip` (the mouth).
    """
    i = np.arange(rows - 1)
    if skip is not None:
        i = i[i != skip]
    j = np.arange(columns if closed else columns - 1)
    a = (i[:, None] * columns + j).ravel()
    b = (i[:, None] * columns + (j + 1) % columns).ravel()
    c, d = a + columns, b + columns
    return np.ascontiguousarray(np.stack([a, b, d, a, d, c], axis=1).reshape(-1, 3), dtype=np.int32)


@dataclass(frozen=True)
class Grid:
    """The head's rows and columns before any relief: points, lip side, rolled-in depth and triangles."""

    points: Floats
    side: Floats
    roll: Floats  # (n, 2): mm back and mm towards the gums, for the lips' inner rows
    faces: Ints
    shape: tuple[int, int]
    canon: Floats


def _columns() -> Floats:
    """Return the columns' azimuths: about a millimetre apart in front, coarse behind."""
    front = np.linspace(0.0, 42.0, 66)
    flank = np.linspace(42.0, 100.0, 38)[1:]
    back = np.linspace(100.0, 180.0, 9)[1:]
    half = np.concatenate([front, flank, back])
    return np.asarray(np.radians(np.concatenate([-half[:0:-1], half])))


def _rows(a: Anatomy) -> tuple[Floats, Floats, Floats]:
    """Return heights, lip sides and roll of the rows, from under the chin to the crown."""
    v = a.vector
    mouth = v[h.MOUTH_Y]
    low = a.bottom + (mouth - a.bottom) * (1.0 - np.cos(np.linspace(0.0, np.pi / 2, 60)))
    low[-1] = mouth
    middle = np.concatenate([
        np.linspace(mouth, v[h.NOSE_Y] - 2.0, 22)[:-1],
        np.linspace(v[h.NOSE_Y] - 2.0, -16.0, 36)[:-1],
        np.linspace(-16.0, v[h.BROW_Y] + 6.0, 40)[:-1],
    ])  # fmt: skip
    start = v[h.BROW_Y] + 6.0
    top = start + (a.top - start) * np.sin(np.linspace(0.0, np.pi / 2, 46))
    y = np.concatenate([low, np.full(2 * INNER, mouth), middle, top])
    side = np.zeros(len(y))
    roll = np.zeros((len(y), 2))
    seam = len(low)
    side[seam - 1 : seam + INNER] = -1.0
    side[seam + INNER : seam + 2 * INNER + 1] = 1.0
    roll[seam : seam + INNER] = _ROLL
    roll[seam + INNER : seam + 2 * INNER] = _ROLL[::-1]
    roll[seam : seam + INNER, 1] *= -1.0
    return y, side, roll


def skull_points(a: Anatomy, azimuth: Floats, y: Floats) -> Floats:
    """Return points (n, 3) of the unsculpted skull at azimuths (radians, 0 in front) and heights."""
    w, d, centre, n = section(a, y)
    s, c = np.abs(np.sin(azimuth)), np.abs(np.cos(azimuth))
    # Behind, the lower sections are boxy: the jaw's angle.
    low = np.clip((-20.0 - y) / 40.0, 0.0, 1.0) * np.clip((y - a.bottom) / 30.0, 0.0, 1.0)
    n = n + np.where(np.cos(azimuth) < 0.0, 2.2 * low, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = ((s / np.maximum(w, 1e-6)) ** n + (c / np.maximum(d, 1e-6)) ** n) ** (-1.0 / n)
    r = np.where(w <= 1e-5, 0.0, r)
    return np.ascontiguousarray(np.stack([r * np.sin(azimuth), y, centre + r * np.cos(azimuth)], axis=-1))


def head_grid(a: Anatomy) -> Grid:
    """Return the head's rows and columns before any relief."""
    y, side, roll = _rows(a)
    azimuth = _columns()[:-1]
    rows, columns = len(y), len(azimuth)
    points = skull_points(a, np.tile(azimuth, rows), np.repeat(y, columns))
    # Towards the corners of the mouth the rows roll in less, and beyond them not at all.
    u = np.minimum(np.abs(points[:, :1]) / a.vector[h.MOUTH_X], 1.0)
    # The strip between the innermost rows is the open mouth: no skin there.
    skip = int(np.nonzero(side > 0)[0][0]) - 1
    return Grid(
        points,
        np.repeat(side, columns),
        np.repeat(roll, columns, axis=0) * np.sqrt(1.0 - u * u),
        _head_faces(rows, columns, skip),
        (rows, columns),
        np.ascontiguousarray(points[:, :2]),
    )


@lru_cache(maxsize=4)
def _head_faces(rows: int, columns: int, skip: int) -> Ints:
    return grid_faces(rows, columns, closed=True, skip=skip)
