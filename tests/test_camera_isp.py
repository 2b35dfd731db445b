"""Processing of the raw frame against theory: colour, tone, detail, size, JPEG; and the capture operator."""

import cv2
import numpy as np
import pytest
from camera_twins import FLAWLESS, bilinear, camera, flat

from facedata.augment import isp
from facedata.augment.camera import channel_gains, photograph, to_light
from facedata.augment.light import LINEAR
from facedata.augment.operators.capture import Capture
from facedata.datasets.words import Words

GREYS = np.repeat(np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[:, None], 16, 0)[..., None], 3, 2)


def picture(height=96, width=96, detail=True):
    """A smooth coloured picture, with some texture."""
    y, x = np.mgrid[:height, :width]
    waves = 128 + 70 * np.stack([np.sin(x / 17 + c) * np.cos(y / (13 + 2 * c)) for c in range(3)], -1)
    return np.clip(waves + (12 * np.sin(x * 1.3 + y)[..., None] if detail else 0), 0, 255).astype(np.uint8)


def shot(image, **changes):
    return photograph(to_light(image), camera(**changes), image.shape[1::-1]).astype(int)


def test_a_flawless_camera_gives_every_grey_back():
    greys = np.repeat(GREYS, 16, axis=1)
    assert np.abs(shot(greys)[4::16] - greys[4::16].astype(int)).max() <= 1


def test_a_flawless_camera_gives_smooth_colours_back():
    image = picture(detail=False)
    error = np.abs(shot(image) - image.astype(int))[2:-2, 2:-2]
    assert error.max() <= 4
    assert error.mean() < 0.6


@pytest.mark.parametrize("temperature", [2000.0, 2700.0, 4000.0, 6500.0, 9300.0, 12000.0])
def test_white_balance_is_neutral_at_its_own_temperature(temperature):
    image = shot(np.full((16, 16, 3), 150, np.uint8), temperature=temperature)
    assert np.abs(image - 150).max() <= 1
    response, balance = channel_gains(camera(temperature=temperature))
    assert np.ptp(response * balance) < 1e-9


@pytest.mark.parametrize("temperature", [3000.0, 6500.0])
def test_a_wrong_estimate_casts_blue_below_and_yellow_above(temperature):
    """A camera that takes the light for cooler (lower kelvin) than it is makes the picture blue."""
    for error, warm in ((-10, False), (10, True)):
        red, green, blue = shot(flat_grey(), temperature=temperature, balance_error=error).mean(axis=(0, 1))
        assert (red > green > blue) if warm else (red < green < blue)
        assert green == pytest.approx(150, abs=1)


def flat_grey(code=150, size=16):
    return np.full((size, size, 3), code, np.uint8)


def test_tint_is_green():
    red, green, blue = shot(flat_grey(), tint=5.0).mean(axis=(0, 1))
    assert green > 151 > red == pytest.approx(blue, abs=1)
    light = LINEAR[round(green)] / LINEAR[150]
    assert light == pytest.approx(1.05, abs=0.01)


def test_the_mean_of_a_noisy_flat_patch_is_that_of_the_patch():
    quiet = shot(flat_grey(128, 128))
    noisy = shot(flat_grey(128, 128), shot_noise=1e-3, read_noise=1e-5)
    means = [LINEAR[image].mean() for image in (quiet, noisy)]
    assert means[1] == pytest.approx(means[0], rel=0.005)
    assert noisy.std() > 3


def code_variance(code, a, b, weights, temperature=6500.0):
    """Variance in codes of green's light that is a sum of sites, `weights` squared and summed for R, G and B.

    A site's variance is a x + b, times the square of its white balance's gain; a code is the slope of sRGB.
    """
    level = LINEAR[code] / 65535
    _, balance = channel_gains(camera(temperature=temperature))
    x = level / isp.HEADROOM / balance
    slope = 255 * 1.055 / 2.4 * level ** (1 / 2.4 - 1) * isp.HEADROOM
    return float(weights @ ((a * x + b) * balance**2)) * slope**2 + 1 / 12


def test_noise_through_a_flat_patch_is_that_of_theory():
    """Green at its own site, and at a red one, where it is the mean of four."""
    a, b, code = 4e-4, 1e-5, 150
    noisy = shot(flat_grey(code, 200), shot_noise=a, read_noise=b)[2:-2, 2:-2, 1]
    own, red = noisy[0::2, 1::2], noisy[0::2, 0::2]
    assert own.var() == pytest.approx(code_variance(code, a, b, np.array([0, 1, 0])), rel=0.06)
    assert red.var() == pytest.approx(code_variance(code, a, b, np.array([0, 1 / 4, 0])), rel=0.08)


def test_noise_of_a_doubled_sensor_is_that_of_theory():
    """Green of a cell: two sites of 6/16 and four of 1/16."""
    a, b, code = 1e-3, 1e-5, 150
    light = np.full((400, 400, 3), round(LINEAR[code] / 2), np.uint16)
    noisy = photograph(light, camera(shot_noise=a, read_noise=b), (200, 200))[..., 1]
    weights = np.array([0, 2 * (6 / 16) ** 2 + 4 / 256, 0])
    assert noisy.var() == pytest.approx(code_variance(code, a, b, weights), rel=0.05)


def test_binning_is_the_mean_of_a_bilinear_demosaic():
    rng = np.random.default_rng(1)
    raw = np.pad(rng.integers(300, 900, (20, 24)), 2, mode="reflect").astype(np.uint16)
    full = bilinear(raw, 64) / 4
    exact = sum(full[i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4
    line = np.arange(4096) / 16
    gains = np.rint(np.full(3, 65535 * 2**11 / 959)).astype(np.int32)
    found = isp.bin_quads(raw, 64, gains, 4096, np.rint(line).clip(0, 255).astype(np.uint8))
    codes = np.moveaxis(found[:, 2:-2, 2:-2], 0, 2).astype(float)
    assert np.abs(codes - exact * 4096 / 959 / 16).max() < 0.8


def test_a_doubled_sensor_sees_the_same_picture():
    image = picture(detail=False)
    twice = np.repeat(np.repeat(to_light(image), 2, 0), 2, 1)
    clean = photograph(twice, camera(), (96, 96)).astype(int)
    assert np.abs(clean - image)[2:-2, 2:-2].mean() < 1.5


def test_defocus_is_in_px_of_the_picture_whatever_the_sensor():
    image = np.full((32, 64, 3), 60, np.uint8)
    image[:, 32:] = 180
    twice = np.repeat(np.repeat(to_light(image), 2, 0), 2, 1)
    single = shot(image, defocus=2.0)
    double = photograph(twice, camera(defocus=2.0), (64, 32)).astype(int)
    assert np.abs(single - double).max() <= 4
    assert np.abs(single - shot(image, defocus=1.0)).max() > 12


def test_colour_fringes_appear_only_where_detail_is_too_fine_for_the_mosaic():
    """At a period of 2 px each filter sees one stripe, black or white; stripes of 16 px are grey."""
    x = np.arange(64)
    chroma = {}
    for period in (2, 16):
        stripes = np.where((x * 2 // period) % 2, 220, 30).astype(np.uint8)
        image = np.repeat(np.tile(stripes, (64, 1))[..., None], 3, 2)
        seen = shot(image, defocus=0.0 if period == 2 else 1.0)
        chroma[period] = np.abs(seen[8:-8, 8:-8, 0] - seen[8:-8, 8:-8, 2]).mean()
    assert chroma[2] > 100
    assert chroma[16] < 12


# tone and colour


def test_contrast_turns_about_mid_grey():
    grey = int(np.abs(LINEAR / 65535 - 0.18).argmin())
    for contrast in (0.7, 1.4):
        codes = [shot(flat_grey(c), contrast=contrast).mean() for c in (40, grey, 180)]
        assert codes[1] == pytest.approx(grey, abs=1)
        assert (codes[0] < 40) == (contrast > 1)
        assert (codes[2] > 180) == (contrast > 1)


def test_the_tone_curve_rises_and_its_shoulder_keeps_what_a_hard_clip_loses():
    for contrast in (0.5, 1.0, 1.6, 2.0):
        for shoulder in (0.0, 0.5, 1.0):
            tone = isp.tone_table(contrast, shoulder).astype(int)
            assert (np.diff(tone) >= 0).all()
            assert tone[0] < 40
            assert contrast < 1 or tone[-1] >= 254
    bright = [
        photograph(flat(level), camera(shoulder=s), (64, 64)).mean() for s in (0, 1) for level in (1.1, 1.3)
    ]
    assert bright[0] == bright[1] == 255
    assert bright[2] < bright[3] < 255
    # the knee is smooth: below 0.6 nothing changes
    low = photograph(flat(0.55), camera(shoulder=1.0), (64, 64)).mean()
    assert low == pytest.approx(photograph(flat(0.55), camera(), (64, 64)).mean(), abs=1)


def test_saturation_scales_the_distance_from_grey_and_keeps_luminance():
    colour = np.tile(np.array([150, 110, 90], np.uint8), (16, 16, 1))
    weights = np.array([0.2126, 0.7152, 0.0722])
    light = {s: LINEAR[shot(colour, saturation=s)].mean(axis=(0, 1)) for s in (0.0, 0.5, 1.0, 1.5)}
    grey = light[1.0] @ weights
    for saturation, found in light.items():
        assert found @ weights == pytest.approx(grey, rel=0.02)
        assert found - grey == pytest.approx((light[1.0] - grey) * saturation, abs=350)


# detail


def test_sharpening_steepens_edges_and_leaves_flats_alone():
    image = np.full((32, 64, 3), 80, np.uint8)
    image[:, 32:] = 160
    overshoot = [shot(image, defocus=1.0, sharpening=s).max() for s in (0.0, 1.0, 2.0)]
    assert overshoot[0] <= 161
    assert overshoot[0] < overshoot[1] < overshoot[2]
    assert np.abs(shot(flat_grey(), sharpening=3.0) - 150).max() <= 1


def test_noise_reduction_smooths_chroma_more_than_luma():
    values = {"shot_noise": 1e-3, "read_noise": 1e-5}
    off, on = (shot(flat_grey(120, 128), **values, noise_reduction=r) for r in (0.0, 1.0))

    def spreads(image):
        luma = image @ np.array([77, 150, 29]) / 256
        return luma.std(), (image[..., 0] - luma).std()

    (luma_off, chroma_off), (luma_on, chroma_on) = spreads(off), spreads(on)
    assert luma_on < 0.9 * luma_off
    assert chroma_on < 0.75 * chroma_off
    assert on.mean() == pytest.approx(off.mean(), abs=0.3)


# JPEG


def blockiness(image):
    """Mean step across the borders of 8 x 8 blocks over that of the other columns."""
    step = np.abs(np.diff(image[..., 1].astype(float), axis=1)).mean(axis=0)
    border = np.arange(1, image.shape[1]) % 8 == 0
    return step[border].mean() / step[~border].mean()


def test_jpeg_leaves_blocks_of_8_px():
    image = picture(128, 128)
    assert blockiness(shot(image)) == pytest.approx(1, abs=0.12)
    coarse = blockiness(shot(image, jpeg_first=10))
    assert coarse > 1.5
    assert coarse > blockiness(shot(image, jpeg_first=60))


def test_jpeg_is_that_of_the_codec_and_a_second_one_is_on_top():
    image = shot(picture()).astype(np.uint8)

    def codec(rgb, quality):
        data = cv2.imencode(
            ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )[1]
        return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    assert np.array_equal(shot(picture(), jpeg_first=40), codec(image, 40))
    assert np.array_equal(shot(picture(), jpeg_first=40, jpeg_second=70), codec(codec(image, 40), 70))


def test_error_falls_with_the_quality():
    image = picture()
    clean = shot(image)
    errors = [np.abs(shot(image, jpeg_first=q) - clean).mean() for q in (10, 40, 70, 95)]
    assert errors == sorted(errors, reverse=True)


# the whole: each parameter's effect grows with it

GROWING = {
    "balance_error": (3, 8, 15),
    "tint": (2, 6, 15),
    "exposure": (-0.3, -0.8, -2),
    "defocus": (0.3, 0.8, 2.0),
    "field_angle": (8, 20, 40),
    "glare": (1, 5, 20),
    "flare_strength": (0.1, 0.4, 1.0),
    "flicker_depth": (0.1, 0.3, 0.8),
    "shot_noise": (1e-4, 1e-3, 1e-2),
    "read_noise": (1e-6, 1e-5, 1e-4),
    "saturation": (0.9, 0.6, 0.1),
    "contrast": (1.1, 1.3, 1.8),
    "shoulder": (0.2, 0.6, 1.0),
    "noise_reduction": (0.2, 0.6, 1.0),
    "sharpening": (0.3, 1.0, 3.0),
    "jpeg_first": (95, 60, 15),
    "jpeg_second": (95, 60, 15),
    "bits": (12, 10, 8),
}


@pytest.mark.parametrize("name", GROWING)
def test_the_effect_of_each_parameter_grows_with_it(name):
    image = picture(128, 128)
    base = {"noise_reduction": {"shot_noise": 1e-4}, "shoulder": {"exposure": 0.8}}.get(name, {})
    plain = shot(image, **base)
    distances = [np.abs(shot(image, **base, **{name: value}) - plain).mean() for value in GROWING[name]]
    assert 0 < distances[0] < distances[1] < distances[2], distances


def test_every_parameter_of_the_camera_has_an_effect():
    image = picture(64, 64)
    busy = {
        **{"balance_error": 5.0, "flare_strength": 0.3, "flicker_depth": 0.4, "shot_noise": 1e-3},
        **{"flicker_duty": 0.3, "flicker_phase": 20.0},
    }
    plain = shot(image, **busy)
    other = {
        **{name: values[2] for name, values in GROWING.items()},
        **{
            "temperature": 3000.0,
            "flare_x": -40.0,
            "flare_y": 30.0,
            "flare_seed": 9,
            "flicker_frequency": 170.0,
        },
        **{"flicker_duty": 0.6, "flicker_phase": 200.0, "exposure_time": 0.004, "row_time": 9.0},
        **{"frame_rows": 700, "noise_seed": 8},
    }
    assert set(other) == set(FLAWLESS)
    for name, value in other.items():
        assert not np.array_equal(shot(image, **{**busy, name: value}), plain), name


def test_noise_differs_from_variant_to_variant():
    operator, image = Capture(), picture()
    first, second = (operator.sample(Words.of(n, "x")) for n in (1, 2))
    assert first.noise_seed != second.noise_seed
    same = operator.apply(image, first).image
    assert np.array_equal(same, operator.apply(image, first).image)
    assert not np.array_equal(same, operator.apply(image, second).image)
