"""Spectra against the theory of noise and waves; their drift against distances worked out by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from audit_rows import outcome
from conftest import ROOT

from facedata.curate.audit.base import Rows
from facedata.curate.audit.spectra import densities, wasserstein
from facedata.datasets.spectra import BANDS, band_centres, radial_log_power

sys.path.insert(0, str(ROOT / "benchmarks"))
from audit_plants import clean


def grey(luma: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(np.round(luma), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("size", [(256, 256), (200, 320), (129, 97)])
def test_white_noise_has_its_variance_in_every_ring(size):
    noise = 20 * np.random.default_rng(0).standard_normal(size)
    found = radial_log_power(grey(128 + noise))
    # Rounding adds 1/12 to 400; a ring of m frequencies scatters by 1 / sqrt m.
    assert found[4:].mean() == pytest.approx(np.log(400 + 1 / 12), abs=0.06)
    assert np.abs(found[8:] - np.log(400)).max() < 0.35


@pytest.mark.parametrize("frequency", [0.07, 0.23, 0.41])
def test_a_wave_stands_in_its_ring(frequency):
    x = np.arange(256)
    wave = 128 + 50 * np.sin(2 * np.pi * frequency * x)[None] + np.zeros((256, 1))
    found = radial_log_power(grey(wave))
    assert abs(band_centres()[found.argmax()] - frequency) <= 0.5 / BANDS / 2 + 1e-9
    assert np.exp(found).max() > 100 * np.median(np.exp(found))


def test_blur_takes_high_frequencies_and_brightness_changes_nothing():
    noise = 15 * np.random.default_rng(1).standard_normal((128, 128))
    soft = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, (1, 1), (0, 1))) / 4
    plain, dark, blurred = (radial_log_power(grey(v)) for v in (128 + noise, 90 + noise, 128 + soft))
    assert dark == pytest.approx(plain, abs=0.02)
    # The box of 2 x 2 passes |cos(pi u) cos(pi v)|^2.
    assert blurred[1] == pytest.approx(plain[1], abs=0.2)
    assert blurred[28] < plain[28] - 2


def test_small_and_flat_pictures_have_spectra_too():
    assert np.isfinite(radial_log_power(grey(np.full((20, 30), 7.0)))).all()
    small = radial_log_power(grey(128 + 20 * np.random.default_rng(2).standard_normal((24, 24))))
    assert small.shape == (BANDS,)
    assert np.isfinite(small).all()
    assert np.isnan(radial_log_power(grey(np.zeros((1, 1))))).all()


def test_distance_is_the_way_that_mass_has_to_go():
    one = np.zeros(10)
    one[2] = 1
    half = np.zeros(10)
    half[[2, 7]] = 0.5
    assert wasserstein(one, half) == pytest.approx(0.25)  # half of it by five tenths
    assert wasserstein(half, one) == wasserstein(one, half)
    assert wasserstein(one, one) == 0


def test_pictures_that_fall_off_as_the_world_does_are_flat():
    frequency = (np.arange(16) + 0.5) / 16
    found = densities((5 - 2 * np.log(frequency))[None].astype(np.float32))
    assert found == pytest.approx(np.full((1, 16), 1 / 16), abs=1e-6)


def test_domains_of_one_ring_each_lie_as_far_apart_as_the_rings():
    frame = clean(np.random.default_rng(0))
    spectra = np.full((len(frame), 20), -50, np.float32)
    soft = (frame["domain"] == "webcam").to_numpy()
    spectra[soft, 4] = spectra[~soft, 9] = 0
    found = outcome("spectra", Rows(frame, spectra=spectra))
    table = found.tables["distances"].set_index(["label", "domain", "other"])["distance"]
    assert table["live", "phone", "webcam"] == pytest.approx(0.25)
    assert table["live", "kiosk", "phone"] == pytest.approx(0, abs=1e-12)
    assert found.verdict == "fail"
    assert found.fields["frequency"][soft][0] == pytest.approx(4.5 / 20)


def test_chance_is_no_drift():
    frame = clean(np.random.default_rng(0))
    called = []
    for seed in range(20):
        spectra = np.random.default_rng(seed).normal(0, 1, (len(frame), BANDS)).astype(np.float32)
        called.append(outcome("spectra", Rows(frame, spectra=spectra), warn_distance=1e-6).verdict)
    assert called.count("pass") >= 9  # the worst of six intervals of 95 %: 14 expected, less three deviations
