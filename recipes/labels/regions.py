"""Where on a face each action unit shows, from its landmarks.

Places are told in the face's own frame: from the middle between the eyes or of the mouth, along the line
between the eyes and down the face, in eye distances. So five landmarks do as well as 68, and a turned head
turns its places along.

The aim is that of AU-TTT (arXiv 2503.23450): look for a unit where its muscles move the skin. The places here
are our own reading of FACS, and there is no attention that learns them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedata.augment.landmarks import Face as Known
from facedata.augment.landmarks import known_face

__all__ = [
    "PLACES",
    "REGIONS",
    "Marks",
    "Window",
    "chained",
    "cut_of",
    "moved_places",
    "places_of",
    "region_weights",
]

PLACES: Final[dict[int, tuple[str, float, float]]] = {
    1: ("eyes", 0.20, -0.35),
    2: ("eyes", 0.65, -0.38),
    4: ("eyes", 0.18, -0.25),
    5: ("eyes", 0.50, -0.08),
    6: ("eyes", 0.60, 0.35),
    7: ("eyes", 0.50, 0.08),
    9: ("eyes", 0.15, 0.35),
    10: ("mouth", 0.25, -0.25),
    11: ("mouth", 0.40, -0.30),
    12: ("mouth", 0.42, -0.05),
    13: ("mouth", 0.42, -0.10),
    14: ("mouth", 0.50, 0.00),
    15: ("mouth", 0.42, 0.08),
    16: ("mouth", 0.00, 0.20),
    17: ("mouth", 0.00, 0.45),
    18: ("mouth", 0.00, 0.00),
    20: ("mouth", 0.45, 0.02),
    22: ("mouth", 0.00, 0.00),
    23: ("mouth", 0.00, 0.00),
    24: ("mouth", 0.00, 0.00),
    25: ("mouth", 0.00, 0.05),
    26: ("mouth", 0.00, 0.30),
    27: ("mouth", 0.00, 0.30),
    28: ("mouth", 0.00, 0.00),
    38: ("eyes", 0.18, 0.65),
    39: ("eyes", 0.18, 0.65),
    43: ("eyes", 0.50, 0.00),
    45: ("eyes", 0.50, 0.00),
    46: ("eyes", 0.50, 0.00),
}
"""By unit: from where, how far to either side, and how far down, in eye distances. Others have no place."""


_ROOM: Final = 1.5
"""A square turned by any angle fits into one 1.42 times as large."""

REGIONS: Final = (1, 2, 4, 5, 6, 9, 10, 12, 17, 25)
"""Units whose places together cover what moves in a face: an expression is looked for there."""


Window = tuple[int, int, int]
"""A square of a picture: its left and top, which may lie outside, and its side, px."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is known of where a face is, in px of a picture of `width` x `height`.

    `landmarks` are (x, y), 5 or 68 of them, `box` is (x, y, width, height).
    """

    landmarks: tuple[tuple[float, float], ...] | None
    box: tuple[float, ...] | None
    width: int
    height: int

    def frame(self, *, boxed: bool) -> _Frame | None:
        """Return the face's own axes, px; `boxed` goes by the box where landmarks say nothing.

        None where neither does, or what they say cannot be: a face beyond the picture, or larger than it.
        """
        face = known_face(self.landmarks, self.box if boxed else None, self.width, self.height)
        if face is None:
            return None
        frame = _Frame.of(face)
        x, y = frame.middle
        there = 0 <= x <= self.width and 0 <= y <= self.height
        return frame if there and 1 <= frame.size <= max(self.width, self.height) else None

    def window(self, reach: float | None) -> Window:
        """Return the square round what `cut_of` cuts out, with room to move and turn it.

        It is the middle square of the picture where `reach` is None, or nothing says where the face is.
        """
        frame = None if reach is None else self.frame(boxed=True)
        if frame is None or reach is None:
            least = min(self.width, self.height)
            return (self.width - least) // 2, (self.height - least) // 2, least
        half = _ROOM * reach * frame.size
        x, y = frame.middle
        return round(x - half), round(y - half), round(2 * half)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A face's own axes: `across` from one eye to the other, `down` as far down; (x, y) each."""

    eyes: NDArray[np.float64]
    mouth: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]

    @classmethod
    def of(cls, face: Known) -> _Frame:
        one, two, mouth = (np.array(point) for point in (*face.eyes, face.mouth))
        eyes, across = (one + two) / 2, two - one
        down = np.array([-across[1], across[0]])
        if down @ (mouth - eyes) < 0:  # whichever eye comes first, the mouth is below
            across, down = -across, -down
        return cls(eyes, mouth, across, down)

    def seen_in(self, window: Window) -> _Frame:
        """Return the axes where a window goes from -1 to 1, both ways."""
        corner, half = np.array(window[:2]), window[2] / 2
        eyes, mouth = ((point - corner) / half - 1 for point in (self.eyes, self.mouth))
        return _Frame(eyes, mouth, self.across / half, self.down / half)

    @property
    def distance(self) -> float:
        """Between the eyes."""
        return float(np.hypot(*self.across))

    @property
    def size(self) -> float:
        """Between the eyes, or down to the mouth where that is longer: on a face that is turned aside."""
        return max(self.distance, float((self.mouth - self.eyes) @ self.down) / self.distance)

    @property
    def middle(self) -> NDArray[np.float64]:
        """Of eyes and mouth."""
        return (self.eyes + self.mouth) / 2


def cut_of(marks: Marks, window: Window, reach: float) -> NDArray[np.float32]:
    """Return the map, float32 2 x 3, that cuts a face out of its window: see `batches.moved`.

    The line between the eyes becomes level, the mouth below it, and the middle of both the centre; the rim is
    `reach` times as far from there as the eyes from each other, or from the mouth where that is farther.
    Where nothing says where the face is, the map leaves the window as it is.
    """
    known = marks.frame(boxed=True)
    if known is None:
        return np.eye(2, 3, dtype=np.float32)
    frame = known.seen_in(window)
    axes = [axis * (reach * frame.size / frame.distance) for axis in (frame.across, frame.down)]
    return np.stack([*axes, frame.middle], 1).astype(np.float32)


def chained(first: Tensor, then: Tensor) -> Tensor:
    """Return the maps (n, 2, 3) that look up through `then` what `first` made of a picture."""
    turn, shift = first[:, :, :2] @ then[:, :, :2], first[:, :, :2] @ then[:, :, 2:]
    return torch.cat([turn, shift + first[:, :, 2:]], 2)


def places_of(marks: Marks, window: Window, units: Sequence[int]) -> NDArray[np.float32]:
    """Return the places of units in a window, float32 u x 2 x 3: x, y and eye distance.

    x and y go from -1 to 1, from left to right and from top to bottom, and so does the eye distance. The
    second axis holds both sides of the face. All are NaN where there are no landmarks, or the unit has no
    place.
    """
    found = np.full((len(units), 2, 3), np.nan, np.float32)
    known = marks.frame(boxed=False)
    if known is None:
        return found
    frame = known.seen_in(window)
    origins = {"eyes": frame.eyes, "mouth": frame.mouth}
    for number, unit in enumerate(units):
        if unit in PLACES:
            origin, aside, below = PLACES[unit]
            for side, sign in enumerate((-1, 1)):
                found[number, side, :2] = origins[origin] + sign * aside * frame.across + below * frame.down
                found[number, side, 2] = frame.distance
    return found


def moved_places(places: Tensor, maps: Tensor) -> Tensor:
    """Return places (n, u, 2, 3) where pictures show them that were looked up through `maps` (n, 2, 3).

    A map leads from a place of the new picture to one of the old, so it is undone.
    """
    turn, shift = maps[:, None, None, :, :2], maps[:, None, None, :, 2]
    back = torch.linalg.inv(turn)
    moved = (back @ (places[..., :2] - shift)[..., None])[..., 0]
    scale = torch.linalg.det(turn).abs().rsqrt()
    return torch.cat([moved, (places[..., 2] * scale)[..., None]], -1)


def region_weights(places: Tensor, height: int, width: int, spread: float) -> Tensor:
    """Return how much each cell of a grid counts for each unit, (n, u, height, width), adding up to 1.

    A Gaussian round each of the two places, `spread` eye distances wide and no narrower than half a cell;
    the same everywhere where places are NaN.
    """
    rows, columns = (
        (torch.arange(count, device=places.device, dtype=places.dtype) + 0.5) * 2 / count - 1
        for count in (height, width)
    )
    known = ~places.isnan().any(-1)
    x, y, distance = torch.where(known[..., None], places, 0).unbind(-1)
    wide = (spread * distance).clamp(min=1 / min(height, width))[..., None, None]
    off = (rows[:, None] - y[..., None, None]) ** 2 + (columns - x[..., None, None]) ** 2
    near = -off / (2 * wide**2) * known[..., None, None]
    even: Tensor = near.flatten(-2).softmax(-1).mean(-2)
    return even.reshape(*even.shape[:2], height, width)
