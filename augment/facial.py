"""Where a face is on a picture, as far as an attack that is cut to it must know."""

from __future__ import annotations

import math
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from facedata.augment.edges import Cover
from facedata.augment.landmarks import Face
from facedata.augment.operator import Parameters, quantity
from facedata.datasets.words import Words

__all__ = ["EYES", "FACE", "MOUTH", "FaceParameters", "Part", "contour", "fill", "layout", "piece"]

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
MOUTH_DROP = 1.08
"""Distance from the eyes to the mouth of the mean face, in distances between the pupils."""

Part = Literal["face", "upper", "lower", "left", "right", "eyes", "mouth"]
"""What of a face an attack covers: all, a half (left and right as the picture shows it), or a strip."""

_HALVES: Final = {"upper": (1, 1, 0.5), "lower": (1, -1, 0.35), "left": (0, 1, 0.0), "right": (0, -1, 0.0)}
"""Axis, side and place of the cut between halves: at the bridge of the nose, or down its middle."""
_STRIPS: Final = {"eyes": ((0.0, -0.02), (1.05, 0.42)), "mouth": ((0.0, MOUTH_DROP), (0.8, 0.42))}
"""Place and reach of the strips round the eyes and the mouth."""


class FaceParameters(Parameters):
    """Places of eyes and mouth, as shares of the picture.

    Where the face is known (`landmarks.known_face`) they are its own. The default draws are those of a face
    crop that is aligned by its eyes.
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
        "turn of the line through the eyes, clockwise", unit="deg", low=-180, high=180, draw=0.0
    )
    mouth_drop: float = quantity(
        "distance from the line of the eyes to the mouth, of that between the pupils",
        unit="1",
        low=0.3,
        high=3,
        draw={"normal": [1.08, 0.05]},
    )
    mouth_shift: float = quantity(
        "place of the mouth right of the line down from between the eyes, of the distance between the pupils",
        unit="1",
        low=-2,
        high=2,
        draw=0.0,
    )
    face_shift: float = quantity(
        "place of the face's middle right of the one between the eyes, of the distance between the pupils: "
        "a turned head shows more of one side",
        unit="1",
        low=-1,
        high=1,
        draw=0.0,
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

    def own(self, points: Floats) -> Floats:
        """Return points of this face (N x 2) for those of the mean one.

        What is below the eyes goes with the mouth, which a turned or bent head moves aside, nearer or off.
        """
        below = np.maximum(points[:, 1], 0)
        return np.asarray(
            points + np.stack([self.mouth_shift / MOUTH_DROP * below, self._stretch * below], axis=1)
        )

    def mean(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Return the points of the mean face for those of this one: the inverse of `own`."""
        whole = np.where(v > 0, v / (1 + self._stretch), v)
        return u - self.mouth_shift / MOUTH_DROP * np.maximum(whole, 0), whole

    @property
    def _stretch(self) -> float:
        return self.mouth_drop / MOUTH_DROP - 1


def layout(face: Face) -> dict[str, float]:
    """Return the places of a known face's eyes and mouth, by parameter; none where one is out of range."""
    values = face.layout()
    try:
        FaceParameters.model_validate({**values, "raggedness": 0.0})
    except ValidationError:
        return {}
    return values


def contour(
    face: FaceParameters,
    place: tuple[float, float],
    reach: tuple[float, float],
    words: Words,
    width: int,
    height: int,
) -> Floats:
    """Return an ellipse as scissors cut it: 48 x 2 px; `place` and `reach` in distances of the pupils."""
    return face.to_picture(_cut(face, reach, words, 0.0) + place, width, height)


def piece(face: FaceParameters, part: Part, words: Words, width: int, height: int) -> Floats:
    """Return the outline of a part of the face as scissors cut it: N x 2 px.

    The whole face is an oval, narrower at the jaw; its halves are cut at the bridge of the nose or down its
    middle; round the eyes and the mouth goes a strip.
    """
    if part in _STRIPS:
        (x, y), reach = _STRIPS[part]
        strip = _cut(face, (1.0, 1.0), words, 0.0)
        # between an ellipse and its box
        strip = np.sign(strip) * np.abs(strip) ** 0.4 * reach + np.array([x, y])
        return face.to_picture(face.own(strip), width, height)
    oval = _cut(face, FACE[2:], words, TAPER) + np.array([FACE[0] + face.face_shift, FACE[1]])
    if part in _HALVES:
        axis, sign, at = _HALVES[part]
        # points beyond the cut move along it to where the outline crosses it
        oval[:, axis] = np.minimum(oval[:, axis] * sign, at * sign) * sign
    return face.to_picture(face.own(oval), width, height)


def _cut(face: FaceParameters, reach: tuple[float, float], words: Words, taper: float) -> Floats:
    """Return an ellipse about 0, 0 with the errors of scissors; its lower end is narrower by `taper`."""
    turn = np.arange(48) / 48 * 2 * np.pi
    error = np.zeros(48)
    for k in (2, 3, 5, 8):
        error += words.uniform(-1, 1) * np.cos(k * turn + 2 * np.pi * words.unit()) / math.sqrt(k)
    size = 1 + face.raggedness / 100 * error
    narrowed = 1 - taper * np.maximum(np.sin(turn), 0)
    return np.stack([reach[0] * size * narrowed * np.cos(turn), reach[1] * size * np.sin(turn)], axis=1)


def fill(cover: Cover, polygon: Floats, value: int) -> None:
    """Fill a polygon (N x 2 px) of `cover` with `value`, its edges antialiased."""
    points = np.rint(np.clip(polygon, -1e4, 1e5) * 16).astype(np.int32)
    cv2.fillPoly(cover, [points], value, lineType=cv2.LINE_AA, shift=4)
