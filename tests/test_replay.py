"""Replays against theory: tone, room light, shutter bands, masks, geometry, partial attacks."""

import json

import cv2
import numpy as np
import pytest
from replay_twins import at_scale, still

from facedata.augment import glass
from facedata.augment.camera import photograph, to_light
from facedata.augment.light import LINEAR
from facedata.augment.registry import OPERATORS
from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

LIGHT = LINEAR / 65535
NAMES = ("replay-lcd", "replay-oled", "replay-projector")
ALL = pytest.mark.parametrize("name", NAMES)
LCD, WALL = OPERATORS["replay-lcd"], OPERATORS["replay-projector"]
SMOOTH = at_scale(1.0, defocus=1.5)
"""A lattice that the lens does not resolve."""


def flat(code, side=128):
    return np.full((side, side, 3), code, np.uint8)


def face(side=128):
    y, x = np.mgrid[:side, :side] / side
    base = 0.5 + 0.3 * np.sin(9 * x + 4 * y) + 0.2 * np.cos(11 * y)
    return np.clip(np.stack([base, base * 0.8, base * 0.6], -1) * 255, 0, 255).astype(np.uint8)


def film(name, image, **changes):
    return OPERATORS[name].apply(image, still(name, **changes))


def middle(image, margin=24):
    return LIGHT[image[margin:-margin, margin:-margin]]


# tone


@pytest.mark.parametrize("gamma", [1.8, 2.2, 2.6])
@pytest.mark.parametrize("code", [60, 128, 220])
def test_the_panel_has_its_tone_curve(gamma, code):
    out = film("replay-lcd", flat(code), gamma=gamma, **SMOOTH)
    assert middle(out.image).mean() == pytest.approx((code / 255) ** gamma, rel=0.03, abs=0.002)


def test_black_glows_by_the_contrast_ratio():
    for ratio in (50.0, 200.0):
        out = film("replay-lcd", flat(0), contrast_ratio=ratio, exposure=3.0, **SMOOTH)
        assert middle(out.image).mean() == pytest.approx(8 / ratio, rel=0.05)


# light of the room


@pytest.mark.parametrize("surface", glass.SURFACES)
@pytest.mark.parametrize("seed", [1, 2])
def test_reflection_only_adds_light(surface, seed):
    image, room = face(), {"surface": surface, "room_seed": seed, **SMOOTH}
    dark = film("replay-lcd", image, **room).image
    lit = film(
        "replay-lcd", image, mirrored_luminance=1500.0, illuminance=400.0, luminance=200.0, **room
    ).image
    assert (lit >= dark).all()
    assert (LIGHT[lit] - LIGHT[dark]).mean() > 0.002


def test_mirrored_light_is_that_of_fresnel():
    """On black, the brightest mirrored light is F0 times the room's over the display's white."""
    settings = {
        "luminance": 100.0,
        "room_temperature": 6500.0,
        "exposure": -1.0,
        "mirrored_blur": 1.0,
        **SMOOTH,
    }
    bright = {}
    for surface in ("glass", "coated"):
        out = film("replay-lcd", flat(0), surface=surface, mirrored_luminance=2000.0, **settings)
        bright[surface] = LIGHT[out.image].max() * 2
    assert bright["glass"] == pytest.approx(0.04 * 20, rel=0.25)
    assert bright["glass"] == pytest.approx(5 * bright["coated"], rel=0.12)
    doubled = film("replay-lcd", flat(0), surface="coated", mirrored_luminance=4000.0, **settings)
    assert LIGHT[doubled.image].max() * 2 == pytest.approx(2 * bright["coated"], rel=0.05)


def test_scattered_light_is_lambert_s():
    """L = rho E / pi over the luminance of white, in the lamps' colour."""
    out = film(
        "replay-lcd",
        flat(0),
        surface="matte",
        illuminance=3000.0,
        luminance=50.0,
        room_temperature=6500.0,
        **SMOOTH,
    )
    assert middle(out.image).mean() == pytest.approx(0.015 * 3000 / np.pi / 50, rel=0.02)
    warm = film(
        "replay-lcd",
        flat(0),
        surface="matte",
        illuminance=3000.0,
        luminance=50.0,
        room_temperature=2700.0,
        **SMOOTH,
    )
    red, _, blue = middle(warm.image).mean((0, 1))
    assert red > 2 * blue


def test_schlick_and_the_angle_of_each_pixel():
    assert glass.schlick(np.array([1.0, 0.5, 0.0]), 0.04) == pytest.approx([0.04, 0.04 + 0.96 / 32, 1.0])
    turned = LCD.scene(still("replay-lcd", pan=40.0, **SMOOTH), 128, 128)
    assert turned.normal()[2] == pytest.approx(np.cos(np.radians(40)))
    cosines = glass._cosines(64, 64, (128, 128), turned.frame.focal, turned.normal())
    assert cosines[32, 32] == pytest.approx(np.cos(np.radians(40)), abs=0.02)
    # exact, by the rays through the display's plane
    ends = turned.frame.to_medium(np.array([[1.0, 64.0], [126.0, 64.0]]))
    assert (ends[1, 0] - ends[0, 0]) > 0
    nearer = 0 if cosines[32, 0] > cosines[32, -1] else -1
    assert cosines[32, nearer] > cosines[32, 32] > cosines[32, -1 - nearer]


def test_ambient_light_on_the_wall_lifts_the_blacks():
    """reflectance E / (pi L_w), with L_w = gain flux / (pi area)."""
    wall = {"flux": 1000.0, "gain": 0.8, "reflectance": 0.7, "columns": 1920, "pitch": 1.0, "defocus": 1.5}
    out = film("replay-projector", flat(0), illuminance=50.0, room_temperature=6500.0, **wall)
    area = 1.92**2 / 16 * 9
    assert middle(out.image).mean() == pytest.approx(0.7 * 50 * area / (0.8 * 1000), rel=0.03)


# time


def bands(image):
    """Cycles per row of the strongest wave of the rows' means, its amplitude over the mean, its phase."""
    rows = LIGHT[image].mean(axis=1)
    height = len(rows)
    wave = np.fft.rfft((rows - rows.mean(0)) * np.hanning(height)[:, None], 4096, axis=0)
    peak = np.abs(wave).argmax(axis=0)
    place = wave[peak, np.arange(3)]
    return peak / 4096, 4 * np.abs(place) / height / rows.mean(0), np.angle(place)


@pytest.mark.parametrize("frequency", [240.0, 480.0])
@pytest.mark.parametrize("row_time", [20.0, 34.0])
def test_pulses_make_bands_of_their_period(frequency, row_time):
    shutter = {"row_time": row_time, "frame_rows": 1000, "exposure_time": 0.0008, "exposure": -1.2}
    pulses = {"pulse_frequency": frequency, "pulse_depth": 1.0, "pulse_duty": 0.6, "pulse_phase": 0.0}
    wave, amplitude, _ = bands(film("replay-lcd", flat(170), **shutter, **pulses, **SMOOTH).image)
    assert wave == pytest.approx(frequency * row_time * 1e-6 * 1000 / 128, abs=0.002)
    # the fundamental of a pulse train, averaged over the exposure
    theory = 2 * np.sinc(0.6) * np.sinc(frequency * 0.0008)
    # rows are averaged by demosaicing and reduction, which passes 93 % of the shortest waves here
    assert amplitude == pytest.approx(theory, rel=0.09)
    whole = {**shutter, "exposure_time": 2 / frequency}
    assert bands(film("replay-lcd", flat(170), **whole, **pulses, **SMOOTH).image)[1].max() < 0.01


def test_light_of_the_room_does_not_pulse_with_the_panel():
    pulses = {"pulse_frequency": 240.0, "pulse_depth": 1.0, "pulse_duty": 0.5, "exposure_time": 0.0005}
    room = {"illuminance": 5000.0, "luminance": 50.0, "surface": "matte", "frame_rows": 1000}
    out = film("replay-lcd", flat(0), **pulses, **room, **SMOOTH)
    assert bands(out.image)[1].max() < 0.01
    mains = film("replay-lcd", flat(0), flicker_depth=0.4, exposure_time=0.0005, **room, **SMOOTH)
    assert bands(mains.image)[1].min() > 0.3
    lit = film("replay-lcd", flat(200), flicker_depth=0.4, exposure_time=0.0005, frame_rows=1000, **SMOOTH)
    assert bands(lit.image)[1].max() < 0.01, "nor the panel with the mains"


def test_a_colour_wheel_bands_the_colours_a_third_apart():
    wheel = {"engine": "dlp", "wheel_frequency": 180.0, "wheel_duty": 0.33, "wheel_phase": 10.0}
    shutter = {"row_time": 20.0, "frame_rows": 1500, "exposure_time": 0.001, "exposure": -1.5}
    out = film("replay-projector", flat(170), pitch=0.5, defocus=1.0, **wheel, **shutter)
    wave, amplitude, phase = bands(out.image)
    assert wave == pytest.approx(180 * 20e-6 * 1500 / 128, abs=0.002)
    assert amplitude.min() > 0.5
    steps = np.degrees(np.diff(phase)) % 360
    assert steps == pytest.approx([steps[0]] * 2, abs=8)
    assert min(abs(steps[0] - 120), abs(steps[0] - 240)) < 8
    three = film(
        "replay-projector", flat(170), pitch=0.5, defocus=1.0, **{**wheel, "engine": "lcd"}, **shutter
    )
    assert bands(three.image)[1].max() < 0.01


# place

POSES = [
    {"fill": 0.6},
    {"fill": 0.7, "tilt": 20.0, "pan": -25.0, "roll": 12.0, "distance": 150.0},
    {"fill": 0.5, "offset_x": 30.0, "offset_y": -10.0, "distortion": 0.05},
    {"fill": 0.4, "screen_width": 150.0, "screen_height": 60.0, "screen_x": 20.0, "roll": -30.0},
]


@ALL
@pytest.mark.parametrize("pose", POSES, ids=str)
def test_the_mask_is_the_projected_screen(name, pose):
    parameters = still(name, **({} if name == "replay-projector" else at_scale(1.4)), **pose)
    operator, side = OPERATORS[name], 160
    applied = operator.apply(face(side), parameters)
    scene = operator.scene(parameters, side, side)
    _, (left, top, right, bottom, _), _ = scene.boxes(0.0)
    t = np.linspace(0, 1, 50)[:, None]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    rim = np.concatenate([a + (b - a) * t for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)])
    outline = operator.map_points(rim, parameters, side, side)
    filled = np.zeros((side * 8, side * 8), np.uint8)
    cv2.fillPoly(filled, [np.rint((outline + 0.5) * 8 - 0.5).astype(np.int32)], 255)
    exact = cv2.resize(filled, (side, side), interpolation=cv2.INTER_AREA) >= 128
    wrong = (applied.mask > 0) != exact
    assert wrong.sum() < 0.01 * exact.sum()
    assert set(np.unique(applied.mask)) == {0, 255}


@ALL
@pytest.mark.parametrize("pose", POSES[:3], ids=str)
def test_points_lie_where_they_are_filmed(name, pose):
    points = np.array([[40.0, 50.0], [120.0, 60.0], [80.0, 125.0]])
    spots = np.zeros((160, 160, 3), np.uint8)
    for x, y in points.astype(int):
        cv2.circle(spots, (int(x), int(y)), 5, (255, 255, 255), -1)
    more = {"oversample": 2, "defocus": 0.3}
    fine = {"pitch": 0.1} if name == "replay-projector" else at_scale(0.9)
    parameters = still(name, **fine, **pose, **more)
    operator = OPERATORS[name]
    light = LIGHT[operator.apply(spots, parameters).image].sum(axis=2)
    for x, y in operator.map_points(points, parameters, 160, 160):
        rows, columns = np.mgrid[:160, :160]
        near = light * (np.hypot(rows - y, columns - x) < 7)
        assert (near * columns).sum() / near.sum() == pytest.approx(x, abs=0.35)
        assert (near * rows).sum() / near.sum() == pytest.approx(y, abs=0.35)


def test_keystone_is_the_perspective_of_the_projector():
    """A raster thrown at 25 deg: the far side is larger, by the ratio of the ways."""
    parameters = still(
        "replay-projector",
        keystone_x=25.0,
        throw_ratio=1.5,
        columns=1280,
        pitch=1.0,
        distance=4000.0,
        fill=0.6,
    )
    scene = WALL.scene(parameters, 200, 200)
    corners = WALL.map_points(
        np.array([[-0.5, -0.5], [-0.5, 199.5], [199.5, -0.5], [199.5, 199.5]]), parameters, 200, 200
    )
    left, right = corners[1, 1] - corners[0, 1], corners[3, 1] - corners[2, 1]
    # half the picture is seen under this angle from the projector
    half = np.arctan(scene.per_pixel * 100 / 1280 / 1.5)
    ratio = np.cos(np.radians(25) - half) / np.cos(np.radians(25) + half)
    assert max(left / right, right / left) == pytest.approx(ratio, rel=0.01)
    kept = scene.keystone() @ [99.5, 99.5, 1.0]
    assert kept[:2] / kept[2] == pytest.approx([99.5, 99.5])


# partial attacks


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_partial_attack_leaves_the_live_person_beside_the_screen(name):
    image = face(160)
    part = {
        "fill": 1.0,
        "screen_width": 50.0,
        "screen_height": 40.0,
        "screen_y": 15.0,
        "bezel": 1.0,
        "behind": "live",
        "oversample": 1,
    }
    parameters = still(name, **at_scale(1.2, defocus=0.4), **part)
    operator = OPERATORS[name]
    applied = operator.apply(image, parameters)
    live = photograph(to_light(image), parameters, (160, 160))
    scene = operator.scene(parameters, 160, 160)
    reach = int(np.ceil(1.0 / scene.pitch / scene.per_pixel)) + 4
    screen = cv2.dilate(applied.mask, np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    outside = np.abs(applied.image.astype(int) - live)[~screen]
    assert outside.max() <= 3, "the same face before the same camera"
    assert outside.mean() < 0.5
    assert 0.15 < (applied.mask > 0).mean() < 0.25
    rim = (cv2.dilate(applied.mask, np.ones((5, 5), np.uint8)) > 0) & (applied.mask == 0)
    assert applied.image[rim].mean() < 0.6 * live[rim].mean(), "a dark frame in a dark room"


def test_a_screen_larger_than_the_picture_is_dark_around_it():
    out = film("replay-lcd", flat(200, 160), fill=0.5, screen_width=200.0, screen_height=100.0, **SMOOTH)
    band = out.image[80, 2:30]
    assert (out.mask[80] == 255).all()
    assert band.max() < 10
    assert out.image[80, 80].min() > 150


# truth


@ALL
def test_explain_tells_all_of_the_same_picture(name):
    operator = OPERATORS[name]
    parameters = operator.sample(Words.of(4, name))
    image = face(96)
    plain, told = operator.apply(image, parameters), operator.explain(image, parameters)
    assert np.array_equal(plain.image, told.image)
    assert np.array_equal(plain.mask, told.mask)
    assert set(told.layers) == {"reflection", "lattice"}
    assert all(layer.shape == image.shape and layer.dtype == np.uint8 for layer in told.layers.values())
    facts = json.loads(json.dumps(told.facts))
    mapped = np.array(facts["homography"]) @ [10.0, 20.0, 1.0]
    straight = operator.scene(parameters, 96, 96).frame.straight(
        operator.map_points(np.array([[10.0, 20.0]]), parameters, 96, 96)
    )
    assert mapped[:2] / mapped[2] == pytest.approx(straight[0], abs=1e-6)
    for alias in facts["aliases"]:
        assert set(alias) == {"channel", "order", "cycles_per_photosite", "cycles_per_px", "amplitude"}


def test_the_reflection_layer_is_the_light_that_was_added():
    dark = still("replay-lcd", mirrored_luminance=1500.0, luminance=150.0, surface="glass", **SMOOTH)
    told = LCD.explain(flat(0), dark)
    assert np.abs(LIGHT[told.layers["reflection"]] - LIGHT[told.image])[16:-16, 16:-16].max() < 0.03


@ALL
def test_strength_mixes_in_linear_light(name):
    image, operator = face(96), OPERATORS[name]
    whole = operator.sample(Words.of(2, name))
    half = operator.parse({**whole.model_dump(), "strength": 0.5})
    mixed = LIGHT[operator.apply(image, half).image]
    mean = (LIGHT[image] + LIGHT[operator.apply(image, whole).image]) / 2
    assert np.abs(mixed - mean).max() < 0.005
    none = operator.apply(image, operator.parse({**whole.model_dump(), "strength": 0.0}))
    assert np.array_equal(none.image, image)
    assert not none.mask.any()
    points = np.array([[3.0, 4.0]])
    nothing = operator.parse({**whole.model_dump(), "strength": 0.0})
    assert np.array_equal(operator.map_points(points, nothing, 96, 96), points)


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [("density", -90, "1/in"), ("gamma", 0.2, "unit 1"), ("distance", 1, "mm"), ("photosite", -1, "um")],
)
def test_what_no_display_has_is_refused(name, value, limit):
    with pytest.raises(
        UsageError, match=rf"replay-lcd: {name} = {value} \(.*{limit}\): input should be greater"
    ):
        still("replay-lcd", **{name: value})
