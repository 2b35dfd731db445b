"""Operators against theory: tone, screen geometry, alias frequencies, energy."""

import cv2
import numpy as np
import pytest
from scipy.signal import convolve2d

from facedata.augment.bluenoise import blue_noise
from facedata.augment.light import LINEAR
from facedata.augment.operators.hand_trembling import splat, traces
from facedata.augment.operators.sfc_halftone import cell_table
from facedata.augment.registry import OPERATORS, magnitude
from facedata.datasets.words import Words

LIGHT = LINEAR / 65535
RNG = np.random.default_rng(11)


def apply(name, image, seed=0, **given):
    operator = OPERATORS[name]
    return operator.apply(image, operator.sample(Words.of(seed, name), given)).image


def flat(code, side=256):
    return np.full((side, side, 3), code, np.uint8)


def spectrum(plane):
    """Power by (row, column) frequency of a plane without its mean, Hann-windowed; and the frequencies."""
    height, width = plane.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    power = np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2
    return power, *np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")


def strongest(plane, below=0.5, above=0.02):
    """(x, y) frequency of the strongest wave whose frequency lies between the bounds, y upwards, x >= 0."""
    power, fy, fx = spectrum(plane)
    radius = np.hypot(fx, fy)
    power[(radius >= below) | (radius <= above)] = 0
    place = np.unravel_index(power.argmax(), power.shape)
    wave = np.array([fx[place], -fy[place]])
    return wave if wave[0] > 0 or (wave[0] == 0 and wave[1] > 0) else -wave


# reflection


@pytest.mark.parametrize("seed", range(4))
def test_reflection_only_adds_light(seed):
    image = RNG.integers(0, 256, (128, 160, 3)).astype(np.uint8)
    out = apply("reflection", image, seed, strength=0.2)
    assert (out >= image).all()
    on_black = LIGHT[apply("reflection", flat(0), seed, strength=0.2)]
    assert on_black.max() == pytest.approx(0.2, abs=0.01)
    added = LIGHT[apply("reflection", flat(120), seed, strength=0.2)] - LIGHT[120]
    assert np.abs(added - on_black).max() < 0.012, "the same light is added whatever is under it"
    half = LIGHT[apply("reflection", flat(0), seed, strength=0.1)]
    assert np.abs(half * 2 - on_black).max() < 0.01


# halftones


@pytest.mark.parametrize(
    "code", [(20, 20, 20), (128, 128, 128), (230, 230, 230), (224, 172, 150), (40, 90, 200)]
)
@pytest.mark.parametrize("strength", [1.0, 0.4])
@pytest.mark.parametrize("dot", [100, 200])
def test_inkjet_keeps_the_mean_light(code, strength, dot):
    image = np.tile(np.array(code, np.uint8), (256, 256, 1))
    # 1 and 2 px a dot: whole periods of the mask
    for black in (0.0, 0.7):
        out = apply("bn-halftone", image, strength=strength, dot=dot, print_width=25.6, black=black)
        assert np.abs(LIGHT[out].mean((0, 1)) - LIGHT[list(code)]).max() < 0.01
        assert max(code) < 70 or LIGHT[out].std() > 0.02


def test_inkjet_dots_have_no_low_frequencies():
    out = apply("bn-halftone", flat(188), strength=1.0, dot=100, print_width=25.6, black=0.0)
    for channel in range(3):
        power, fy, fx = spectrum(LIGHT[out[..., channel]])
        radius = np.hypot(fx, fy)
        low, high = power[(radius > 0.02) & (radius < 0.12)].mean(), power[radius > 0.35].mean()
        assert low < 0.05 * high
    threshold = np.sort(blue_noise().ravel())
    assert np.array_equal(threshold, np.arange(128 * 128))


def test_inkjet_tone_is_thresholded_per_ink():
    out = apply(
        "bn-halftone",
        np.tile(np.array([255, 128, 0], np.uint8), (64, 64, 1)),
        strength=1.0,
        dot=400,
        black=0.0,
    )
    assert (out[..., 0] == 255).all(), "no cyan where there is none in the picture"
    assert out[..., 2].max() == 0, "tones darker than the ink are solid"
    assert out[..., 1].min() < 100
    assert out[..., 1].max() == 255


@pytest.mark.parametrize(
    "code", [(25, 25, 25), (128, 128, 128), (230, 230, 230), (224, 172, 150), (40, 90, 200)]
)
@pytest.mark.parametrize("width", [6.0, 14.0])
def test_screens_keep_the_mean_light(code, width):
    image = np.tile(np.array(code, np.uint8), (512, 512, 1))
    for strength, black in ((1.0, 0.0), (1.0, 0.8), (0.2, 0.5)):
        out = apply("sfc-halftone", image, strength=strength, ruling=100.0, print_width=width, black=black)
        assert np.abs(LIGHT[out].mean((0, 1)) - LIGHT[list(code)]).max() < 0.012


@pytest.mark.parametrize("rotation", [0.0, 8.0])
def test_screens_have_their_ruling_and_angle(rotation):
    """150 lpi over 10 mm across 512 px is a cell of 8.67 px."""
    out = apply(
        "sfc-halftone",
        flat(150, 512),
        strength=1.0,
        ruling=150.0,
        print_width=10.0,
        rotation=rotation,
        black=0.0,
    )
    period = 25.4 / 150 / 10 * 512
    for channel, angle in enumerate((15.0, 75.0, 0.0)):  # cyan, magenta, yellow
        wave = strongest(LIGHT[out[..., channel]], below=1.2 / period)
        assert np.hypot(*wave) == pytest.approx(1 / period, rel=0.02)
        measured = np.degrees(np.arctan2(wave[1], wave[0])) % 90
        offset = (measured - angle - rotation + 45) % 90 - 45
        assert abs(offset) < 1.5


def test_black_is_screened_at_45_degrees():
    out = apply(
        "sfc-halftone", flat(90, 512), strength=1.0, ruling=150.0, print_width=10.0, rotation=0.0, black=1.0
    )
    wave = strongest(LIGHT[out].mean(-1), below=0.14)
    assert np.degrees(np.arctan2(wave[1], wave[0])) % 90 == pytest.approx(45, abs=1.5)


def test_fine_screens_fade_and_do_not_alias():
    grey = flat(128)
    assert np.array_equal(apply("sfc-halftone", grey, strength=0.2, ruling=175.0, print_width=40.0), grey)
    contrast = []
    for width in (16.5, 13.0, 10.0, 6.0):
        light = LIGHT[apply("sfc-halftone", grey, strength=0.2, ruling=150.0, print_width=width, black=0.0)][
            ..., 0
        ]
        contrast.append(light.std())
        power, fy, fx = spectrum(light)
        radius, fundamental = np.hypot(fx, fy), width / 25.4 * 150 / 256
        assert (
            power[(radius > 0.02) & (radius < 0.75 * fundamental)].sum() < 0.06 * power[radius > 0.02].sum()
        )
    assert all(np.diff(contrast) > 0)
    assert np.abs(cell_table(16).reshape(65, -1).mean(1)).max() < 1


# moire


def alias(parameters, channel):
    """The lowest wave vector |J^T n - m| among the strong harmonics of the display, cycles per sensor px."""
    turn = np.radians(parameters["rotation"])
    jacobian = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / parameters["pitch"]
    halves = np.array([(i, j) for i in range(-3, 4) for j in range(-3, 4)]) / 2
    if channel == 1:  # green filters stand on a quincunx, whose reciprocal lattice lacks the single halves
        halves = halves[(halves.sum(1) % 1) == 0]
    waves = [jacobian.T @ n - m for n in ((1, 0), (0, 1)) for m in halves]
    best = min(waves, key=lambda w: np.hypot(*w))
    best = np.array([best[0], -best[1]])
    return best if best[0] > 0 else -best


@pytest.mark.parametrize(("pitch", "rotation"), [(2.2, 3.0), (1.85, -6.0), (2.1, 9.0), (1.9, 2.0)])
def test_moire_bands_have_the_alias_frequency(pitch, rotation):
    given = {"pitch": pitch, "rotation": rotation, "tilt_x": 0.0, "tilt_y": 0.0, "distortion": 0.0}
    out = apply("moire-pattern", flat(128), strength=0.3, sensor=256, optics=0.3, **given)
    for channel in (0, 2):
        wave = strongest(LIGHT[out[..., channel]], below=0.2, above=0.01)
        assert np.hypot(*(wave - alias(given, channel))) < 1.5 / 256


def test_green_moire_follows_the_quincunx():
    given = {"pitch": 1.05, "rotation": 3.0, "tilt_x": 0.0, "tilt_y": 0.0, "distortion": 0.0}
    out = apply("moire-pattern", flat(128), strength=1.0, sensor=256, optics=0.1, **given)
    wave = strongest(LIGHT[out[..., 1]], below=0.2, above=0.01)
    assert np.hypot(*(wave - alias(given, 1))) < 1.5 / 256


def test_moire_keeps_mean_light_and_is_coloured():
    for seed in range(6):
        light = LIGHT[apply("moire-pattern", flat(128), seed, strength=0.3)]
        assert np.abs(light.mean((0, 1)) / LIGHT[128] - 1).max() < 0.01
        assert light.std() > 0.002
    assert np.abs(light[..., 0] - light[..., 2]).mean() > 0.3 * light.std()


def test_tilt_bends_the_bands_and_content_carries_them():
    given = {"pitch": 2.1, "rotation": 2.0, "tilt_y": 0.0, "distortion": 0.0, "optics": 0.3, "sensor": 256}
    flatly, tilted = (
        LIGHT[apply("moire-pattern", flat(128), strength=0.3, tilt_x=t, **given)] for t in (0.0, 12.0)
    )
    left, right = (
        strongest(tilted[:, s, 0], below=0.2, above=0.01) for s in (slice(0, 128), slice(128, 256))
    )
    assert np.hypot(*(left - right)) > 0.015
    left, right = (
        strongest(flatly[:, s, 0], below=0.2, above=0.01) for s in (slice(0, 128), slice(128, 256))
    )
    assert np.hypot(*(left - right)) < 0.01
    dark, bright = (
        LIGHT[apply("moire-pattern", flat(c), strength=0.3, tilt_x=0.0, **given)] for c in (60, 160)
    )
    assert dark.std() / dark.mean() == pytest.approx(bright.std() / bright.mean(), rel=0.1)
    assert (apply("moire-pattern", flat(0), strength=0.3) == 0).all()


def test_a_fine_lattice_leaves_no_moire():
    """Below 1.2 sensor px a display pixel, lens and photosite blur the lattice away: real, and hard."""
    fine, coarse = (
        LIGHT[apply("moire-pattern", flat(128), strength=0.3, pitch=p, sensor=256, optics=0.5)].std()
        for p in (0.8, 2.2)
    )
    assert fine < 0.1 * coarse


# hand-trembling


@pytest.mark.parametrize("direction", [0.0, 45.0, 90.0, 135.0, 20.0, -70.0])
@pytest.mark.parametrize("length", [1.0, 5.5, 16.0, 40.0])
def test_a_trace_has_its_length_and_direction(length, direction):
    passes = traces(length, direction)
    kernel = np.ones((1, 1))
    for p in passes:
        assert p.weights.sum() == 32768
        part = np.zeros((2 * p.down + 1, 2 * p.across + 1))
        part[p.rows, p.columns] = p.weights / 32768
        kernel = convolve2d(kernel, part)
    rows, columns = np.nonzero(kernel)
    share = kernel[rows, columns]
    points = np.stack([columns - kernel.shape[1] // 2, kernel.shape[0] // 2 - rows])
    assert np.abs(points @ share).max() < 0.01, "centred"
    covariance = (points * share) @ points.T
    along = np.array([np.cos(np.radians(direction)), np.sin(np.radians(direction))])
    # a uniform line has variance L^2 / 12; sharing a point among its pixels adds up to 1/4 a pass
    variance = along @ covariance @ along
    assert length**2 / 12 - 0.01 <= variance <= length**2 / 12 + 0.26 * len(passes)
    across = np.array([-along[1], along[0]])
    assert across @ covariance @ across < 0.26 * len(passes)
    assert abs(across @ covariance @ along) < 0.02 * variance + 0.03


@pytest.mark.parametrize("direction", [0.0, 45.0, 33.0])
def test_two_passes_draw_the_line_that_one_would(direction):
    image = cv2.GaussianBlur(RNG.integers(0, 256, (700, 640, 3)).astype(np.uint8), (0, 0), 1.5)
    twice = apply("hand-trembling", image, length=6.25, direction=direction)
    once = splat(40.0, 321, direction)
    light = np.zeros(image.shape)
    pads = ((once.down,) * 2, (once.across,) * 2, (0, 0))
    padded = np.pad(LIGHT[image], pads, mode="reflect")
    for row, column, weight in zip(once.rows, once.columns, once.weights, strict=True):
        light += padded[row : row + 700, column : column + 640] * weight / 32768
    assert np.abs(LIGHT[twice] - light).max() < 0.01
    assert len(traces(40.0, direction)) == 2


def test_the_impulse_response_is_the_trace_and_light_is_kept():
    impulse = flat(0)
    impulse[128, 128] = 255
    light = LIGHT[apply("hand-trembling", impulse, length=1600 / 256, direction=0.0)][..., 0]
    assert light.sum() == pytest.approx(1, abs=0.03)
    assert np.flatnonzero(light.sum(1)).tolist() == [128]
    reach = np.flatnonzero(light[128])
    assert reach.max() - reach.min() + 1 == 17  # 16 px, its ends on two halves
    image = cv2.GaussianBlur(RNG.integers(0, 256, (256, 256, 3)).astype(np.uint8), (0, 0), 4)
    blurred = LIGHT[apply("hand-trembling", image, length=6.25)]
    assert blurred.mean() == pytest.approx(LIGHT[image].mean(), rel=0.004)


# low-resolution


def test_detail_above_the_new_nyquist_frequency_is_gone():
    x = np.arange(256)

    def left(frequency, **given):
        wave = np.rint(127.5 + 100 * np.sin(2 * np.pi * frequency * x)).astype(np.uint8)
        image = np.tile(wave[None, :, None], (256, 1, 3))
        out = apply("low-resolution", image, strength=0.9, **given)
        return out[64:192, 64:192].std() / image.std()

    assert left(0.3, down="area", up="cubic") < 0.2  # the box filter leaves sinc(1.2)
    assert left(0.2, down="area", up="linear") < 0.35
    assert left(0.02, down="area", up="cubic") > 0.9
    assert left(0.25 + 0.02, down="nearest", up="cubic") > 0.5, "a scaler without a filter aliases"


def test_levels_of_the_reference_policy_span_the_range():
    low, high = magnitude(OPERATORS["low-resolution"])
    assert (low, high) == (0.01, 0.9)
    sizes = []
    for level in range(1, 10):
        noise = RNG.integers(0, 256, (256, 256, 3)).astype(np.uint8)
        strength = low + level / 9 * (high - low)
        sizes.append(apply("low-resolution", noise, strength=strength, down="area", up="linear").std())
    assert all(np.diff(sizes) < 0)
