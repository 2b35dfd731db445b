"""Where a face is on a picture, as far as an attack that is cut to it must know."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.edges import Cover
from facedata.augment.operator import Parameters, quantity
from facedata.datasets.words import Words

__all__ = ["EYES", "FACE", "MOUTH", "TAPER", "FaceParameters", "contour", "fill"]

Floats = NDArray[np.float64]

FACE = (0.0, 0.38, 1.12, 1.48)
"""Place (x, y) and reach (x, y) of the face's oval in distances between the pupils, from between the eyes.

A head of 145 x 195 mm and pupils 63 mm apart (means of ISO/TR 7250-2 and Dodgson 2004).
"""
TAPER = 0.22
"""How much narrower the jaw is than the temples."""
EYES = ((-0.5, 0.0), (0.5, 0.0))
MOUTH = (0.55, 0.26)
"""Reach of a hole for the mouth, in distances between the pupils."""


class FaceParameters(Parameters):
    """Places of eyes and mouth, as shares of the picture: give them where landmarks are known.

    The default draws are those of a face crop that is aligned by its eyes.
    """

    eyes_x: float = quantity(
        "place between the eyes, of the width", unit="%", low=-50, high=150, draw={"normal": [50.0, 1.0]}
    )
    eyes_y: float = quantity(
        "height of the eyes from the top, of the height",
        unit="%",
        low=-50,
        high=150,
        draw={"normal": [43.0, 2.0]},
    )
    eye_distance: float = quantity(
        "distance between the pupils, of the width", unit="%", low=2, high=100, draw={"normal": [34.0, 3.0]}
    )
    face_roll: float = quantity(
        "turn of the line through the eyes, clockwise", unit="deg", low=-90, high=90, draw=0.0
    )
    mouth_drop: float = quantity(
        "distance from the line of the eyes to the mouth, of that between the pupils",
        unit="1",
        low=0.3,
        high=3,
        draw={"normal": [1.08, 0.05]},
    )
    raggedness: float = quantity(
        "error of what is cut by hand, of a hole's width",
        unit="%",
        low=0,
        high=30,
        draw={"uniform": [1.0, 6.0]},
    )

    def pupils(self, width: int) -> float:
        """Return the distance between the pupils in px."""
        return self.eye_distance / 100 * width

    def to_picture(self, points: Floats, width: int, height: int) -> Floats:
        """Return px (N x 2) of points in distances between the pupils, from between the eyes."""
        turn, size = math.radians(self.face_roll), self.pupils(width)
        rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        middle = self.eyes_x / 100 * width - 0.5, self.eyes_y / 100 * height - 0.5
        return np.asarray(points @ rotation * size + middle, np.float64)


def contour(
    face: FaceParameters,
    place: tuple[float, float],
    reach: tuple[float, float],
    words: Words,
    width: int,
    height: int,
    taper: float = 0.0,
) -> Floats:
    """Return an ellipse as scissors cut it: 48 x 2 px; `place` and `reach` in distances of the pupils.

    `taper` is the share by which its lower end is narrower, as a face's is.
    """
    turn = np.arange(48) / 48 * 2 * np.pi
    error = np.zeros(48)
    for k in (2, 3, 5, 8):
        error += words.uniform(-1, 1) * np.cos(k * turn + 2 * np.pi * words.unit()) / math.sqrt(k)
    size = 1 + face.raggedness / 100 * error
    narrowed = 1 - taper * np.maximum(np.sin(turn), 0)
    oval = np.stack([reach[0] * size * narrowed * np.cos(turn), reach[1] * size * np.sin(turn)], axis=1)
    return face.to_picture(oval + place, width, height)


def fill(cover: Cover, polygon: Floats, value: int) -> None:
    """Fill a polygon (N x 2 px) of `cover` with `value`, its edges antialiased."""
    points = np.rint(np.clip(polygon, -1e4, 1e5) * 16).astype(np.int32)
    cv2.fillPoly(cover, [points], value, lineType=cv2.LINE_AA, shift=4)
