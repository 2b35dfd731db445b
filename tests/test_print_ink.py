"""Ink on paper against the equations: separation, dot gain, Yule-Nielsen-Neugebauer, white, D_max, fibres."""

from itertools import product

import numpy as np
import print_twins as twins
import pytest

from facedata.augment import inking, paper, screens
from facedata.augment.paper import INKS, Sheet

RNG = np.random.default_rng(5)
SHEETS = pytest.mark.parametrize(
    "sheet",
    [
        Sheet((0.85, 0.86, 0.88), gain=0.15, n=1.7, d_max=1.3, balance=0.7, black=0.6),
        Sheet((0.92, 0.91, 0.90), gain=0.05, n=1.0, d_max=2.3, balance=0.0, black=0.3),
        Sheet((0.80, 0.80, 0.78), gain=0.25, n=2.0, d_max=1.0, balance=1.0, black=0.9),
    ],
    ids=["office", "photo", "soaked"],
)
LAMP = np.full(3, 32768, np.float32)
FLAT = np.ones(256, np.float32)


def patches():
    """A picture of 7 x 7 x 7 colours, and the colours 0-1."""
    codes = np.array(list(product(range(0, 256, 42), repeat=3)), np.uint8)
    return codes[None], codes / 255


def surroundings(height, width, *, irradiance=1.0, gloss=0.0):
    y, x = np.mgrid[:height, :width].astype(np.float32)
    light = np.stack([np.full_like(x, irradiance), np.full_like(x, gloss)])
    return np.stack([x, y]), light


def contone(sheet, image, *, rough=0.0, band=FLAT, **light):
    place, lit = surroundings(*image.shape[:2], **light)
    rest = band, (1.0, 4096.0), paper.fibres(), (3, 5, rough), lit, LAMP
    return inking.contone(image, place, sheet.arithmetic(), *rest)


def screened(sheet, image, screen=None, side=32, levels=64, phases=None):
    place, lit = surroundings(*image.shape[:2])
    tones = inking.separations(image, *sheet.separation_tables())
    table = np.zeros((levels + 1) * side**2, np.int16) if screen is None else screen
    forms = np.zeros((4, 6)) if phases is None else phases
    rest = sheet.base(), FLAT, (1.0, 4096.0), paper.fibres(), (3, 5, 0.0), lit, LAMP
    return inking.screened(tones, place, *sheet.tables(levels, side), table, side, forms, *rest)


def neugebauer(sheet, coverage):
    """Reflectance by the sum over 16 primaries with Demichel's weights; overprints after Beer-Lambert."""
    n = sheet.n
    body = np.zeros((len(coverage), 3))
    for which in product((0, 1), repeat=4):
        weight = np.prod([a if on else 1 - a for a, on in zip(coverage.T, which, strict=True)], axis=0)
        primary = np.prod([INKS[j] ** on for j, on in enumerate(which)], axis=0)
        body += weight[:, None] * primary ** (1 / n)
    surface = sheet.surface
    return np.array(sheet.paper) * (surface + (1 - surface) * body**n)


@SHEETS
def test_the_factorised_form_is_the_sum_over_16_primaries(sheet):
    tones = RNG.random((500, 4))
    assert np.abs(sheet.reflectance(tones) - neugebauer(sheet, sheet.coverage(tones))).max() < 1e-12


@SHEETS
def test_patches_reflect_what_the_closed_form_says(sheet):
    image, colours = patches()
    expected = sheet.reflectance(sheet.separate(colours))
    assert np.abs(contone(sheet, image)[0] / 32768 - expected).max() < 1e-3
    assert np.abs(screened(sheet, image)[0] / 32768 - expected).max() < 1e-3


@SHEETS
def test_separation_gives_black_its_share_of_the_squared_grey(sheet):
    image, colours = patches()
    tones = inking.separations(image, *sheet.separation_tables())[0] / paper.SOLID
    grey = 1 - colours.max(1)
    assert np.abs(tones[:, 3] - sheet.black * grey**2).max() < 1e-4
    # what lies under black, together with it, is the complement that was asked for
    whole = tones[:, :3] * (1 - tones[:, 3:]) + tones[:, 3:]
    assert np.abs(whole - (1 - colours)).max() < 2e-4
    assert np.abs(tones - sheet.separate(colours)).max() < 2e-4


@pytest.mark.parametrize("gain", [0.0, 0.05, 0.25])
def test_dot_gain_is_a_parabola(gain):
    sheet = Sheet((0.9, 0.9, 0.9), gain, 1.5, 1.5, balance=0.0, black=0.5)
    tone = np.linspace(0, 1, 21)
    grown = sheet.coverage(np.repeat(tone[:, None], 4, axis=1))
    assert np.abs(grown - (tone + 4 * gain * tone * (1 - tone))[:, None]).max() < 1e-12
    assert grown[10, 0] == pytest.approx(0.5 + gain)
    # and a print is as dark as that: cyan alone at 50 %, Murray-Davies, for n = 1
    plain = Sheet((0.9, 0.9, 0.9), gain, 1.0, 3.0, balance=0.0, black=0.0)
    image = np.full((1, 1, 3), 255, np.uint8)
    image[..., 0] = 128
    tone = 1 - 128 / 255
    area = tone + 4 * gain * tone * (1 - tone)
    expected = 0.9 * (1 - area + area * INKS[0, 0])
    assert contone(plain, image)[0, 0, 0] / 32768 == pytest.approx(expected, abs=5e-4)


def test_grey_balance_is_that_of_the_standard():
    sheet = Sheet((0.9, 0.9, 0.9), 0.0, 1.5, 1.5, balance=1.0, black=0.0)
    # ISO 12647-2:2004, grey balance: C 25 M 19 Y 19, C 50 M 40 Y 40, C 75 M 64 Y 64
    for cyan, others in ((0.25, 0.19), (0.50, 0.40), (0.75, 0.64)):
        found = sheet.coverage(np.array([[cyan, cyan, cyan, 0.0]]))[0]
        assert found[0] == pytest.approx(cyan)
        assert found[1] == found[2] == pytest.approx(others, abs=0.04)


@SHEETS
def test_paper_white_and_the_darkest_print(sheet):
    white, black = (contone(sheet, np.full((4, 4, 3), code, np.uint8)) / 32768 for code in (255, 0))
    assert np.abs(white - np.array(sheet.paper)).max() < 1e-4
    density = -np.log10(black / white)[0, 0]
    assert density[1] == pytest.approx(sheet.d_max, abs=0.02)
    # the other channels' blacks are as good as the inks are: warm, as those of three inks are
    assert np.abs(density - sheet.d_max).max() < 0.4
    darkest = contone(sheet, np.array([[[9, 9, 9], [0, 0, 0]]], np.uint8))
    assert (darkest[0, 1] <= darkest[0, 0]).all()


@SHEETS
def test_more_ink_never_reflects_more(sheet):
    tones = np.linspace(0, 1, 33)[:, None] * np.ones(4)
    for ink in range(4):
        ramp = np.zeros((33, 4))
        ramp[:, ink] = tones[:, ink]
        assert (np.diff(sheet.reflectance(ramp), axis=0) <= 1e-12).all()


def test_paper_fibres_have_equal_power_in_every_octave():
    tile = paper.fibres().astype(float)
    assert tile.std() == pytest.approx(1, abs=1e-6)
    assert abs(tile.mean()) < 1e-6
    power = np.abs(np.fft.fft2(tile)) ** 2
    wave = np.fft.fftfreq(paper.TILE, 1 / paper.TILE)
    radius = np.hypot(wave[:, None], wave[None, :])
    octaves = [power[(radius >= 2**k) & (radius < 2 ** (k + 1))] for k in range(2, 7)]
    rates = np.log2([band.mean() for band in octaves])
    slope = np.polyfit(np.arange(len(rates)), rates, 1)[0]
    assert slope == pytest.approx(-2, abs=0.15), "amplitude ~ 1 / f"
    shares = np.array([band.sum() for band in octaves]) / power.sum()
    assert shares.max() < 1.4 * shares.min()


@pytest.mark.parametrize("sigma", [0.005, 0.02])
def test_fibres_show_with_the_stated_deviation(sigma):
    sheet = Sheet((0.85, 0.85, 0.85), 0.1, 1.5, 1.5, 0.5, 0.5)
    light = contone(sheet, np.full((256, 256, 3), 255, np.uint8), rough=sigma)[..., 1].astype(float)
    assert light.std() / light.mean() == pytest.approx(sigma, rel=0.02)
    assert light.mean() / 32768 == pytest.approx(0.85, rel=1e-3)


@SHEETS
@pytest.mark.parametrize("size", [(31, 47), (1, 1), (3, 65)], ids=str)
def test_contone_twin(sheet, size):
    image = RNG.integers(0, 256, (*size, 3)).astype(np.uint8)
    place = RNG.normal(50, 200, (2, *size)).astype(np.float32)
    light = RNG.random((2, *size)).astype(np.float32) * 1.6
    band = (1 + 0.1 * RNG.normal(size=256)).astype(np.float32)
    lamp = np.array([32768, 30000, 20000], np.float32)
    rest = sheet.arithmetic(), band, (1.7, 4097.0), paper.fibres(), (250, 9, 0.02), light, lamp
    assert np.array_equal(inking.contone(image, place, *rest), twins.contone(image, place, *rest))


@SHEETS
def test_screened_twin(sheet):
    size = 33, 46
    image = RNG.integers(0, 256, (*size, 3)).astype(np.uint8)
    place = RNG.normal(50, 60, (2, *size)).astype(np.float32)
    light = RNG.random((2, *size)).astype(np.float32) * 1.6
    band = (1 + 0.1 * RNG.normal(size=256)).astype(np.float32)
    tables = sheet.separation_tables()
    tones = inking.separations(image, *tables)
    assert np.array_equal(tones, twins.separations(image, *tables))
    phases = RNG.normal(0, 5, (4, 6)) + np.array([0, 0, 4096, 0, 0, 4096])
    for table, side, levels in (
        (screens.cell_table(20), 32, 64),
        (screens.drop_table(2), 128, 32),
    ):
        ink = sheet.tables(levels, side)
        rest = sheet.base(), band, (1.7, 4097.0), paper.fibres(), (250, 9, 0.02), light, LAMP
        arguments = tones, place, *ink, table, side, phases, *rest
        assert np.array_equal(inking.screened(*arguments), twins.screened(*arguments))
        unseen = inking.screened(tones, place, *ink, np.empty(0, np.int16), side, phases, *rest)
        without = tones, place, *ink, np.zeros_like(table), side, phases, *rest
        assert np.array_equal(unseen, twins.screened(*without)), "an empty screen is an even one"
