"""Where a flat medium lies before the camera, and where each of its points falls on the sensor.

The camera is a pinhole with a radial distortion. A point (X, Y) mm of the medium, counted from its middle,
right and down, is at R [X, Y, 0] + t before the camera, R = Rz(roll) Ry(pan) Rx(tilt), t = (x, y, distance).
Its picture without distortion is H = K [r1 r2 t] times it. Pixel centres have whole coordinates, counted from
the first px; the middle of a picture of n px is at (n - 1) / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.operator import Parameters, quantity
from facedata.augment.textures import environment

__all__ = ["AimParameters", "PoseParameters", "View", "homography", "room", "room_cells", "view", "view_of"]

Floats = NDArray[np.float64]


class AimParameters(Parameters):
    """Pose of the medium before the camera. The picture has the parent's size."""

    tilt: float = quantity(
        "turn of the medium about its horizontal axis (above 0: its top leans away)",
        unit="deg",
        low=-45,
        high=45,
        draw={"normal": [0.0, 6.0]},
    )
    pan: float = quantity(
        "turn of the medium about its vertical axis (above 0: its right side leans away)",
        unit="deg",
        low=-45,
        high=45,
        draw={"normal": [0.0, 6.0]},
    )
    roll: float = quantity(
        "turn of the medium in its plane, clockwise as the camera sees it",
        unit="deg",
        low=-180,
        high=180,
        draw={"normal": [0.0, 3.0]},
    )
    distance: float = quantity(
        "distance from the lens to the middle of the medium",
        unit="mm",
        low=50,
        high=10000,
        draw={"log_uniform": [150, 1000]},
    )
    fill: float = quantity(
        "width of the medium on the picture over the picture's width, were it seen straight on",
        unit="1",
        low=0.2,
        high=3,
        draw={"uniform": [0.9, 1.15]},
    )
    offset_x: float = quantity(
        "place of the medium's middle right of the picture's, of the shorter side",
        unit="%",
        low=-100,
        high=100,
        draw={"normal": [0.0, 2.0]},
    )
    offset_y: float = quantity(
        "place of the medium's middle below the picture's, of the shorter side",
        unit="%",
        low=-100,
        high=100,
        draw={"normal": [0.0, 2.0]},
    )
    distortion: float = quantity(
        "radial distortion k1: a point at r stands for the pinhole's point at r (1 + k1 r^2), r = 1 at half "
        "the shorter side (above 0: barrel)",
        unit="1",
        low=-0.1,
        high=0.1,
        draw={"normal": [0.0, 0.01]},
    )


class PoseParameters(AimParameters):
    """Pose of a medium of given size."""

    medium_width: float = quantity(
        "width on the medium of the whole parent picture",
        unit="mm",
        low=10,
        high=5000,
        draw={"log_uniform": [60, 300]},
    )


@dataclass(frozen=True)
class View:
    """How the camera sees the medium.

    `homography` (3 x 3, float64) maps px of the parent picture, which lies on the medium, to px of the sensor
    before distortion; `distortion` is k1; the sensor has `width` x `height` px; `focal` is the focal length
    in px of the sensor.
    """

    homography: Floats
    distortion: float
    width: int
    height: int
    focal: float

    @property
    def centre(self) -> tuple[float, float]:
        """The sensor's middle (x, y) in px, where the axis of the lens meets it."""
        return (self.width - 1) / 2, (self.height - 1) / 2

    @property
    def field_angle(self) -> float:
        """Angle in deg off the axis of the sensor's corner, for vignetting."""
        return math.degrees(math.atan(math.hypot(self.width, self.height) / 2 / self.focal))

    def straight(self, points: Floats) -> Floats:
        """Return the pinhole's places (... x 2) of places on the sensor, px."""
        moved = points - self.centre
        squared = np.sum(moved**2, axis=-1, keepdims=True) / (min(self.width, self.height) / 2) ** 2
        return np.asarray(self.centre + moved * (1 + self.distortion * squared), np.float64)

    def bent(self, points: Floats) -> Floats:
        """Return the places on the sensor (... x 2) of the pinhole's places: the inverse of `straight`.

        With k1 below 0 there is none farther out than the lens reaches; those places are drawn in alike.
        """
        moved = (points - self.centre) / (min(self.width, self.height) / 2)
        far = np.linalg.norm(moved, axis=-1, keepdims=True)
        if self.distortion < 0:
            far = np.minimum(far, 2 / 3 / math.sqrt(-3 * self.distortion))
        near = far / (1 + self.distortion * far**2)
        for _ in range(8):  # Newton's steps on r (1 + k1 r^2) = far; five reach 1e-9 within the picture
            slope = np.maximum(1 + 3 * self.distortion * near**2, 0.05)
            near = near - (near * (1 + self.distortion * near**2) - far) / slope
        ratio = np.divide(near, far, out=np.ones_like(far), where=far > 0)
        return np.asarray(self.centre + moved * ratio * (min(self.width, self.height) / 2), np.float64)

    def to_sensor(self, points: Floats) -> Floats:
        """Return where points (N x 2, px of the parent) fall on the sensor, px."""
        return self.bent(_project(self.homography, np.asarray(points, np.float64)))

    def to_medium(self, points: Floats) -> Floats:
        """Return which points of the parent (px) are seen at places (... x 2) of the sensor, px.

        Places that look past the medium's vanishing line give a point far outside it.
        """
        return _project(self.backward, self.straight(np.asarray(points, np.float64)))

    @property
    def backward(self) -> Floats:
        """The inverse homography, scaled so that its third row is positive in front of the medium."""
        inverse = np.linalg.inv(self.homography)
        return np.asarray(inverse / (inverse[2] @ [*self.centre, 1.0]), np.float64)

    def jacobian(self, points: Floats) -> Floats:
        """Return the derivative (N x 2 x 2) of `to_medium` at places of the sensor: parent px per sensor px.

        Entry [k, i, j] is the change of parent coordinate i along sensor coordinate j (0 is x).
        """
        step = 0.5
        shifts = [self.to_medium(points + d) - self.to_medium(points - d) for d in np.eye(2) * step]
        return np.stack(shifts, axis=-1) / (2 * step)


def view(pose: PoseParameters, width: int, height: int, oversample: int = 1) -> View:
    """Return `view_of` a medium whose width is a parameter."""
    return view_of(pose, pose.medium_width, width, height, oversample)


def view_of(pose: AimParameters, medium_width: float, width: int, height: int, oversample: int = 1) -> View:
    """Return how a camera at this pose sees a picture of `width` x `height` px on `medium_width` mm.

    The sensor has `oversample` times as many px along each axis.
    """
    wide, tall = width * oversample, height * oversample
    scale = medium_width / width
    focal = pose.fill * oversample * pose.distance / scale
    return View(homography(pose, medium_width, width, height, oversample), pose.distortion, wide, tall, focal)


def homography(
    pose: AimParameters, medium_width: float, width: int, height: int, oversample: int = 1
) -> Floats:
    """Return H, 3 x 3 float64, from px of the parent (`width` x `height`) to px of the sensor, no distortion.

    The focal length in px follows from `fill`: the medium's width covers that share of the picture.
    """
    tilt, pan, roll = (math.radians(angle) for angle in (pose.tilt, pose.pan, pose.roll))
    about_x = np.array([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]])
    about_y = np.array([[math.cos(pan), 0, math.sin(pan)], [0, 1, 0], [-math.sin(pan), 0, math.cos(pan)]])
    about_z = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    turn = about_z @ about_y.T @ about_x.T
    millimetre = medium_width / width
    focal = pose.fill * oversample * pose.distance / millimetre
    shift = min(width, height) * oversample / 100 * pose.distance / focal
    place = np.array([pose.offset_x * shift, pose.offset_y * shift, pose.distance])
    lens = np.array(
        [
            [focal, 0, (width * oversample - 1) / 2],
            [0, focal, (height * oversample - 1) / 2],
            [0, 0, 1],
        ]
    )
    paper = np.array(
        [
            [millimetre, 0, -millimetre * (width - 1) / 2],
            [0, millimetre, -millimetre * (height - 1) / 2],
            [0, 0, 1],
        ]
    )
    whole = lens @ np.stack([turn[:, 0], turn[:, 1], place], axis=1) @ paper
    return np.asarray(whole / whole[2, 2], np.float64)


def _project(matrix: Floats, points: Floats) -> Floats:
    """Return the points (... x 2) mapped by a homography; depth is held above 1e-6."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(mapped[..., :2] / np.maximum(mapped[..., 2:], 1e-6), np.float64)


def room(
    height: int, width: int, seed: int, *, kelvin: float = 5000, level: float = 0.25
) -> NDArray[np.uint16]:
    """Return the light of an out-of-focus room behind the medium, uint16, height x width x 3.

    Its brightest part has `level` of diffuse white.
    """
    cells = room_cells(height, width, seed, kelvin=kelvin, level=level)
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR), np.uint16)


def room_cells(height: int, width: int, seed: int, *, kelvin: float, level: float) -> NDArray[np.uint16]:
    """Return what `room` enlarges: uint16, h x w x 3, some tens of cells along the shorter side."""
    small = environment(height, width, seed, kelvin, 3.0, 40).astype(np.float32)
    return np.asarray(np.rint(small * (level * 32768 / 65535)), np.uint16)
