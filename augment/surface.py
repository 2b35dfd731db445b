"""Sheets that are flat, rolled or folded, before a pinhole and under a lamp.

A developable surface with parallel rulings is a curve (x(t), z(t)) of arc length t, drawn along the axis of
its rulings: a cylinder x = R sin(t / R), z = R (1 - cos(t / R)), or straight lines with rounded corners for
folds. Seen from the camera's place in the plane across the rulings, every point of the visible part of the
curve has its own slope (x - c_x) / (z - c_z), so a table from slope to t unrolls the picture exactly: one
look-up a ray, whatever the curve.

Frames: the sheet's has x right, y down and z away from the camera, in mm, with its origin in the middle of
the sheet; the camera's is the same for a sheet seen straight on, and `geometry` turns one into the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.geometry import View
from facedata.augment.kernels import kernel

__all__ = [
    "Curve",
    "Lamp",
    "Nodes",
    "Seen",
    "cylinder",
    "flat",
    "folds",
    "look",
    "project",
    "stretch",
    "trace",
]

Floats = NDArray[np.float64]

_TABLE: Final = 2048
"""Entries of the table from slope to arc length."""


class Curve(NamedTuple):
    """A section across the rulings: float64 arrays over arc length; `axis` in rad is the rulings' direction.

    `t` mm is increasing; `x`, `z` mm are the places, and `slope` rad is the angle of the tangent to the x
    axis, positive where the sheet leaves the camera.
    """

    t: Floats
    x: Floats
    z: Floats
    slope: Floats
    axis: float


def flat() -> Curve:
    """Return a flat sheet."""
    t = np.array([-1e5, 1e5])
    return Curve(t, t, np.zeros(2), np.zeros(2), 0.0)


def cylinder(radius: float, axis: float, reach: float) -> Curve:
    """Return a cylinder of `radius` mm that bulges to the camera, or away from it where negative.

    `axis` is in deg, and `reach` mm is half the arc that is kept, at most a quarter of the circle.
    """
    half = min(reach, abs(radius) * math.pi / 2)
    t = np.linspace(-half, half, 1025)
    turn = t / radius
    return Curve(t, radius * np.sin(turn), radius * (1 - np.cos(turn)), turn, math.radians(axis))


def folds(places: list[float], angles: list[float], corner: float, axis: float, reach: float) -> Curve:
    """Return a sheet folded at arc lengths `places` mm by `angles` deg, each crease as wide as `corner` mm.

    The tangent turns by a smooth step over the crease. A positive angle folds the far side away.
    """
    t = np.linspace(-reach, reach, 4097)
    slope = np.zeros_like(t)
    for place, angle in zip(places, angles, strict=True):
        step = np.clip((t - place) / max(corner, 1e-3) + 0.5, 0, 1)
        slope += math.radians(angle) * step * step * (3 - 2 * step)
    # the middle of the sheet keeps its place, and the sheet leans evenly to both sides
    slope -= (slope.min() + slope.max()) / 2
    step_length = t[1] - t[0]
    x, z = (_integral(part, step_length) for part in (np.cos(slope), np.sin(slope)))
    return Curve(t, x, z, slope, math.radians(axis))


def _integral(values: Floats, step: float) -> Floats:
    """Return the running trapezoid integral, 0 in the middle."""
    total = np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * step)])
    return np.asarray(total - total[len(total) // 2], np.float64)


@dataclass(frozen=True)
class Lamp:
    """A small lamp and an even light around it.

    `distance` mm from the sheet's middle, `angle` deg off the camera's axis towards `azimuth` deg (0 is
    right, 90 up); `ambient` is the share of the irradiance that comes evenly from everywhere. `gloss` is the
    radiance of the highlight's middle over that of diffuse white and `exponent` that of Blinn's lobe.
    """

    distance: float
    angle: float
    azimuth: float
    ambient: float
    gloss: float
    exponent: float

    def place(self) -> Floats:
        """Return where the lamp is, mm from the sheet's middle, along the camera's axes."""
        off, turn = math.radians(self.angle), math.radians(self.azimuth)
        towards = [math.sin(off) * math.cos(turn), -math.sin(off) * math.sin(turn), -math.cos(off)]
        return self.distance * np.array(towards)


class Seen(NamedTuple):
    """What each px of the sensor sees of the sheet: float32, 2 x height x width.

    `place` is the point of the sheet in px of the parent (x, y), continued past the limb of a rolled sheet.
    `light` is irradiance and gloss, 1 = what a sheet facing the camera gets in its middle. `limb` is how far
    inside the limb the px lies, in px of the sensor, float32, height x width; None where there is no limb.
    """

    place: NDArray[np.float32]
    light: NDArray[np.float32]
    limb: NDArray[np.float32] | None


class Nodes(NamedTuple):
    """What `Seen` holds, at places `pitch` px apart, the first half a pitch and half a px into the picture.

    `place` and `light` are float32, 2 x rows x columns, `limb` rows x columns; they go on past the picture.
    """

    place: NDArray[np.float32]
    light: NDArray[np.float32]
    limb: NDArray[np.float32] | None
    pitch: int


def look(view: View, scale: float, size: tuple[int, int], curve: Curve, lamp: Lamp, nodes: int = 32) -> Seen:
    """Return what a camera sees of a sheet on which a picture of `size` (width, height) px lies.

    `scale` is mm of the sheet a px of the picture. Rays are followed exactly at about `nodes` places along
    the shorter side and interpolated between them.
    """
    place, light, limb, pitch = trace(view, scale, size, curve, lamp, nodes)
    edge = np.empty((view.height, view.width), np.float32) if limb is not None else None
    if limb is not None and edge is not None:
        _enlarge(limb, pitch, edge)
    found = np.empty((4, view.height, view.width), np.float32)
    for nodes_of, whole in zip((*place, *light), found, strict=True):
        _enlarge(nodes_of, pitch, whole)
    return Seen(found[:2], found[2:], edge)


def trace(
    view: View, scale: float, size: tuple[int, int], curve: Curve, lamp: Lamp, nodes: int = 32
) -> Nodes:
    """Return what `look` interpolates: rays followed at about `nodes` places along the shorter side."""
    turn, before = pose_of(view, scale, size)
    camera = -turn.T @ before
    along = np.array([math.cos(curve.axis), math.sin(curve.axis), 0.0])
    across = np.array([-along[1], along[0], 0.0])
    table, start, step = _unrolled(curve, float(camera @ across), float(camera[2]))
    # rays in the sheet's frame: along the rulings, across them, and away
    frame = np.stack([along, across, np.array([0.0, 0.0, 1.0])])
    ray = frame @ turn.T
    pitch = max(1, round(min(view.width, view.height) / nodes))
    rows, columns = (math.ceil(n / pitch) + 1 for n in (view.height, view.width))
    place, light, limb = survey(
        (rows, columns, pitch, pitch / 2 - 0.5 - pitch // 2),
        (view.centre[0], view.centre[1], view.focal),
        view.distortion / (min(view.width, view.height) / 2) ** 2,
        ray,
        frame @ camera,
        table,
        (start, 1 / step),
        np.array([along[:2], across[:2]]) / scale,
        ((size[0] - 1) / 2, (size[1] - 1) / 2),
        frame @ (turn.T @ lamp.place()),
        frame @ (turn.T @ np.array([0.0, 0.0, -1.0])),
        (lamp.ambient, lamp.gloss, lamp.exponent),
    )
    return Nodes(place, light, limb if len(table) > 2 else None, pitch)


def project(view: View, scale: float, size: tuple[int, int], curve: Curve, points: Floats) -> Floats:
    """Return where points of the picture (N x 2 px) on the bent sheet fall on the sensor, px.

    Points past the end of the curve are taken at its end.
    """
    turn, place = pose_of(view, scale, size)
    flat_place = (np.asarray(points, np.float64) - [(size[0] - 1) / 2, (size[1] - 1) / 2]) * scale
    cosine, sine = math.cos(curve.axis), math.sin(curve.axis)
    s = flat_place @ [cosine, sine]
    t = flat_place @ [-sine, cosine]
    x, z = np.interp(t, curve.t, curve.x), np.interp(t, curve.t, curve.z)
    solid = np.stack([s * cosine - x * sine, s * sine + x * cosine, z], axis=1)
    before = solid @ turn.T + place
    ahead = np.maximum(before[:, 2:], 1e-3)
    return view.bent(view.focal * before[:, :2] / ahead + view.centre)


def pose_of(view: View, scale: float, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return (R, t) of the sheet's frame before the camera, t in mm, from the view's homography."""
    h, (x, y) = view.homography, view.centre
    columns = np.stack([(h[0] - x * h[2]) / view.focal, (h[1] - y * h[2]) / view.focal, h[2]])
    first, second = columns[:, 0], columns[:, 1]
    place = columns[:, 2] + (size[0] - 1) / 2 * first + (size[1] - 1) / 2 * second
    # px of the picture are `scale` mm, and the sheet is before the camera
    length = math.copysign(math.sqrt(float(first @ first)), float(place[2])) / scale
    first, second, place = first / length / scale, second / length / scale, place / length
    (a, b, c), (d, e, f) = first, second
    return np.stack([first, second, (b * f - c * e, c * d - a * f, a * e - b * d)], axis=1), place


def stretch(view: View) -> Floats:
    """Return the derivative (2 x 2) of the parent's px by the sensor's in the middle of the sensor."""
    inverse = np.linalg.inv(view.homography)
    u, v, w = inverse @ (*view.centre, 1.0)
    return np.asarray((inverse[:2, :2] - np.outer((u / w, v / w), inverse[2, :2])) / w, np.float64)


def _unrolled(curve: Curve, camera_x: float, camera_z: float) -> tuple[Floats, float, float]:
    """Return (table, first slope, step): arc length, z, tangent's cosine and sine by the slope of the ray.

    Only the part of the curve round its middle that the camera sees without a limb is kept.
    """
    slope = (curve.x - camera_x) / np.maximum(curve.z - camera_z, 1e-3)
    if len(slope) == 2:  # a flat sheet, whose slope is linear in its length
        table = np.stack([curve.t, curve.z, [1.0, 1.0], [0.0, 0.0]], axis=1)
        return table, float(slope[0]), float(slope[1] - slope[0])
    middle = len(slope) // 2
    hidden = np.flatnonzero(np.diff(slope) <= 0)
    low = int(hidden[hidden < middle].max(initial=-1)) + 1
    high = int(hidden[hidden >= middle].min(initial=len(slope) - 1)) + 1
    kept = slice(low, high)
    wanted = np.linspace(slope[low], slope[high - 1], _TABLE)
    columns = (curve.t, curve.z, np.cos(curve.slope), np.sin(curve.slope))
    table = np.stack([np.interp(wanted, slope[kept], column[kept]) for column in columns], axis=1)
    return np.ascontiguousarray(table), float(wanted[0]), float(wanted[1] - wanted[0])


@kernel
def survey(
    shape: tuple[int, int, int, float],
    lens: tuple[float, float, float],
    distortion: float,
    ray: Floats,
    camera: Floats,
    table: Floats,
    steps: tuple[float, float],
    to_parent: Floats,
    middle: tuple[float, float],
    lamp: Floats,
    facing: Floats,
    shine: tuple[float, float, float],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return (place, light, limb) as `Seen` has them, at `shape`: rows, columns, pitch, place of the first.

    `ray` turns a ray from the camera's frame into (along, across, away); the other places are given in that
    frame. `facing` is the normal of a sheet that faces the camera.
    """
    rows, columns, pitch, first = shape
    centre_x, centre_y, focal = lens
    start, per_step = steps
    ambient, gloss, exponent = shine
    place = np.empty((2, rows, columns), np.float32)
    light = np.empty((2, rows, columns), np.float32)
    limb = np.empty((rows, columns), np.float32)
    last = table.shape[0] - 2
    reach = math.sqrt(lamp[0] ** 2 + lamp[1] ** 2 + lamp[2] ** 2)
    full = max((lamp[0] * facing[0] + lamp[1] * facing[1] + lamp[2] * facing[2]) / reach**3, 1e-30)
    for i in range(rows):
        for j in range(columns):
            x = j * pitch + first - centre_x
            y = i * pitch + first - centre_y
            bend = (1 + distortion * (x * x + y * y)) / focal
            x, y = x * bend, y * bend
            along = ray[0, 0] * x + ray[0, 1] * y + ray[0, 2]
            across = ray[1, 0] * x + ray[1, 1] * y + ray[1, 2]
            away = max(ray[2, 0] * x + ray[2, 1] * y + ray[2, 2], 1e-3)
            at = (across / away - start) * per_step
            node = min(max(int(at), 0), last)
            part = min(max(at - node, 0.0), 1.0) if last else at
            t = table[node, 0] + (table[node + 1, 0] - table[node, 0]) * part
            z = table[node, 1] + (table[node + 1, 1] - table[node, 1]) * part
            cosine = table[node, 2] + (table[node + 1, 2] - table[node, 2]) * part
            sine = table[node, 3] + (table[node + 1, 3] - table[node, 3]) * part
            far = (z - camera[2]) / away
            s = camera[0] + far * along
            # past the limb the sheet goes on in its tangent, which keeps the places continuous there
            beyond = min(at, 0.0) + max(at - last - 1, 0.0) if last else 0.0
            t += beyond / per_step * (z - camera[2])
            limb[i, j] = min(at, last + 1 - at) / per_step * focal
            u = to_parent[0, 0] * s + to_parent[1, 0] * t + middle[0]
            v = to_parent[0, 1] * s + to_parent[1, 1] * t + middle[1]
            place[0, i, j] = min(max(u, -131072.0), 131072.0)
            place[1, i, j] = min(max(v, -131072.0), 131072.0)
            to_x, to_y, to_z = lamp[0] - s, lamp[1] - camera[1] - far * across, lamp[2] - z
            length = math.sqrt(to_x * to_x + to_y * to_y + to_z * to_z)
            lit = max(to_y * sine - to_z * cosine, 0.0) / length
            light[0, i, j] = ambient + (1 - ambient) * lit / (length * length) / full
            eye = math.sqrt(along * along + across * across + away * away)
            half_x = to_x / length - along / eye
            half_y = to_y / length - across / eye
            half_z = to_z / length - away / eye
            half = math.sqrt(half_x * half_x + half_y * half_y + half_z * half_z)
            facet = max(half_y * sine - half_z * cosine, 0.0) / max(half, 1e-9)
            light[1, i, j] = gloss * facet**exponent if lit > 0 else 0.0
    return place, light, limb


def _enlarge(field: NDArray[np.float32], pitch: int, whole: NDArray[np.float32]) -> None:
    """Fill `whole` (height x width) with a field of nodes (rows x columns)."""
    rows, columns = field.shape
    height, width = whole.shape
    padded = cv2.resize(field, (columns * pitch, rows * pitch), interpolation=cv2.INTER_LINEAR)
    edge = pitch // 2
    whole[:] = padded[edge : edge + height, edge : edge + width]
