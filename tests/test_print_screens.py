"""What a print looks like in detail: screens, drops, banding, misregistration; against theory."""

import json
from itertools import pairwise

import cv2
import numpy as np
import pytest

from facedata.augment import paper, screens
from facedata.augment.geometry import view
from facedata.augment.operators.photo_print import InkjetPrint, LaserPrint
from facedata.augment.printing import Halftone, banding, misregistered, screen_of
from facedata.augment.registry import OPERATORS
from facedata.datasets.words import Words

ANGLES = 15.0, 75.0, 0.0, 45.0  # of C, M, Y, K
STRAIGHT = {
    **{name: 0.0 for name in ("tilt", "pan", "roll", "offset_x", "offset_y", "distortion")},
    **{name: 0.0 for name in ("banding", "fibre", "gloss", "margin", "screen_error", "misregistration")},
    **{"ambient": 1.0, "fill": 1.0, "part": "whole", "stock": "plain"},
}
SIDE = 256


def scene(operator, image, **fixed):
    """The light of a print that faces the camera, float, height x width x 3."""
    given = {name: value for name, value in {**STRAIGHT, **fixed}.items() if name in operator.draws()}
    parameters = operator.sample(Words.of(3, "screens"), given)
    height, width = image.shape[:2]
    return operator.scene(image, view(parameters, width, height), parameters).light.astype(float)


def patch(colour, side=SIDE):
    return np.full((side, side, 3), colour, np.uint8)


def peak(plane):
    """The wave vector (x, y) of the strongest wave, cycles a px, in the half plane y <= 0 < x or so."""
    height, width = plane.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    size = 2048
    power = np.abs(np.fft.rfft2((plane - plane.mean()) * window, (size, size)))
    y, x = np.unravel_index(power.argmax(), power.shape)
    return np.array([x, (y + size // 2) % size - size // 2]) / size


# of these inks alone, and the channel that sees them best
INKS = {
    "cyan": ((128, 255, 255), 0, 0),
    "magenta": ((255, 128, 255), 1, 1),
    "yellow": ((255, 255, 128), 2, 2),
}


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize(("ruling", "period"), [(175, 3.2), (85, 3.7), (60, 5.2), (75, 8.0)])
def test_each_ink_has_its_ruling_and_angle(ink, ruling, period):
    colour, channel, number = INKS[ink]
    width = SIDE * 25.4 / ruling / period
    light = scene(LaserPrint(), patch(colour), ruling=ruling, medium_width=width)
    found = peak(light[..., channel])
    assert np.hypot(*found) == pytest.approx(1 / period, rel=0.01)
    # a square screen has two such waves, a right angle apart; y points down
    angle = np.degrees(np.arctan2(-found[1], found[0]))
    assert (angle - ANGLES[number] + 45) % 90 - 45 == pytest.approx(0, abs=0.7)


def test_black_has_its_angle_too():
    sheet = paper.Sheet((0.9, 0.9, 0.9), 0.1, 1.5, 1.5, 0.0, 1.0)
    assert sheet.separate(np.array([[0.2, 0.2, 0.2]]))[0, 3] == pytest.approx(0.64)
    width = SIDE * 25.4 / 100 / 6.0
    light = scene(LaserPrint(), patch((60, 60, 60)), ruling=100.0, black=1.0, medium_width=width)
    window = np.hanning(SIDE)[:, None] * np.hanning(SIDE)
    power = np.abs(np.fft.fft2((light - light.mean((0, 1)))[..., 1] * window))

    def at(angle):
        y, x = np.rint(np.array([-np.sin(np.radians(angle)), np.cos(np.radians(angle))]) * SIDE / 6.0).astype(
            int
        )
        return power[np.ix_([y - 1, y, y + 1], [x - 1, x, x + 1])].max()

    for angle in (45.0, 135.0):
        assert at(angle) > 20 * max(at(angle + 15), at(angle - 15))


def test_the_predicted_wave_vectors_are_where_the_waves_are():
    operator, image = LaserPrint(), patch(INKS["cyan"][0])
    fixed = {
        **STRAIGHT,
        "ruling": 110.0,
        "medium_width": 14.0,
        "screen_error": 5.0,
        "roll": 20.0,
        "fill": 1.2,
    }
    parameters = operator.sample(Words.of(8, "waves"), fixed)
    light = operator.scene(image, view(parameters, SIDE, SIDE), parameters).light.astype(float)
    facts = operator.explain(image, parameters).facts
    json.dumps(facts)
    step = np.linalg.inv(np.array(facts["homography"]))
    jacobian = step[:2, :2] / step[2, 2]
    wave = np.array(facts["screens"][0]) @ jacobian
    found = peak(light[..., 0])
    turned = np.array([[0, -1], [1, 0]]) @ wave
    assert min(np.linalg.norm(found - s * v) for v in (wave, turned) for s in (1, -1)) < 0.003


@pytest.mark.parametrize("code", [30, 90, 150, 220])
@pytest.mark.parametrize("colour", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)], ids=str)
def test_screens_keep_the_mean_tone(code, colour):
    image = patch(np.where(np.array(colour) == 1, code, 255))
    for operator, close, far in (
        (LaserPrint(), {"ruling": 100.0, "medium_width": 13.0}, {"ruling": 100.0, "medium_width": 4000.0}),
        (InkjetPrint(), {"drop": 40.0, "medium_width": 11.0}, {"drop": 40.0, "medium_width": 4000.0}),
    ):
        screened, smooth = scene(operator, image, **close), scene(operator, image, **far)
        assert screened[..., :].std() > 100, "dots are seen"
        assert smooth.std(axis=(0, 1)).max() < 1, "dots are not seen"
        # inks cross at the odds of Demichel only on average, and a tile holds few crossings
        limit = 0.004 if sum(colour) == 1 else 0.02
        assert np.abs(screened.mean((0, 1)) - smooth.mean((0, 1))).max() < limit * 32768


@pytest.mark.parametrize("period", [0.3, 0.9, 1.5, 1.99])
def test_a_screen_finer_than_two_px_leaves_no_trace(period):
    width = SIDE * 25.4 / 120 / period
    light = scene(LaserPrint(), patch((200, 120, 90)), ruling=120.0, medium_width=width)
    assert light.std(axis=(0, 1)).max() < 1


def test_screens_fade_as_they_get_finer():
    contrast = [
        scene(LaserPrint(), patch((128, 255, 255)), ruling=40.0, medium_width=SIDE * 25.4 / 40 / period)[
            ..., 0
        ].std()
        for period in (12, 6, 4, 3, 2.4)
    ]
    assert all(a > b for a, b in pairwise(contrast)), contrast


def test_drops_are_blue_noise():
    light = scene(InkjetPrint(), patch((128, 255, 255)), drop=100.0, medium_width=0.05 * SIDE)[..., 0]
    power = np.abs(np.fft.fft2(light - light.mean())) ** 2
    wave = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    # drops of 2 px: their noise begins near 0.35 cycles a drop, and there is next to none below half of that
    low, high = power[(wave > 0) & (wave < 0.08)].mean(), power[(wave > 0.15) & (wave < 0.35)].mean()
    assert low < 0.1 * high


def test_dots_are_solid_and_the_paper_between_them_darkens():
    sheet = paper.Sheet((1.0, 1.0, 1.0), 0.0, 2.0, 3.0, 0.0, 0.0)
    ink = sheet.tables(64, 32)
    tone = 64  # of 128
    factor, drop = ((word[0, tone] & 0x1FFFFF) / 32767 for word in ink[:2])
    solid = paper.INKS[0, 0]
    dot, between = factor - 0.5 * drop, factor + 0.5 * drop
    assert dot == pytest.approx(solid, abs=1e-3)
    assert factor == pytest.approx((0.5 + 0.5 * solid**0.5) ** 2, abs=1e-3)
    assert solid < between < 1, "light that enters between the dots leaves under them (Yule and Nielsen)"


@pytest.mark.parametrize("swaths", [True, False])
def test_banding(swaths):
    fine = banding(4, swaths, 1e6)
    assert fine.std() == pytest.approx(1, abs=1e-3)
    assert abs(fine.mean()) < 1e-6
    # what is finer than a px's half is not seen
    spectrum = np.abs(np.fft.rfft(banding(4, swaths, 9.0)))
    assert spectrum[5:].max() < 1e-4 < spectrum[1]
    assert not banding(4, swaths, 1.5).any()


def test_bands_run_across_the_feed_with_their_period():
    light = scene(
        LaserPrint(), patch((128, 255, 255)), banding=5.0, banding_period=8.0, medium_width=200.0, gain=0.0
    )[..., 0]
    assert light.std(axis=1).max() < 1
    profile = light.mean(axis=1)
    spectrum = np.abs(np.fft.rfft((profile - profile.mean()) * np.hanning(SIDE), 4096))
    assert spectrum.argmax() / 4096 * 8.0 / 200.0 * SIDE == pytest.approx(1, rel=0.05)


def test_a_band_swings_from_row_to_row_and_not_in_steps():
    print_of = LaserPrint(), patch((128, 255, 255))
    light = scene(*print_of, banding=5.0, banding_period=100.0, medium_width=100.0, gain=0.0)[..., 0]
    # one period over the picture: half of its 16th harmonic is longer than eight rows
    assert (np.diff(light.mean(axis=1)) == 0).mean() < 0.1


@pytest.mark.parametrize("shift", [0.4, 3.0])
def test_inks_are_misregistered_but_black_is_not(shift):
    tones = np.zeros((65, 65, 4), np.uint16)
    cv2.circle(plane := np.zeros((65, 65), np.uint16), (32, 32), 9, paper.SOLID, -1)
    tones[...] = plane[..., None]
    moved = misregistered(tones, shift, Words.of(5, "m")).astype(float)
    y, x = np.mgrid[:65, :65] - 32
    places = np.array([[(x * p).sum() / p.sum(), (y * p).sum() / p.sum()] for p in np.moveaxis(moved, 2, 0)])
    assert np.abs(places[3]).max() < 1e-9
    far = np.hypot(*places[:3].T)
    assert (far < shift * 1.001).all()
    assert far.max() > 0.2 * shift
    assert np.linalg.norm(places[0] - places[1]) > 0.05 * shift


def test_misregistration_shows_as_fringes():
    image = patch((255, 255, 255))
    image[:, 100:150] = 40
    tight, loose = (
        scene(LaserPrint(), image, medium_width=60.0, misregistration=m, ruling=300.0) for m in (0.0, 0.4)
    )
    # a grey edge is grey where the inks meet, and coloured where they do not
    spread = [
        np.ptp(light[:, 90:160].mean(0) / light[:, 90:160].mean((0, 1)), axis=1).max()
        for light in (tight, loose)
    ]
    assert spread[1] > 1.5 * spread[0]


def test_where_the_camera_is_close_decides_what_is_screened():
    assert screen_of(Halftone(ruling=100), 0.254 / 1.99) is None
    table, levels, side = screen_of(Halftone(ruling=100), 0.254 / 2.01)
    assert (levels, side) == (64, 32)
    assert table.size == 65 * 32 * 32
    assert screen_of(Halftone(drop=30), 0.3) is None
    assert screen_of(Halftone(drop=30), 0.03)[2] == 128


@pytest.mark.parametrize("step", [8, 12, 20])
def test_tables_have_no_mean_and_nothing_above_nyquist(step):
    for table, levels, side, period in (
        (screens.cell_table(step), 64, 32, 2 ** (step / 8)),
        (screens.drop_table(step - 14), 32, 128, 128 * 2 ** ((step - 14) / 8)),
    ):
        patterns = table.reshape(levels + 1, side, side).astype(float)
        assert np.abs(patterns.mean((1, 2))).max() < 1
        wave = np.fft.fftfreq(side, 1 / side)
        high = np.hypot(wave[:, None], wave[None, :]) / period > 0.5
        power = np.abs(np.fft.fft2(patterns))
        # rounding to integers is all that is left there
        assert power[:, high].max(initial=0) < side * 3


@pytest.mark.parametrize("name", ["print-inkjet", "print-laser", "paper-curved", "paper-folded", "paper-cut"])
def test_the_stock_decides_density_gloss_and_fibres(name):
    operator = OPERATORS[name]
    for stock, low, high in (("photo", 1.9, 2.4), ("plain", 1.0, 1.5)):
        pool = [operator.sample(Words.of(n, "stock"), {"stock": stock}) for n in range(20)]
        assert all(low <= p.d_max <= high for p in pool)
        assert len({p.gloss for p in pool}) > 10
    drawn = [operator.sample(Words.of(n, "stock")) for n in range(40)]
    assert {p.stock for p in drawn} == {"photo", "plain"}
    assert all((p.d_max >= 1.9) == (p.stock == "photo") for p in drawn)
    assert operator.sample(Words.of(1, "stock"), {"stock": "plain", "d_max": 2.9}).d_max == 2.9
