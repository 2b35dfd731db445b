"""Eyes and mouth of a known face: from landmarks, or else from its box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from facedata.augment.operator import Operator

__all__ = ["Face", "known_face"]

Point = tuple[float, float]

_SCHEMES: Final[dict[int, tuple[slice, slice, slice]]] = {
    # eye, eye, nose, corners of the mouth: MTCNN, RetinaFace, ArcFace
    5: (slice(0, 1), slice(1, 2), slice(3, 5)),
    # iBUG's 300-W: the rims of both eyes, the lips
    68: (slice(36, 42), slice(42, 48), slice(48, 68)),
}
"""Which landmarks are one eye's, the other eye's and the mouth's, by how many there are."""

_IN_BOX: Final = (0.5 - 0.5 / 2.24, 0.5 + 0.5 / 2.24, 1.10 / 2.96, (1.10 + 1.08) / 2.96)
"""Eyes (two x, one y) and mouth (y) of a face whose oval (`facial.FACE`) fills the box, as shares of it."""


@dataclass(frozen=True)
class Face:
    """A face on a picture of `width` x `height` px: its eyes, its mouth, the middle between its sides.

    Points are (x, y) px from the picture's corner, as in a row: the centre of its first px is at 0.5, 0.5.
    """

    eyes: tuple[Point, Point]
    mouth: Point
    middle: Point
    width: int
    height: int

    def moved(self, operator: Operator[Any], parameters: Any) -> Face:
        """Return the face where the operator leaves it."""
        points = np.array([*self.eyes, self.mouth, self.middle]) - 0.5
        moved = operator.map_points(points, parameters, self.width, self.height) + 0.5
        one, two, mouth, middle = map(_point, moved)
        return Face((one, two), mouth, middle, self.width, self.height)

    def layout(self) -> dict[str, float]:
        """Return the face as the parameters of `facial.FaceParameters` tell it, by name.

        Whichever eye comes first: the mouth is below them in the face.
        """
        one, two, mouth, middle = np.array([*self.eyes, self.mouth, self.middle])
        between, across = (one + two) / 2, two - one
        if across[0] * (mouth - between)[1] - across[1] * (mouth - between)[0] < 0:
            across = -across
        apart = max(float(np.hypot(*across)), 1e-9)
        down = np.array([-across[1], across[0]]) / apart
        values = {
            "eyes_x": between[0] / self.width * 100,
            "eyes_y": between[1] / self.height * 100,
            "eye_distance": apart / self.width * 100,
            "face_roll": math.degrees(math.atan2(across[1], across[0])),
            "mouth_drop": (mouth - between) @ down / apart,
            "mouth_shift": (mouth - between) @ across / apart**2,
            # no head turns further; a box may be anything
            "face_shift": np.clip((middle - between) @ across / apart**2, -1, 1),
        }
        return {name: round(float(value), 4) for name, value in values.items()}


def known_face(
    landmarks: Sequence[Point] | NDArray[Any] | None,
    box: Sequence[float] | None,
    width: int,
    height: int,
) -> Face | None:
    """Return the face that landmarks tell, or else its box; None where neither does.

    `landmarks` are (x, y) px, 5 (two eyes, nose, two corners of the mouth) or 68 (iBUG): other numbers are
    not known here. `box` is (x, y, width, height) px; alone, it is taken for that of an upright face whose
    oval fills it. The middle between the face's sides is that of the box, or else of the jaw's ends.
    """
    centre = None if box is None else (box[0] + box[2] / 2, box[1] + box[3] / 2)
    parts = _SCHEMES.get(0 if landmarks is None else len(landmarks))
    if parts is not None:
        points = np.asarray(landmarks, np.float64)
        one, two, mouth = (_point(points[part].mean(axis=0)) for part in parts)
        # five points know no sides: there, the middle is taken to be between the eyes
        sides = points[[0, 16]] if len(points) == 68 else points[:2]
        if np.isfinite(points).all() and math.dist(one, two) > 0:
            return Face((one, two), mouth, centre or _point(sides.mean(axis=0)), width, height)
    if box is None or centre is None:
        return None
    left, right, eyes, mouth_y = _IN_BOX
    x, y, wide, tall = box
    level = y + eyes * tall
    pair = (x + left * wide, level), (x + right * wide, level)
    return Face(pair, (centre[0], y + mouth_y * tall), centre, width, height)


def _point(values: NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1])
