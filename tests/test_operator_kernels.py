"""Integer kernels against their slow NumPy twins, bit for bit."""

import hashlib

import numpy as np
import operator_twins as twins
import pytest

from facedata.augment import bluenoise, lut, press
from facedata.augment.light import CODED, LINEAR
from facedata.augment.operators import (
    bn_halftone,
    color_distortion,
    color_diversity,
    hand_trembling,
    moire_pattern,
    reflection,
    sfc_halftone,
)

RNG = np.random.default_rng(7)
NOISE = RNG.integers(0, 256, (61, 83, 3)).astype(np.uint8)
GREY = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
PICTURES = pytest.mark.parametrize("image", [NOISE, GREY], ids=["noise", "grey"])
SHARES = pytest.mark.parametrize("share", [1, 5000, 32768])


def test_codes_survive_the_trip_to_linear_light_and_back():
    assert np.array_equal(CODED[LINEAR >> 2], np.arange(256))
    assert (np.diff(CODED.astype(int)) >= 0).all()
    assert CODED[0] == 0
    assert CODED[-1] == 255


@pytest.mark.parametrize(
    ("table", "digest"),
    [
        (LINEAR.astype("<u2"), "fdb7af3c01815a21"),
        (CODED, "1a6be5cb23d9c219"),
        (bluenoise.blue_noise().astype("<i8"), "b0a80ee16967c6f3"),
    ],
    ids=["linear", "coded", "blue-noise"],
)
def test_tables_are_the_same_on_every_machine(table, digest):
    assert hashlib.sha256(table.tobytes()).hexdigest()[:16] == digest


@PICTURES
@SHARES
def test_profile_conversion(image, share):
    decode, matrix, shown = color_diversity._tables("rec-2020", "apple-rgb")
    out = color_diversity.convert(image, decode, matrix, shown, share, LINEAR, CODED)
    assert np.array_equal(out, twins.convert(image, decode, matrix, shown, share))


@PICTURES
@SHARES
def test_tetrahedral_table(image, share):
    table = color_distortion._table("iso-12647-3-newsprint")
    out = lut.apply_lut(image, table, lut.NODE, lut.FRACTION, lut.STEPPED, share, LINEAR, CODED)
    assert np.array_equal(out, twins.apply_lut(image, table, lut.NODE, lut.FRACTION, lut.STEPPED, share))


def test_a_table_of_the_identity_is_the_identity():
    table = lut.bake(lambda rgb: rgb)
    out = lut.apply_lut(NOISE, table, lut.NODE, lut.FRACTION, lut.STEPPED, 32768, LINEAR, CODED)
    assert np.array_equal(out, NOISE)


def test_the_table_interpolates_the_press_closely():
    condition = press.CONDITIONS["fogra51-coated"]
    table = color_distortion._table("fogra51-coated")
    out = lut.apply_lut(NOISE, table, lut.NODE, lut.FRACTION, lut.STEPPED, 32768, LINEAR, CODED)
    exact = press.render(condition, NOISE.reshape(-1, 3) / 255).reshape(NOISE.shape) * 255
    assert np.abs(out - exact).mean() < 0.4
    # where inks leave sRGB the clipping has a kink that a table rounds off
    assert np.quantile(np.abs(out - exact), 0.99) < 2


@PICTURES
@SHARES
def test_added_light(image, share):
    light = RNG.integers(0, 65536, image.shape).astype(np.uint16)
    out = reflection.add_light(image, light, share, LINEAR, CODED)
    assert np.array_equal(out, twins.add_light(image, light, share))


@PICTURES
def test_modulation(image):
    field = RNG.integers(0, 256, image.shape).astype(np.uint8)
    gain = RNG.integers(0, 200000, (3, 256))
    assert np.array_equal(
        moire_pattern.modulate(image, field, gain, LINEAR, CODED), twins.modulate(image, field, gain)
    )


@pytest.mark.parametrize("direction", [0.0, 45.0, 90.0, 135.0, 17.3, -60.0])
@pytest.mark.parametrize("length", [0.3, 1.0, 7.5, 16.0])
def test_spread_and_smear(direction, length):
    (trace,) = hand_trembling.traces(length, direction)
    padded = np.pad(NOISE, ((trace.down,) * 2, (trace.across,) * 2, (0, 0)), mode="reflect")
    light, taps = hand_trembling.linearised(padded, LINEAR), trace[:3]
    assert np.array_equal(light.reshape(padded.shape), LINEAR[padded])
    total = twins.spread(light.reshape(padded.shape), *taps)
    assert total.shape == NOISE.shape
    assert total.max() < 2**31
    assert np.array_equal(hand_trembling.spread(light, *taps).reshape(total.shape), total >> 15)
    assert np.array_equal(hand_trembling.smear(light, *taps, CODED), CODED[total >> 17])


@pytest.mark.parametrize("pitch", [0.4, 1.0, 1.37, 2.0, 6.2, 1e4])
@pytest.mark.parametrize("length", [1, 2, 300])
def test_blue_noise_cells(pitch, length):
    found = bn_halftone.cells(length, *bn_halftone.scales(pitch), 120)
    assert np.array_equal(found, twins.cells(length, pitch, 120))
    place = (np.arange(length) + 0.5) / max(1.0, pitch) - 0.5
    # the middle of what the px sees, as cells and parts of 4, is where the px is
    assert np.abs((found[0] - 120 + found[1] / 4 - place + 64) % 128 - 64).max() < 0.25


def test_the_tone_of_a_code_is_the_paper_that_its_light_needs():
    lit = (LINEAR - float(bn_halftone.INK)) / (65535 - bn_halftone.INK)
    tone = twins.tone(np.arange(256), bn_halftone.CURVE) / 32768
    assert np.abs(tone - np.maximum(lit, 0)).max() < 2e-4
    assert (tone[lit <= 0] == 0).all()
    assert (np.diff(tone[lit > 0]) > 0).all()
    assert tone[255] == 1


@PICTURES
@SHARES
@pytest.mark.parametrize("pitch", [0.4, 1.0, 1.37, 6.2])
def test_blue_noise_dots(image, share, pitch):
    rows, columns = (bn_halftone.cells(n, *bn_halftone.scales(pitch), 120) for n in image.shape[:2])
    shown = bn_halftone.shades(share, LINEAR, CODED)
    assert np.array_equal(shown.reshape(17, 256), twins.shades(share, bn_halftone.INK))
    for black in (0, 20000, 32768):
        rest = (rows, columns, bn_halftone.CURVE, black, shown)
        out = bn_halftone.dots(image, bn_halftone._packed(), *rest)
        assert np.array_equal(out, twins.dots(image, bluenoise.blue_noise(), bn_halftone._SHIFTS, *rest))


@PICTURES
@SHARES
@pytest.mark.parametrize("period", [2.5, 9.0])
def test_clustered_dots(image, share, period):
    starts, steps = sfc_halftone.phases(image.shape[0], period, -7.0, 99)
    table = sfc_halftone.cell_table(round(8 * np.log2(period)))
    chance, base = sfc_halftone.tones(share)
    for black in (0, 20000, 32768):
        arguments = (image, table, starts, steps, chance, base, sfc_halftone.RECIPROCAL, black, share)
        assert np.array_equal(sfc_halftone.screens(*arguments, CODED), twins.screens(*arguments))


@pytest.mark.parametrize("size", [(64, 64), (33, 50), (1, 7)], ids=str)
def test_lattice_samples(size):
    values = {"strength": 0.2, "pitch": 2.1, "sensor": 64, "optics": 0.3, "rotation": 4, "pattern_seed": 1}
    tilts = {"tilt_x": 20, "tilt_y": -15, "distortion": 0.03}
    parameters = moire_pattern.MoirePattern().parse({**values, **tilts})
    across, down = moire_pattern.lattice(2.1, 0.3)
    transform = moire_pattern.display_map(parameters) * 256
    arguments = (*size, transform, np.array([3.7, 201.2]), 0.03, 32.0, across, down)
    assert np.array_equal(moire_pattern.sample(*arguments), twins.sample(*arguments))


def test_void_and_cluster():
    weights = np.array(
        [[1, 4, 6, 4, 1], [4, 19, 31, 19, 4], [6, 31, 50, 31, 6], [4, 19, 31, 19, 4], [1, 4, 6, 4, 1]]
    )
    ranks = bluenoise.void_and_cluster(16, weights)
    assert np.array_equal(np.sort(ranks.ravel()), np.arange(256))
    assert np.array_equal(ranks, twins.void_and_cluster(16, weights))
