"""Bent sheets before a pinhole and a lamp, against analytic geometry and Lambert's law."""

import math

import numpy as np
import pytest

from facedata.augment.geometry import AimParameters, view_of
from facedata.augment.surface import Lamp, cylinder, flat, folds, look, pose_of, project, stretch

SIZE = 200, 160
SCALE = 0.8  # mm a px
FAR = Lamp(1e7, 30.0, 40.0, 0.25, 0.0, 1.0)
POINTS = np.array([[20.0, 30.0], [99.5, 79.5], [180.0, 20.0], [150.0, 140.0], [60.0, 110.0]])


def sight(**pose):
    values = {"tilt": 0, "pan": 0, "roll": 0, "distance": 320, "fill": 0.9, "offset_x": 0, "offset_y": 0}
    aim = AimParameters(**{**values, "distortion": 0.0, **pose})
    return view_of(aim, SCALE * SIZE[0], *SIZE)


POSES = pytest.mark.parametrize(
    "pose",
    [{}, {"tilt": 28.0, "pan": -15.0}, {"roll": 40.0, "pan": 20.0, "offset_x": 6.0, "distortion": 0.05}],
    ids=["straight", "tilted", "turned"],
)


def turn_of(tilt=0.0, pan=0.0, roll=0.0, **_):
    """Rz(roll) Ry(pan) Rx(tilt), as the module's docstring has it, with the signs of the parameters."""
    x, y, z = (math.radians(angle) for angle in (-tilt, -pan, roll))
    about_x = np.array([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_z = np.array([[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@POSES
def test_the_pose_is_read_back_from_the_homography(pose):
    camera = sight(**pose)
    turn, place = pose_of(camera, SCALE, SIZE)
    assert np.abs(turn @ turn.T - np.eye(3)).max() < 1e-9
    assert np.abs(turn - turn_of(**pose)).max() < 1e-9
    shift = pose.get("offset_x", 0.0) / 100 * min(SIZE) / camera.focal * 320
    assert np.abs(place - [shift, 0, 320]).max() < 1e-6


def on_cylinder(radius, axis, points, pose):
    """Where points of the picture on a cylinder fall on the sensor: the formula, point by point."""
    camera, turn = sight(**pose), turn_of(**pose)
    direction = math.radians(axis)
    e_s = np.array([math.cos(direction), math.sin(direction), 0])
    e_t = np.array([-math.sin(direction), math.cos(direction), 0])
    found = []
    for u, v in points:
        flat_point = np.array([(u - (SIZE[0] - 1) / 2) * SCALE, (v - (SIZE[1] - 1) / 2) * SCALE, 0])
        s, t = flat_point @ e_s, flat_point @ e_t
        solid = s * e_s + radius * math.sin(t / radius) * e_t
        solid = solid + np.array([0, 0, radius * (1 - math.cos(t / radius))])
        shift = pose.get("offset_x", 0.0) / 100 * min(SIZE) / camera.focal * 320
        x, y, z = turn @ solid + np.array([shift, 0, 320])
        pinhole = np.array([camera.centre]) + camera.focal * np.array([[x / z, y / z]])
        found.append(camera.bent(pinhole)[0])
    return np.array(found)


@POSES
@pytest.mark.parametrize(("radius", "axis"), [(90.0, 90.0), (-150.0, 0.0), (70.0, 35.0), (400.0, -60.0)])
def test_perspective_of_a_known_cylinder(pose, radius, axis):
    camera, curve = sight(**pose), cylinder(radius, axis, 110.0)
    expected = on_cylinder(radius, axis, POINTS, pose)
    assert np.abs(project(camera, SCALE, SIZE, curve, POINTS) - expected).max() < 0.01
    # and the other way: the px that sees a point knows which point it is
    seen = look(camera, SCALE, SIZE, curve, FAR, nodes=64)
    for point, (x, y) in zip(POINTS, expected, strict=True):
        column, row = int(x), int(y)
        if not (0 <= column < camera.width - 1 and 0 <= row < camera.height - 1):
            continue
        if seen.limb[row, column] < 8:
            continue  # past the limb, where the sheet hides behind itself
        corner = np.moveaxis(seen.place, 0, -1)[row : row + 2, column : column + 2].astype(float)
        part_x, part_y = x - column, y - row
        upper = corner[0, 0] * (1 - part_x) + corner[0, 1] * part_x
        lower = corner[1, 0] * (1 - part_x) + corner[1, 1] * part_x
        assert np.abs(upper * (1 - part_y) + lower * part_y - point).max() < 0.15


@POSES
def test_a_flat_sheet_is_the_homography(pose):
    camera = sight(**pose)
    seen = look(camera, SCALE, SIZE, flat(), FAR)
    assert seen.limb is None
    y, x = np.mgrid[: camera.height, : camera.width]
    exact = camera.to_medium(np.stack([x, y], -1).astype(float))
    assert np.abs(np.moveaxis(seen.place, 0, -1) - exact).max() < 0.06
    assert np.abs(project(camera, SCALE, SIZE, flat(), POINTS) - camera.to_sensor(POINTS)).max() < 1e-6
    if "distortion" not in pose:
        assert np.abs(stretch(camera) - camera.jacobian(np.array([camera.centre]))[0]).max() < 1e-4


@pytest.mark.parametrize("pitch_nodes", [1, 7, 33, 200])
def test_a_coarser_grid_of_rays_is_near_a_finer_one(pitch_nodes):
    camera, curve = sight(tilt=10.0), cylinder(150.0, 70.0, 110.0)
    coarse, fine = (look(camera, SCALE, SIZE, curve, FAR, nodes=n) for n in (pitch_nodes, 1000))
    limit = {1: 60.0, 7: 2.0, 33: 0.08, 200: 1e-3}[pitch_nodes]
    seen = np.minimum(coarse.limb, fine.limb) > 20  # at a limb the sheet is seen edge on
    assert np.abs(coarse.place - fine.place)[:, seen].max() < limit


def test_bent_paper_keeps_its_lengths():
    for curve in (cylinder(80.0, 0.0, 120.0), folds([-30.0, 12.0], [40.0, -25.0], 4.0, 0.0, 120.0)):
        step = np.hypot(np.diff(curve.x), np.diff(curve.z))
        assert np.abs(step / np.diff(curve.t) - 1).max() < 2e-4
        slope = np.arctan2(np.diff(curve.z), np.diff(curve.x))
        assert np.abs(slope - (curve.slope[1:] + curve.slope[:-1]) / 2).max() < 2e-3


def test_a_fold_turns_by_its_angle():
    curve = folds([0.0], [30.0], 5.0, 0.0, 60.0)
    assert math.degrees(curve.slope[-1] - curve.slope[0]) == pytest.approx(30)
    assert (curve.slope[curve.t < -2.6] == curve.slope[0]).all()
    assert (curve.slope[curve.t > 2.6] == curve.slope[-1]).all()


@pytest.mark.parametrize(
    "curve", [flat(), cylinder(100.0, 90.0, 100.0), folds([10.0], [35.0], 3.0, 20.0, 110.0)]
)
def test_shading_is_lamberts_law_on_a_known_normal(curve):
    camera, lamp = sight(tilt=12.0, pan=-8.0), FAR
    seen = look(camera, SCALE, SIZE, curve, lamp, nodes=400)
    turn, _ = pose_of(camera, SCALE, SIZE)
    towards = turn.T @ (lamp.place() / lamp.distance)
    e_t = np.array([-math.sin(curve.axis), math.cos(curve.axis), 0.0])
    place = (np.moveaxis(seen.place, 0, -1).astype(float) - [(SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2]) * SCALE
    slope = np.interp(place @ e_t[:2], curve.t, curve.slope)
    normal = np.sin(slope)[..., None] * e_t - np.cos(slope)[..., None] * np.array([0, 0, 1.0])
    lit = np.maximum(normal @ towards, 0) / math.cos(math.radians(lamp.angle))
    expected = lamp.ambient + (1 - lamp.ambient) * lit
    inside = np.ones(lit.shape, bool) if seen.limb is None else seen.limb > 4
    assert np.abs(seen.light[0] - expected)[inside].max() < 0.01


def test_a_near_lamp_falls_off_with_the_square_of_its_distance():
    lamp = Lamp(150.0, 50.0, 0.0, 0.0, 0.0, 1.0)
    seen = look(sight(), SCALE, SIZE, flat(), lamp, nodes=400)
    place = (np.moveaxis(seen.place, 0, -1).astype(float) - [(SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2]) * SCALE
    away = np.concatenate([place, np.zeros((*place.shape[:2], 1))], -1) - lamp.place()
    distance = np.linalg.norm(away, axis=-1)
    expected = (away[..., 2] / distance) / distance**2
    middle = math.cos(math.radians(50.0)) / 150.0**2
    assert np.abs(seen.light[0] - expected / middle).max() < 0.01
    assert seen.light[0, 80, -1] > 2 * seen.light[0, 80, 0], "the lamp is on the right"


@pytest.mark.parametrize("exponent", [5.0, 60.0, 500.0])
def test_the_highlight_is_blinns_lobe_where_the_mirror_is(exponent):
    # a lamp beside the camera, and a sheet turned to halve the angle: the mirror is in the middle
    lamp = Lamp(1e7, 20.0, 90.0, 0.3, 0.7, exponent)
    camera = sight(tilt=10.0)
    seen = look(camera, SCALE, SIZE, flat(), lamp, nodes=400)
    row, column = np.unravel_index(seen.light[1].argmax(), seen.light.shape[1:])
    assert abs(row - 79.5) < 3
    assert abs(column - 99.5) < 3
    assert seen.light[1].max() == pytest.approx(0.7, rel=0.01)
    turn, _ = pose_of(camera, SCALE, SIZE)
    ray = np.array([30 - camera.centre[0], 60 - camera.centre[1], camera.focal])
    half = lamp.place() / lamp.distance - ray / np.linalg.norm(ray)
    facet = half @ (turn @ [0, 0, -1.0]) / np.linalg.norm(half)
    assert seen.light[1, 60, 30] == pytest.approx(0.7 * facet**exponent, rel=0.02, abs=1e-4)


def test_the_limb_of_a_roll_is_where_rays_graze_it():
    radius = 60.0
    camera = sight(distance=400.0, fill=0.8)
    seen = look(camera, SCALE, SIZE, cylinder(radius, 90.0, 200.0), FAR, nodes=400)
    # from a distance d of a cylinder's axis its tangent leaves at asin(R / d)
    slope = math.tan(math.asin(radius / (400.0 + radius)))
    edge = camera.focal * slope
    row = seen.limb[camera.height // 2]
    inside = np.flatnonzero(row > 0)
    assert inside.min() == pytest.approx(camera.centre[0] - edge, abs=1.5)
    assert inside.max() == pytest.approx(camera.centre[0] + edge, abs=1.5)
