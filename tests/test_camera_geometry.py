"""Pose, homography and lens distortion against a pinhole written out by hand."""

import math

import numpy as np
import pytest

from facedata.augment.geometry import AimParameters, PoseParameters, homography, room, view, view_of

STRAIGHT = {
    **{"tilt": 0.0, "pan": 0.0, "roll": 0.0, "distance": 300.0, "medium_width": 150.0},
    **{"fill": 1.0, "offset_x": 0.0, "offset_y": 0.0, "distortion": 0.0},
}
SIZE = (200, 120)


def pose(**changes):
    return PoseParameters(**{**STRAIGHT, **changes})


def pinhole(point, *, tilt, pan, roll, distance, medium_width, fill, offset_x, offset_y, scale, **_):
    """Project one point of the parent by turning and moving it step by step, without matrices."""
    width, height = SIZE
    millimetre = medium_width / width
    x, y, z = (point[0] - (width - 1) / 2) * millimetre, (point[1] - (height - 1) / 2) * millimetre, 0.0
    a, b, c = (math.radians(angle) for angle in (tilt, pan, roll))
    # top away: a point above the middle (y < 0) gains depth
    y, z = y * math.cos(a), -y * math.sin(a)
    # right side away: a point right of the middle gains depth
    x, z = x * math.cos(b) - z * math.sin(b), x * math.sin(b) + z * math.cos(b)
    # clockwise with y down
    x, y = x * math.cos(c) - y * math.sin(c), x * math.sin(c) + y * math.cos(c)
    focal = fill * scale * distance / millimetre
    x += offset_x / 100 * min(SIZE) * scale * distance / focal
    y += offset_y / 100 * min(SIZE) * scale * distance / focal
    depth = distance + z
    middle = (width * scale - 1) / 2, (height * scale - 1) / 2
    return middle[0] + focal * x / depth, middle[1] + focal * y / depth


POSES = [
    {},
    {"tilt": 25.0},
    {"pan": -35.0},
    {"roll": 20.0},
    {"tilt": 20.0, "pan": 30.0, "roll": -15.0, "offset_x": 7.0, "offset_y": -4.0, "fill": 0.8},
    {"tilt": -45.0, "pan": 45.0, "roll": 170.0, "distance": 250.0, "fill": 1.3},
]


@pytest.mark.parametrize("changes", POSES, ids=str)
@pytest.mark.parametrize("scale", [1, 2])
def test_the_homography_is_the_pinholes(changes, scale):
    parameters = pose(**changes)
    sight = view(parameters, *SIZE, scale)
    points = np.array([[0, 0], [199, 0], [0, 119], [199, 119], [100, 60], [37.5, 80.25]], float)
    expected = [pinhole(p, **{**STRAIGHT, **changes}, scale=scale) for p in points]
    assert sight.to_sensor(points) == pytest.approx(np.array(expected), abs=1e-6)
    assert sight.to_medium(sight.to_sensor(points)) == pytest.approx(points, abs=1e-6)
    whole = homography(parameters, parameters.medium_width, *SIZE, scale)
    assert whole.shape == (3, 3)
    assert whole == pytest.approx(sight.homography)


def test_straight_and_filling_is_the_identity_or_an_even_enlargement():
    points = np.array([[0.0, 0.0], [199.0, 119.0], [50.0, 20.0]])
    assert view(pose(), *SIZE).to_sensor(points) == pytest.approx(points, abs=1e-9)
    # px centres: px k of the parent covers px 2 k and 2 k + 1 of the sensor
    assert view(pose(), *SIZE, 2).to_sensor(points) == pytest.approx(points * 2 + 0.5, abs=1e-9)


def test_perspective_weakens_with_distance():
    keystone = []
    for distance in (150.0, 300.0, 3000.0):
        corners = view(pose(tilt=30.0, distance=distance), *SIZE).to_sensor(
            np.array([[0, 0], [199, 0], [0, 119], [199, 119.0]])
        )
        keystone.append((corners[3, 0] - corners[2, 0]) / (corners[1, 0] - corners[0, 0]))
    assert keystone[0] > keystone[1] > keystone[2] > 1
    assert keystone[2] == pytest.approx(1, abs=0.02)


def test_the_angle_of_view_follows_from_medium_and_distance():
    sight = view(pose(), *SIZE)
    half_diagonal = math.hypot(150, 90) / 2
    assert sight.field_angle == pytest.approx(math.degrees(math.atan(half_diagonal / 300)), abs=1e-6)
    assert view(pose(), *SIZE, 2).field_angle == pytest.approx(sight.field_angle, abs=1e-6)
    aim = AimParameters(**{k: v for k, v in STRAIGHT.items() if k != "medium_width"})
    assert view_of(aim, 150.0, *SIZE).homography == pytest.approx(sight.homography)


@pytest.mark.parametrize("k1", [-0.1, -0.03, 0.05, 0.1])
def test_radial_distortion_is_r_times_one_plus_k1_r_squared(k1):
    sight = view(pose(distortion=k1), *SIZE)
    half = min(SIZE) / 2
    for radius in (0.2, 0.7, 1.0, 1.4):
        seen = np.array([sight.centre]) + np.array([[0.6, 0.8]]) * radius * half
        straight = sight.straight(seen) - sight.centre
        assert np.linalg.norm(straight) == pytest.approx(half * radius * (1 + k1 * radius**2), abs=1e-9)
        assert sight.bent(sight.straight(seen)) == pytest.approx(seen, abs=1e-6)
    # the axis of the lens is in the middle of the first and the last px
    mirror = np.array([[199.0, 119.0]])
    point = np.array([[20.0, 90.0]])
    assert sight.straight(mirror - point) == pytest.approx(mirror - sight.straight(point), abs=1e-9)
    # barrel: the middle of a straight edge lies farther out than its ends
    top = sight.to_sensor(np.array([[60.0, 10.0], [99.5, 10.0]]))
    assert (top[0, 1] > top[1, 1]) == (k1 > 0)


@pytest.mark.parametrize("changes", [*POSES[:5], {"pan": 20.0, "distortion": -0.05}], ids=str)
def test_the_jacobian_is_the_slope_of_the_map(changes):
    sight = view(pose(**changes), *SIZE, 2)
    points = np.array([[30.0, 40.0], [200.0, 120.0], [350.0, 200.0]])
    found = sight.jacobian(points)
    for axis in (0, 1):
        step = np.eye(2)[axis] * 1e-3
        slope = (sight.to_medium(points + step) - sight.to_medium(points - step)) / 2e-3
        assert found[:, :, axis] == pytest.approx(slope, abs=1e-4)


def test_a_medium_seen_past_its_horizon_is_nowhere_beyond_it():
    """A wide wall so close and so turned that the frame looks past its vanishing line."""
    sight = view(pose(pan=45.0, distance=50.0, medium_width=5000.0, fill=3.0), *SIZE)
    row = np.stack([np.arange(200.0), np.full(200, 60.0)], axis=1)
    seen = sight.to_medium(row)
    assert np.isfinite(seen).all()
    inside = (seen[:, 0] > -0.5) & (seen[:, 0] < 199.5)
    assert 0 < inside.sum() < 200
    assert np.diff(seen[inside, 0]).min() > 0
    assert np.abs(seen[~inside, 0] - 99.5).min() > 100


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 401)], ids=str)
def test_rooms_have_any_size_and_no_more_than_their_level(size):
    light = room(*size, 7, level=0.3)
    assert light.shape == (*size, 3)
    assert light.dtype == np.uint16
    assert light.max() <= 0.3 * 32768 + 1
