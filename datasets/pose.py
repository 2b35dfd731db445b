"""How a face is turned and how large it is, from its landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["POSE_NAMES", "pose_of"]

POSE_NAMES = ("eye_distance", "roll", "turn")

# Points of both eyes and of the nose's tip by the number of points: five as detectors give them (eyes, nose,
# corners of the mouth), and iBUG's 68.
_POINTS: dict[int, tuple[Sequence[int], Sequence[int], int]] = {
    5: ((0,), (1,), 2),
    68: (range(36, 42), range(42, 48), 30),
}


def pose_of(landmarks: Sequence[Sequence[float]] | NDArray[Any] | None) -> tuple[float, float, float]:
    """Return (eye distance in pixels, roll in degrees, turn), NaN where the points are not 5 or 68.

    Roll is the slope of the line between the eyes, 0 upright, clockwise positive. Turn is where the tip of
    the nose stands along that line, from the middle between the eyes, in eye distances: 0 where a face looks
    into the camera, about -0.5 or 0.5 in a half profile. It is no angle: that would need a head's shape.
    """
    nothing = (float("nan"),) * 3
    scheme = _POINTS.get(0 if landmarks is None else len(landmarks))
    if landmarks is None or scheme is None:
        return nothing
    points = np.asarray(landmarks, np.float64)
    left, right, nose = (
        points[list(scheme[0])].mean(axis=0),
        points[list(scheme[1])].mean(axis=0),
        points[scheme[2]],
    )
    along = right - left
    distance = float(np.hypot(*along))
    if not np.isfinite(points).all() or distance == 0:
        return nothing
    turn = float((nose - (left + right) / 2) @ along) / distance**2
    return distance, float(np.degrees(np.arctan2(along[1], along[0]))), turn
