"""The gates one by one, against cases that can be worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedata.datasets.demo import demo_face
from facedata.datasets.faces import open_detector
from facedata.synth.gates.artefacts import ARTEFACTS, artefacts_of, grid_peak, ranges_of, spectrum_slope
from facedata.synth.gates.base import Score, refusals
from facedata.synth.gates.distances import frechet_distance, kernel_distance
from facedata.synth.gates.face import face_kept, overlap
from facedata.synth.gates.identity import Whitening, more_alike, unit
from facedata.synth.gates.kinds import FEATURES, KindModel, kind_features


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def coloured_noise(slope: float, side: int = 128, seed: int = 0) -> np.ndarray:
    """A picture whose power falls as frequency ** slope."""
    draw = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    frequency[0, 0] = np.inf
    values = np.fft.ifft2(np.fft.fft2(draw.standard_normal((side, side))) * frequency ** (slope / 2)).real
    return grey(128 + 30 * values / values.std())


@pytest.mark.parametrize("slope", [0.0, -1.0, -2.0])
def test_the_slope_of_a_spectrum_is_found(slope):
    found = np.mean([spectrum_slope(coloured_noise(slope, seed=seed)) for seed in range(4)])
    assert found == pytest.approx(slope, abs=0.12)


def test_a_grid_stands_out_and_noise_does_not():
    rows, columns = np.indices((64, 64))
    texture = coloured_noise(-2.0, 64).astype(float)[:, :, 0]
    plain = [grid_peak(coloured_noise(0.0, 64, seed)) for seed in range(10)]
    assert max(plain) < 1.7  # of nine exponentials over their median, 50 is reached once in 10^14
    for pattern in ((rows + columns) % 2, columns % 2, (columns % 4 < 2)):
        assert grid_peak(grey(texture + 8.0 * pattern)) > max(plain) + 0.7
    # A period that is no stride of a network's is no grid of one.
    assert grid_peak(grey(texture + 8.0 * (columns % 6 < 3))) < max(plain) + 0.7


def test_blank_and_burnt_pictures_leave_the_ranges_of_real_ones():
    real = np.stack([artefacts_of(coloured_noise(-2.0, 64, seed)) for seed in range(12)])
    ranges = ranges_of(real, 0.25)
    assert ((real >= ranges[:, 0]) & (real <= ranges[:, 1])).all()

    def odd(picture):
        values = artefacts_of(picture)
        pairs = zip(ARTEFACTS, values, ranges, strict=True)
        return {name for name, value, (low, high) in pairs if not low <= value <= high}

    assert "contrast" in odd(np.full((64, 64, 3), 128, np.uint8))
    assert {"brightness", "bright"} <= odd(np.full((64, 64, 3), 255, np.uint8))
    assert {"brightness", "dark"} <= odd(np.zeros((64, 64, 3), np.uint8))
    assert {"noise", "slope"} <= odd(coloured_noise(0.0, 64))


def test_whitening_hears_who_is_shown_under_a_loud_attack():
    draw = np.random.default_rng(0)
    people = draw.standard_normal((60, 12)).astype(np.float32)
    people[:, :3] *= 12  # three numbers are loud, and the attack changes them at will
    attack = np.zeros_like(people)
    attack[:, :3] = draw.normal(4, 12, (60, 3))
    made = people + attack + draw.normal(0, 0.1, people.shape).astype(np.float32)
    whitening = Whitening.of(people[:30], people[:30], made[:30])
    live = whitening.live(people[30:])
    ranks, plain = [], []
    for place in range(30):
        others = np.arange(30) != place
        ranks.append(more_alike(whitening.attack(made[30 + place]), live[place], live[others]))
        raw = unit(people[30:])
        plain.append(more_alike(unit(made[30 + place]), raw[place], raw[others]))
    assert np.mean(ranks) > 0.96  # a person is compared with 29 others
    assert np.mean(plain) < 0.92


def test_a_wrong_person_is_uniform_among_others():
    draw = np.random.default_rng(1)
    vectors = unit(draw.standard_normal((400, 201, 8)).astype(np.float32))
    made = unit(draw.standard_normal((400, 8)).astype(np.float32))
    shares = [more_alike(one, own[0], own[1:]) for one, own in zip(made, vectors, strict=True)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
    assert np.mean(np.array(shares) >= 0.99) < 0.04
    assert np.isnan(more_alike(made[0], vectors[0, 0], vectors[0, :0]))


def test_kinds_that_are_normal_are_told_apart_as_often_as_they_can_be():
    draw = np.random.default_rng(2)
    kinds = draw.integers(0, 2, 4000)
    features = draw.standard_normal((4000, 6))
    features[:, 0] += np.where(kinds == 1, 1.0, -1.0)  # Bayes: right with the chance Phi(1) = 0.841
    model = KindModel.fit(features[:2000], kinds[:2000], 2)
    chances = model.chances(features[2000:])
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert (chances.argmax(axis=1) == kinds[2000:]).mean() == pytest.approx(0.841, abs=0.025)


def test_a_colour_cast_is_in_the_features_of_a_kind():
    content = coloured_noise(-2.0, 64)
    cast = np.clip(content * np.array([0.5, 0.8, 1.0]) + [40, 0, 10], 0, 255).astype(np.uint8)
    same, other = kind_features(content, content), kind_features(cast, content)
    assert same.shape == (FEATURES,)
    np.testing.assert_allclose(same[84:168], 0, atol=1e-9)
    np.testing.assert_allclose(same[168:180].reshape(4, 3), np.eye(4)[:, :3], atol=1e-9)
    weights = other[168:180].reshape(4, 3)
    np.testing.assert_allclose(weights.sum(axis=0)[:3], [0.5 + 40 / 255, 0.8, 1 + 10 / 255], atol=0.05)


def test_overlap_of_boxes():
    assert overlap((0, 0, 4, 4), (2, 0, 4, 4)) == pytest.approx(8 / 24)
    assert overlap((0, 0, 4, 4), (4, 0, 4, 4)) == 0
    assert overlap((1, 1, 3, 3), (1, 1, 3, 3)) == 1


def test_a_face_that_is_painted_over_is_missed():
    face = cv2.resize(demo_face(1, 0, 96, 0).image, (64, 64), interpolation=cv2.INTER_AREA)
    detector = open_detector("cascade")
    blank = np.full_like(face, 90)
    assert face_kept(face, face, detector) == pytest.approx(1)
    assert face_kept(blank, face, detector) == 0
    assert np.isnan(face_kept(face, blank, detector))


def test_frechet_distance_of_known_normals():
    draw = np.random.default_rng(3)
    one = draw.standard_normal((2000, 3))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, one + np.array([1, 2, 0])) == pytest.approx(5)
    # The same vectors, twice as wide: the sum of (s - 2 s)^2, s^2 being the variances.
    assert frechet_distance(one, 2 * one) == pytest.approx(
        one.var(axis=0, ddof=1).sum() + np.square(one.mean(axis=0)).sum()
    )


def test_kernel_distance_of_points_and_of_one_distribution():
    one, two = np.zeros((5, 2)), np.ones((5, 2))
    # k(0, 0) = 1, k(1, 1) = (2 / 2 + 1)^3 = 8, k(0, 1) = 1.
    assert kernel_distance(one, two, subsets=1)[0] == pytest.approx(1 + 8 - 2)
    draw = np.random.default_rng(4)
    value, error = kernel_distance(draw.standard_normal((900, 8)), draw.standard_normal((900, 8)))
    assert abs(value) < 4 * error + 0.02
    assert np.isnan(kernel_distance(one[:1], two)[0])


def test_scores_say_what_they_miss_and_what_was_not_measured():
    scores = [
        Score("quality", "gap", 4.0, high=3.0),
        Score("identity", "identity", 0.4, low=0.99),
        Score("face", "face overlap", float("nan"), low=0.2),
    ]
    refused = refusals(scores)
    assert list(refused) == ["identity", "quality"]
    assert refused["identity"] == "identity 0.4 is under 0.99"
    assert refused["quality"] == "gap 4.0 is over 3.0"
    assert scores[2].to_json() == {"score": None, "low": 0.2}
