"""The demo faces: their truth against their pixels, and their geometry against anatomy."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

import facedata.datasets.demo as demo
from facedata.datasets.demo import AUS, DOMAINS, EXPRESSIONS, REGIONS, DemoFace, Identity, Shot
from facedata.datasets.demo.colour import blackbody, skin_albedo
from facedata.datasets.demo_source import DemoItem
from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

SIZE = 128
PEOPLE = range(6)


@cache
def person(k: int) -> Identity:
    return demo.draw_identity(Words.of(0, "demo", "person", k))


@cache
def frontal(seed: int = 0) -> Shot:
    shot = demo.draw_shot(Words.of(seed, "test"), "studio", "neutral")
    return replace(shot, yaw=0.0, pitch=0.0, roll=0.0, gaze=(0.0, 0.0), shift=(0.0, 0.0), scale=1.0)


@cache
def face(k: int, units: tuple[tuple[int, float], ...] = (), size: int = SIZE) -> DemoFace:
    return demo.render(person(k), replace(frontal(), units=units), size)


def shown(picture: DemoFace, name: str) -> np.ndarray:
    return picture.regions == REGIONS.index(name)


# What each unit does to the landmarks at intensity 5: (what it measures, sign). y goes down in pixels.
def opening(p: np.ndarray) -> float:
    return float(p[[40, 41, 46, 47], 1].mean() - p[[37, 38, 43, 44], 1].mean())


MEASURES = {
    "inner brow up": lambda p: -p[[20, 21, 22, 23], 1].mean(),
    "outer brow up": lambda p: -p[[17, 18, 25, 26], 1].mean(),
    "brows apart": lambda p: p[22, 0] - p[21, 0],
    "eye open": opening,
    "upper lid up": lambda p: -p[[37, 38, 43, 44], 1].mean(),
    "lower lid up": lambda p: -p[[40, 41, 46, 47], 1].mean(),
    "wings up": lambda p: -p[[31, 35], 1].mean(),
    "upper lip up": lambda p: -p[[50, 51, 52], 1].mean(),
    "lower lip up": lambda p: -p[[56, 57, 58], 1].mean(),
    "corners up": lambda p: -p[[48, 54], 1].mean(),
    "mouth wide": lambda p: p[54, 0] - p[48, 0],
    "mouth open": lambda p: p[[65, 66, 67], 1].mean() - p[[61, 62, 63], 1].mean(),
    "lips thick": lambda p: p[57, 1] - p[66, 1] + p[62, 1] - p[51, 1],
    "chin up": lambda p: -p[[7, 8, 9], 1].mean(),
}
EFFECTS = [
    (1, "inner brow up", 1), (2, "outer brow up", 1), (4, "inner brow up", -1), (4, "brows apart", -1),
    (5, "upper lid up", 1), (5, "eye open", 1), (6, "lower lid up", 1), (6, "eye open", -1),
    (7, "eye open", -1),
    (9, "wings up", 1), (9, "upper lip up", 1), (10, "upper lip up", 1), (10, "mouth open", 1),
    (12, "corners up", 1), (12, "mouth wide", 1), (15, "corners up", -1),
    (17, "chin up", 1), (17, "lower lip up", 1),
    (20, "mouth wide", 1), (23, "lips thick", -1), (23, "mouth wide", -1), (25, "mouth open", 1),
    (26, "mouth open", 1), (26, "chin up", -1), (43, "eye open", -1), (43, "upper lid up", -1),
]  # fmt: skip


def test_every_unit_has_an_effect_tested() -> None:
    assert {unit for unit, _, _ in EFFECTS} == set(AUS)


@pytest.mark.parametrize(("unit", "what", "sign"), EFFECTS)
def test_a_unit_moves_what_its_muscle_moves_and_more_with_intensity(unit: int, what: str, sign: int) -> None:
    for k in (0, 3):
        values = [
            sign * MEASURES[what](face(k, ((unit, level),) if level else ()).landmarks)
            for level in (0, 1.5, 3.0, 5.0)
        ]
        steps = np.diff(values)
        assert (steps > 0.02).all(), (k, values)


@pytest.mark.parametrize("unit", AUS)
def test_a_unit_is_seen_in_the_pixels_about_its_muscle(unit: int) -> None:
    rest, moved = face(0), face(0, ((unit, 5.0),))
    change = np.abs(rest.image.astype(int) - moved.image.astype(int)).mean(axis=2)
    inside = np.zeros(change.shape, bool)
    x, y, w, h = (int(v) for v in rest.box)
    inside[y : y + h + SIZE // 8, x : x + w] = True
    assert np.percentile(change[inside], 99.5) > 12
    # A unit of the upper face leaves the mouth alone, and the other way about.
    brow = slice(int(rest.landmarks[19, 1]) - 4, int(rest.landmarks[41, 1]))
    lips = slice(int(rest.landmarks[48, 1]) - 4, int(rest.landmarks[57, 1]) + 4)
    cols = slice(int(rest.landmarks[48, 0]), int(rest.landmarks[54, 0]))
    if unit in (1, 2, 4, 5, 7, 43):
        assert change[lips, cols].mean() < 1.5
    if unit in (12, 15, 17, 20, 23, 25, 26):
        assert change[brow, cols].mean() < 1.5


def test_eyes_close_entirely_at_full_intensity() -> None:
    for k in PEOPLE:
        shut = face(k, ((43, 5.0),))
        assert opening(shut.landmarks) < 0.05 * opening(face(k).landmarks)
        assert shown(shut, "eye-left").sum() <= 0.15 * shown(face(k), "eye-left").sum()


def test_the_inner_mouth_shows_when_the_jaw_drops() -> None:
    for k in PEOPLE:
        assert shown(face(k, size=256), "inner-mouth").sum() <= 2  # a crack in the line, at most
        assert shown(face(k, ((25, 4.0), (26, 4.0))), "inner-mouth").sum() > 60


def test_the_same_spec_gives_the_same_bytes() -> None:
    a, b = demo.demo_face(2, 5, 96), demo.demo_face(2, 5, 96)
    assert a.image.tobytes() == b.image.tobytes()
    assert a.regions.tobytes() == b.regions.tobytes()
    assert a.landmarks.tobytes() == b.landmarks.tobytes()
    assert demo.demo_face(2, 5, 96, seed=1).image.tobytes() != a.image.tobytes()


def test_a_picture_does_not_depend_on_how_many_were_asked_for() -> None:
    few = dict(demo.demo_faces(2, 2, 64))
    many = dict(demo.demo_faces(3, 3, 64))
    assert len(many) == 9
    assert set(few) < set(many)
    for name, picture in few.items():
        assert picture.image.tobytes() == many[name].image.tobytes()
    assert next(iter(few)).startswith("person-000/00-")


def test_a_person_keeps_his_face_and_differs_from_others() -> None:
    first = {k: demo.render(person(k), frontal(0), 64).landmarks for k in PEOPLE}
    for k in PEOPLE:
        other = demo.render(person(k), replace(frontal(1), scale=1.0, shift=(0.0, 0.0)), 64)
        np.testing.assert_allclose(other.landmarks, first[k], atol=1e-4)
    for i in PEOPLE:
        for j in PEOPLE:
            if i < j:
                assert np.abs(first[i] - first[j]).max() > 0.5  # of 64 pixels


def test_subjects_meet_every_domain_and_every_expression() -> None:
    for k in range(3):
        shots = [demo.demo_face(k, j, 64).shot for j in range(8)]
        assert {s.domain for s in shots} == set(DOMAINS)
        assert {s.expression for s in shots} == {*EXPRESSIONS, "random"}


def test_units_at_random_are_no_expression() -> None:
    rows = {}
    for j in range(8):
        (loaded,) = DemoItem(0, j, 64, 0).load(64 * 64)
        rows[loaded.sample.attributes["shot"]["expression"]] = loaded.sample.expression
    assert rows.pop("random") is None
    assert rows == {name: name for name in EXPRESSIONS}


@pytest.mark.parametrize("k", PEOPLE)
def test_landmarks_lie_on_the_regions_they_bound(k: int) -> None:
    picture = face(k, ((25, 3.0),), 256)
    if picture.identity.glasses != "none":
        picture = demo.render(replace(person(k), glasses="none"), picture.shot, 256)
    p = picture.landmarks

    def distance(name: str) -> np.ndarray:
        outside = (~shown(picture, name)).astype(np.uint8)
        return cv2.distanceTransform(outside, cv2.DIST_L2, 5)

    def at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
        i = np.clip(np.floor(points).astype(int), 0, 255)
        return field[i[:, 1], i[:, 0]]

    assert at(distance("eye-left"), p[36:42]).max() < 2.6
    assert at(distance("eye-right"), p[42:48]).max() < 2.6
    assert at(distance("upper-lip"), p[49:54]).max() < 2.6
    assert at(distance("lower-lip"), p[55:60]).max() < 2.6
    assert at(distance("nose"), p[27:36]).max() < 3.5
    for name, points in (("brow-left", p[18:21]), ("brow-right", p[23:26])):
        assert at(distance(name), points).max() < 4.0
    # The eye's region is no larger than the polygon of its landmarks suggests.
    for name, points in (("eye-left", p[36:42]), ("eye-right", p[42:48])):
        area = cv2.contourArea(points.astype(np.float32))
        assert 0.75 * area < shown(picture, name).sum() < 1.6 * area
    # Image-left first.
    assert p[36, 0] < p[39, 0] < p[42, 0] < p[45, 0]
    assert p[0, 0] < p[8, 0] < p[16, 0]
    xs = np.nonzero(shown(picture, "eye-left"))[1]
    assert xs.mean() < 128


def test_the_box_holds_the_landmarks_tightly() -> None:
    for person_ in range(3):
        for picture_ in range(4):
            picture = demo.demo_face(person_, picture_, 128)
            x, y, w, h = picture.box
            p = picture.landmarks
            assert x <= p[:, 0].min() + 1e-3
            assert y <= p[:, 1].min() + 1e-3
            assert x + w >= p[:, 0].max() - 1e-3
            assert y + h >= p[:, 1].max() - 1e-3
            assert h < 1.75 * np.ptp(p[:, 1])
            assert w < 1.25 * np.ptp(p[:, 0])


def test_landmarks_do_not_depend_on_the_size() -> None:
    shot = replace(demo.draw_shot(Words.of(4, "x"), "office", "happiness"), yaw=20.0)
    shares = [demo.render(person(1), shot, size).landmarks / size for size in (64, 200, 512)]
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-5)
    np.testing.assert_allclose(shares[0], shares[2], atol=1e-5)
    small = cv2.resize(demo.render(person(1), shot, 512).image, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - demo.render(person(1), shot, 64).image.astype(int)).mean() < 5


def test_yaw_pitch_and_roll_turn_as_their_signs_say() -> None:
    def turned(**angles: float) -> np.ndarray:
        return demo.render(person(0), replace(frontal(), **angles), 128).landmarks

    rest, right, left = turned(), turned(yaw=25.0), turned(yaw=-25.0)
    eyes = [36, 39, 42, 45]

    def lead(p: np.ndarray) -> float:  # the nose's tip against the eyes
        return float(p[30, 0] - p[eyes, 0].mean())

    assert lead(right) > lead(rest) + 4
    assert lead(left) < lead(rest) - 4
    assert lead(right) == pytest.approx(2 * lead(rest) - lead(left), abs=1.5)  # a mirror image, nearly
    assert right[16, 0] - right[45, 0] < rest[16, 0] - rest[45, 0]  # the cheek turned away is foreshortened

    def rise(p: np.ndarray) -> float:
        return float(p[eyes, 1].mean() - p[30, 1])

    assert rise(turned(pitch=15.0)) > rise(rest) > rise(turned(pitch=-15.0))
    tilt = turned(roll=12.0)
    angle = np.degrees(np.arctan2(tilt[45, 1] - tilt[36, 1], tilt[45, 0] - tilt[36, 0]))
    level = np.degrees(np.arctan2(rest[45, 1] - rest[36, 1], rest[45, 0] - rest[36, 0]))
    assert angle - level == pytest.approx(12.0, abs=0.7)  # clockwise: the image-right eye sinks


def test_light_brightens_the_side_it_comes_from() -> None:
    def sides(azimuth: float) -> float:
        shot = replace(frontal(), key_azimuth=azimuth, fill_ratio=5.0, rim=0.0)
        picture = demo.render(person(0), shot, 128)
        skin = shown(picture, "skin")
        middle = int(picture.landmarks[27, 0])
        grey = picture.image.mean(axis=2)
        left, right = grey[:, :middle][skin[:, :middle]].mean(), grey[:, middle:][skin[:, middle:]].mean()
        return float(left / right)

    assert sides(-50.0) > 1.15
    assert sides(50.0) < 0.87


def test_warm_light_is_redder_and_blackbody_colours_are_in_order() -> None:
    ratios = [blackbody(k)[0] / blackbody(k)[2] for k in (2200.0, 3200.0, 5000.0, 6500.0, 9000.0)]
    assert ratios == sorted(ratios, reverse=True)
    np.testing.assert_allclose(blackbody(6504.0), 1.0, atol=0.09)  # near D65, sRGB's white


def ita(rgb: np.ndarray) -> float:
    """Return the individual typology angle, degrees, of linear sRGB (D65)."""
    m = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    _, y, z = np.cbrt((m @ rgb) / np.array([0.9505, 1.0, 1.089]))
    return float(np.degrees(np.arctan2(116 * y - 66, 200 * (y - z))))


def test_skin_covers_all_classes_of_the_typology_angle_evenly() -> None:
    angles = [ita(skin_albedo(p.melanin, 0.35 + 0.5 * p.haemoglobin)) for p in map(person, range(240))]
    edges = [-90, -30, 10, 28, 41, 55, 90]  # dark, brown, tan, intermediate, light, very light
    counts, _ = np.histogram(angles, edges)
    assert counts.sum() == 240
    assert (counts / 240 > 0.05).all(), counts
    assert (counts / 240 < 0.40).all(), counts
    lightness = [ita(skin_albedo(m, 0.5)) for m in np.linspace(0, 1, 21)]
    assert (np.diff(lightness) < 0).all()
    red = skin_albedo(0.2, np.array([0.0, 1.0]))
    assert red[1, 0] / red[1, 1] > red[0, 0] / red[0, 1]


def test_an_opencv_detector_finds_the_faces() -> None:
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    found = total = 0
    for k in range(21):
        for j in range(3):
            shot = demo.demo_face(k, j, 64).shot
            limit = replace(shot, yaw=max(-15.0, min(15.0, shot.yaw)))
            picture = demo.render(person(k), limit, 256)
            grey = cv2.cvtColor(picture.image, cv2.COLOR_RGB2GRAY)
            x, y, w, h = picture.box
            total += 1
            found += any(
                abs(a + c / 2 - x - w / 2) < 0.3 * w
                and abs(b + d / 2 - y - 0.55 * h) < 0.3 * h
                and 0.5 * w < c < 1.8 * w
                for a, b, c, d in detector.detectMultiScale(grey, 1.1, 3)
            )  # fmt: skip
    assert total >= 60
    assert found / total >= 0.90, f"{found} of {total}"


def test_parameters_survive_json_and_the_truth_is_whole() -> None:
    picture = demo.demo_face(1, 7, 64)
    text = json.dumps(picture.parameters())
    assert json.loads(text)["shot"]["yaw"] == picture.shot.yaw
    assert set(picture.au) == set(picture.au_domain) == set(AUS)
    assert all(0.0 <= level <= 5.0 for level in picture.au.values())
    assert picture.landmarks.dtype == np.float32
    assert picture.image.dtype == picture.regions.dtype == np.uint8
    assert picture.regions.max() < len(REGIONS)
    assert REGIONS[0] == "background"
    assert np.isfinite(picture.landmarks).all()


def test_draws_stay_in_range() -> None:
    for k in range(200):
        shot = demo.draw_shot(Words.of(k), DOMAINS[k % 3])
        assert abs(shot.yaw) <= 35
        assert abs(shot.pitch) <= 20
        assert abs(shot.roll) <= 15
        assert all(unit in AUS and 0 < level <= 5 for unit, level in shot.units)


@pytest.mark.parametrize("call", [
    lambda: demo.draw_shot(Words.of(0), "garden"),
    lambda: demo.draw_shot(Words.of(0), "studio", "bored"),
    lambda: demo.demo_face(0, 0, 16),
    lambda: demo.demo_face(-1, 0),
])  # fmt: skip
def test_wrong_arguments_are_named(call: object) -> None:
    with pytest.raises(UsageError, match=r"garden|bored|16|-1"):
        call()  # type: ignore[operator]


def test_public_names_exist() -> None:
    assert sorted(demo.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n)) == list(demo.__all__)
    assert all(hasattr(demo, name) for name in demo.__all__)
