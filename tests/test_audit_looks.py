"""How pictures look: against what theory gives for pictures of known making."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from audit_rows import NAMES, outcome, rows_of

from facedata.datasets.pictures import Encoding, Picture
from facedata.datasets.pixel_hash import PixelHash
from facedata.datasets.pose import pose_of
from facedata.datasets.quality import FILE_TYPES, Look, LookMeasure, look_of


def look(pixels, encoding=None) -> Look:
    data = (encoding or Encoding("png")).encode(pixels)
    return look_of(cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB), data)


def grey(luma) -> np.ndarray:
    return np.repeat(np.clip(np.rint(luma), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("sigma", [2.0, 8.0, 20.0])
def test_noise_is_its_standard_deviation(sigma):
    noise = np.random.default_rng(0).normal(128, sigma, (200, 240))
    assert look(grey(noise)).noise == pytest.approx(sigma, rel=0.03)


def test_planes_and_straight_edges_are_no_noise():
    y, x = np.mgrid[0:100, 0:100]
    assert look(grey(x + y)).noise == 0
    assert look(grey(np.where(x < 50, 20, 200))).noise == 0


def test_blur_of_a_step_and_of_a_wide_ramp():
    """Blurring a step again takes 8 of the 9 parts of its change; of a ramp that never ends it takes none."""
    _, x = np.mgrid[0:64, 0:64]
    assert look(grey(np.where(x < 32, 0, 255))).blur == pytest.approx(1 / 9, abs=0.005)
    assert look(grey(3 * x)).blur > 0.9


def test_blur_grows_with_blurring():
    pixels = grey(np.random.default_rng(0).uniform(0, 255, (128, 128)))
    found = [look(cv2.GaussianBlur(pixels, (0, 0), sigma)).blur for sigma in (0.5, 1, 2, 4)]
    assert found == sorted(found)
    assert found[-1] - found[0] > 0.3


def test_blur_is_that_of_the_detectors_size():
    """A picture that is enlarged and shown at the same size is as sharp as before."""
    y, x = np.mgrid[0:256, 0:256]
    pixels = grey(127 + 60 * np.sin(x / 4) + 60 * np.cos(y / 5))
    large = cv2.resize(pixels, (1024, 1024), interpolation=cv2.INTER_NEAREST)
    assert look(large).blur == pytest.approx(look(pixels).blur, abs=0.01)


def test_clipped_pixels_are_shares():
    pixels = grey(np.full((10, 10), 128))
    pixels[:2], pixels[2:5] = 3, 252
    found = look(pixels)
    assert (found.dark, found.bright) == pytest.approx((0.2, 0.3))


@pytest.mark.parametrize("quality", [1, 10, 35, 49, 50, 75, 95, 100])
def test_jpeg_quality_is_the_one_that_was_asked_for(quality):
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    assert look(pixels, Encoding("jpeg", quality)).jpeg_quality == quality
    assert np.isnan(look(pixels).jpeg_quality)


def test_blockiness_is_the_ratio_of_steps_wherever_the_grid_starts():
    """Columns step by 1, and by 6 at every eighth: 6 times the others, also after a crop."""
    steps = np.ones(127)
    steps[7::8] = 6
    luma = np.tile(np.concatenate([[0], np.cumsum(steps * np.tile([1, -1], 64)[:127])]) + 120, (64, 1))
    assert look(grey(luma)).blockiness == pytest.approx(6)
    assert look(grey(luma[:, 3:])).blockiness == pytest.approx(6)
    assert look(grey(luma.T)).blockiness == pytest.approx(6)


def test_blockiness_outlives_a_change_of_file_type():
    y, x = np.mgrid[0:128, 0:128]
    pixels = grey(128 + 50 * np.sin(x / 9) + 50 * np.cos(y / 7))
    hard = cv2.imdecode(np.frombuffer(Encoding("jpeg", 8).encode(pixels), np.uint8), 1)
    assert look(pixels).blockiness < 1.2
    assert look(hard).blockiness > 2


def test_bits_side_and_type():
    found = look(grey(np.full((40, 60), 9)), Encoding("jpeg", 90))
    size = len(Encoding("jpeg", 90).encode(grey(np.full((40, 60), 9))))
    assert (found.side, FILE_TYPES[int(found.file_type)]) == (40, "jpg")
    assert found.bits == pytest.approx(8 * size / 2400)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 2), (5, 17), (17, 5)])
def test_tiny_pictures_have_what_can_be_had(size):
    found = look(grey(np.random.default_rng(0).uniform(0, 255, size)))
    assert found.side == min(size)
    assert np.isfinite(found.brightness)


def test_the_pixel_hash_is_of_pixels_and_shape():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    of = PixelHash().of
    same, other, turned = (
        of([Picture(one, b"x", "png")]) for one in (pixels.copy(), pixels + 1, pixels.reshape(4, 2, 3))
    )
    first = of([Picture(pixels, b"y", "jpg")])
    assert (first == same).all()
    assert (first != other).any()
    assert (first != turned).any()


def test_pose_of_five_points():
    """Eyes 40 pixels apart on a line that falls by 3 in 4; the nose a tenth of that towards the right eye."""
    left, right = np.array([10.0, 20.0]), np.array([42.0, 44.0])
    nose = (left + right) / 2 + 0.1 * (right - left) + 0.5 * np.array([-24.0, 32.0])
    distance, roll, turn = pose_of([left, right, nose, [0, 0], [0, 0]])
    assert (distance, roll, turn) == pytest.approx((40, np.degrees(np.arctan2(3, 4)), 0.1))


def test_pose_of_points_nobody_knows_is_none():
    for points in (None, [], [[1, 2]] * 7, [[0, 0]] * 5):
        assert np.isnan(pose_of(points)).all()


def test_the_rendered_faces_turn_as_they_were_told():
    from facedata.datasets.demo import demo_face

    faces = [demo_face(person, picture, size=96) for person in range(6) for picture in range(3)]
    turns = [pose_of(one.landmarks)[2] for one in faces]
    yaws = [one.pose[0] for one in faces]
    assert abs(np.corrcoef(turns, yaws)[0, 1]) > 0.9


def looks(**columns) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_faults_are_those_beyond_the_thresholds():
    quality = looks(
        blur=[0.2, 0.9, np.nan, 0.2], side=[200.0, 200.0, 200.0, 50.0], roll=[0.0, 0.0, 0.0, -60.0]
    )
    rows = rows_of([{}, {}, {"unreadable": "x.jpg is missing"}, {}], quality=quality)
    found = outcome("picture-quality", rows)
    assert found.fields["faults"].tolist() == [None, "blurred", "not readable", "small, lying face"]
    assert found.verdict == "fail"
    assert found.findings[0].samples == (NAMES[2],)
    assert found.numbers["share"] == 0.75
    assert found.fields["blur"][1] == 0.9


def test_the_share_of_faults_is_graded():
    rows = rows_of([{}] * 10, quality=looks(blur=[0.9] + [0.1] * 9))
    assert outcome("picture-quality", rows).verdict == "warn"
    assert outcome("picture-quality", rows, warn=0.2).verdict == "pass"
    assert outcome("picture-quality", rows, fail=0.05).verdict == "fail"


def labelled(count=40):
    lines = [
        {
            "label": ("live", "spoof")[n % 2],
            "attack": "print/inkjet" if n % 2 else None,
            "subject": f"{n // 2}",
        }
        for n in range(count)
    ]
    return lines, np.arange(count) % 2 == 1


def test_cliffs_delta_is_counted_pair_by_pair():
    lines, spoof = labelled()
    values = np.random.default_rng(0).integers(0, 12, len(lines)) + 3.0 * spoof
    found = outcome("quality-by-label", rows_of(lines, quality=looks(blur=values)))
    signs = np.sign(values[spoof][:, None] - values[~spoof][None, :])
    told = found.numbers["delta"]["all attacks"]["blur"]
    assert told["value"] == pytest.approx(signs.mean())
    assert told["low"] < told["value"] < told["high"]


def test_attacks_that_are_all_softer_fail():
    lines, spoof = labelled(200)
    noise = np.random.default_rng(1).normal(size=200)
    softer = rows_of(lines, quality=looks(sharpness=noise - 6 * spoof, brightness=noise))
    found = outcome("quality-by-label", softer)
    assert found.verdict == "fail"
    assert "less sharpness than live" in found.findings[0].detail
    assert outcome("quality-by-label", rows_of(lines, quality=looks(sharpness=noise))).verdict == "pass"


def test_one_attack_alone_is_a_finding_and_no_verdict():
    lines = [{"label": "live"}] * 60 + [{"label": "spoof", "attack": "print/inkjet"}] * 50
    lines += [{"label": "spoof", "attack": "replay/lcd"}] * 30
    values = np.random.default_rng(2).normal(size=140)
    values[-30:] -= 9
    found = outcome("quality-by-label", rows_of(lines, quality=looks(sharpness=values)))
    assert found.verdict == "pass"
    assert [one.detail.partition(":")[0] for one in found.findings] == ["replay/lcd"]


def test_without_both_labels_nothing_is_compared():
    rows = rows_of([{"label": "live"}] * 4, quality=looks(blur=[0.1] * 4))
    assert outcome("quality-by-label", rows).verdict == "skipped"


def test_a_measure_that_nobody_has_is_left_out():
    lines, _ = labelled()
    assert outcome("quality-by-label", rows_of(lines, quality=looks(blur=[np.nan] * 40))).verdict == "skipped"


def test_the_measure_gives_a_column_a_name():
    pixels = grey(np.random.default_rng(0).uniform(0, 255, (40, 40)))
    data = Encoding("png").encode(pixels)
    (row,) = LookMeasure().of([Picture(pixels, data, "png")])
    assert dict(zip(LookMeasure.names, row.tolist(), strict=True))["side"] == 40
    assert len(row) == LookMeasure.width
