"""Lens and sensor of the shared camera against theory."""

import math

import numpy as np
import pytest
from camera_twins import FLAWLESS, camera, flat

from facedata.augment import flare, optics, sensor
from facedata.augment.camera import channel_gains, form, photograph, photograph_mosaic, read_out, row_gains
from facedata.augment.isp import HEADROOM
from facedata.augment.light import CODED
from facedata.augment.operators.capture import Capture, side_gains
from facedata.augment.textures import planckian

RNG = np.random.default_rng(3)


def scene(height=60, width=80):
    """Light with shading, edges and a bright spot."""
    y, x = np.mgrid[:height, :width]
    waves = np.sin(x / 7)[..., None] * np.cos(y[..., None] / 5 + np.arange(3))
    tones = 9000 + 8000 * waves
    tones[20:30, 20:30] = 30000
    return tones.astype(np.uint16)


def signal(light, **changes):
    """Signal at the photosites over full scale, float64, black taken away."""
    parameters = camera(**changes)
    mosaic = form(light, parameters, light.shape[1::-1])
    raw = read_out(mosaic, parameters, light.shape[1::-1], channel_gains(parameters)[0])
    black = sensor.pedestal(parameters.bits)
    return (raw[2:-2, 2:-2].astype(float) - black) / ((1 << parameters.bits) - 1 - black)


# the lens


@pytest.mark.parametrize("sigma", [0.25, 0.4, 0.7, 1.0, 2.0, 5.0])
def test_the_point_spread_has_the_stated_variance_and_adds_up_to_one(sigma):
    taps = optics.point_spread(sigma).astype(float)
    place = np.arange(len(taps)) - len(taps) // 2
    assert taps.sum() == 32768
    assert (taps >= 0).all()
    assert np.sum(taps * place**2) / 32768 == pytest.approx(sigma**2, rel=0.02)


@pytest.mark.parametrize("sigma", [0.3, 0.8, 2.0])
def test_the_transfer_of_a_grating_is_that_of_the_point_spread(sigma):
    x = np.arange(128)
    for period in (16, 8, 4):
        wave = np.round(16000 + 8000 * np.cos(2 * np.pi * x / period))
        light = np.repeat(np.tile(wave, (16, 1))[..., None], 3, axis=2).astype(np.uint16)
        blurred = form(light, camera(defocus=sigma), (128, 16))[8, 32:96].astype(float)
        phase = np.exp(-2j * np.pi * x[32:96] / period)
        contrast = abs(np.sum((blurred - 16000) * phase)) / (32 * 8000)
        theory = math.exp(sigma**2 * (math.cos(2 * math.pi / period) - 1))
        assert contrast == pytest.approx(theory, abs=0.004)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 6.0])
def test_defocus_keeps_the_sum_of_the_light(sigma):
    """Blur light of one colour at a time at sensor sites of every phase: all of it arrives somewhere."""
    light = scene(40, 30)
    taps = optics.point_spread(sigma)
    rows, columns = (optics.mirrored(n, len(taps) // 2) for n in light.shape[:2])
    total = np.zeros(3)
    for dy in (0, 1):
        for dx in (0, 1):
            for channel in range(3):
                single = np.repeat(light[..., channel : channel + 1], 3, axis=2)
                mosaic = optics.focus(single, taps, rows, columns)
                total[channel] += mosaic[dy::2, dx::2].sum(dtype=float)
    assert total == pytest.approx(light.sum(axis=(0, 1), dtype=float), rel=2e-5)


def test_optics_create_no_light():
    light = scene()
    plain = signal(light)
    for changes in ({"field_angle": 40.0}, {"glare": 10.0}, {"glare": 30.0, "field_angle": 20.0}):
        lossy = signal(light, **changes)
        for i in (0, 1):
            for j in (0, 1):
                assert lossy[i::2, j::2].sum() <= plain[i::2, j::2].sum() * 1.0002, changes


@pytest.mark.parametrize("angle", [10.0, 25.0, 45.0])
def test_vignetting_is_the_fourth_power_of_the_cosine(angle):
    height, width = 60, 80
    seen = signal(flat(0.5, height, width), field_angle=angle)
    y, x = np.mgrid[:height, :width]
    off = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) / math.hypot(height / 2, width / 2)
    theory = np.cos(np.arctan(off * math.tan(math.radians(angle)))) ** 4
    green = (x + y) % 2 == 1
    middle = signal(flat(0.5, height, width))[green].mean()
    assert np.abs(seen[green] / middle - theory[green]).max() < 0.002


def test_glare_lifts_black_by_its_share_of_the_mean_and_takes_from_the_rest():
    light = flat(0.8, 64, 64)
    light[24:40, 24:40] = 0
    plain, veiled = signal(light), signal(light, glare=5.0)
    share = light[..., 1].mean() / light[0, 0, 1]
    for i, j in ((0, 0), (0, 1), (1, 1)):
        black, white = veiled[30 + i, 30 + j], veiled[4 + i, 4 + j]
        bright = plain[4 + i, 4 + j]
        assert plain[30 + i, 30 + j] == 0
        assert black == pytest.approx(0.05 * share * bright, abs=2e-4)
        assert white == pytest.approx((0.95 + 0.05 * share) * bright, abs=2e-4)
    assert veiled.sum() == pytest.approx(plain.sum(), rel=1e-3)


# the flare


def test_flare_only_adds_light_and_the_layer_says_where():
    light = scene(96, 96)
    plain = signal(light)
    for seed in range(6):
        changes = {"flare_strength": 0.4, "flare_seed": seed}
        bright = signal(light, **changes)
        assert (bright >= plain - 1e-4).all()
        field = flare.flare_field(96, 96, 0.4, (30.0, -20.0), seed)
        assert field.max() == round(0.4 * 32768)
        layer = flare.flare_layer(field, 96, 96)
        added = (bright - plain)[layer.max(axis=2) < 3]
        assert added.size == 0 or added.max() < 0.002


def test_flare_grows_in_proportion_to_its_strength():
    fields = [flare.flare_field(50, 70, s, (10.0, 5.0), 4).astype(float) for s in (0.2, 0.4)]
    assert np.abs(fields[1] - 2 * fields[0]).max() <= 1.5


def test_the_halo_falls_off_with_the_square_of_the_distance():
    """Far from a spikeless source, light times distance squared is constant (Stiles-Holladay)."""
    x, y = flare._centres(200, 4.0), flare._centres(3, 0.01)
    shape, none = np.array([0.0016, 1e-4, 0.0, 1.0], np.float32), np.zeros((0, 2), np.float32)
    halo = flare._glow(x, y, shape, none, np.ones(3, np.float32))[1, :, 0]
    far = x > 0.5
    assert halo[far] * x[far] ** 2 == pytest.approx(0.0016, rel=0.01)


def test_the_brightest_place_is_the_source_and_ghosts_lie_on_the_line_through_the_middle():
    images, _ = flare._images((0.3, -0.2), 6, flare.Words.of(5))
    assert images[:, 0] * -0.2 == pytest.approx(images[:, 1] * 0.3, abs=1e-6)
    field = flare.flare_field(100, 100, 1.0, (30.0, -20.0), 2).max(axis=2)
    row, column = np.unravel_index(field.argmax(), field.shape)
    cells = field.shape[0]
    assert ((column + 0.5) / cells - 0.5, (row + 0.5) / cells - 0.5) == pytest.approx((0.3, -0.2), abs=0.02)


# the shutter

FLICKERS = [
    {"frequency": 100.0, "depth": 0.3, "duty": 0.0, "phase": 40.0, "exposure_time": 0.002, "readout": 0.03},
    {"frequency": 240.0, "depth": 1.0, "duty": 0.5, "phase": 0.0, "exposure_time": 0.001, "readout": 0.02},
    {"frequency": 120.0, "depth": 0.6, "duty": 0.25, "phase": 90.0, "exposure_time": 0.004, "readout": 0.02},
]


@pytest.mark.parametrize("values", FLICKERS)
def test_flicker_is_the_mean_of_the_light_over_each_rows_exposure(values):
    """Against a brute-force integral of the light over the time that each row is open."""
    rows = 50
    gain = sensor.flicker_gain(rows, **values)
    middle = (np.arange(rows) + 0.5) * values["readout"] / rows
    steps = (np.arange(4000) + 0.5) / 4000 - 0.5
    time = middle[:, None] + steps * values["exposure_time"]
    turns = values["frequency"] * time + values["phase"] / 360
    if values["duty"]:
        pulse = np.abs((turns + 0.5) % 1 - 0.5) < values["duty"] / 2
        light = 1 + values["depth"] * (pulse / values["duty"] - 1)
    else:
        light = 1 + values["depth"] * np.cos(2 * np.pi * turns)
    # sixteen harmonics of a pulse are kept
    assert np.abs(gain - light.mean(axis=1)).max() < (0.05 if values["duty"] else 1e-6)


def test_exposure_of_whole_periods_sees_no_flicker():
    for periods in (1, 3):
        gain = sensor.flicker_gain(
            64, frequency=100, depth=0.9, duty=0.0, phase=10, exposure_time=periods / 100, readout=0.03
        )
        assert np.abs(gain - 1).max() < 1e-12


@pytest.mark.parametrize("frequency", [100.0, 120.0, 200.0])
def test_bands_have_the_period_of_flicker_over_row_time(frequency):
    """2000 rows of 20 us are 40 ms: 100 Hz makes 4 bands down the picture."""
    changes = {"flicker_depth": 0.4, "flicker_frequency": frequency}
    seen = signal(flat(0.4, 256, 64), **changes)[:, 1::2].mean(axis=1)
    rows = seen[0::2]
    spectrum = np.abs(np.fft.rfft((rows - rows.mean()) * np.hanning(len(rows)), 4096))
    cycles = spectrum.argmax() * len(rows) / 4096
    assert cycles == pytest.approx(frequency * 2000 * 20e-6, abs=0.15)
    gain = row_gains(camera(**changes), 256) / 32768
    assert rows / rows.mean() == pytest.approx(gain[0::2] / gain[0::2].mean(), abs=1e-3)


# the sensor


@pytest.mark.parametrize(("shot", "read"), [(1e-4, 1e-6), (1e-3, 2e-5), (4e-3, 1e-4), (0.0, 1e-3)])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_noise_variance_is_linear_in_the_signal(shot, read, bits):
    for level in (0.05, 0.3, 0.9):
        plain = signal(flat(level, 200, 200), bits=14)
        noisy = signal(flat(level, 200, 200), shot_noise=shot, read_noise=read, bits=bits)
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            x, got = plain[i::2, j::2].mean(), noisy[i::2, j::2]
            step = 1 / ((1 << bits) * 15 / 16)
            expected = shot * x + read + step**2 / 12
            # the error of a variance from 10000 samples is 1.4 %
            assert got.var() == pytest.approx(expected, rel=0.06), (level, i, j)
            assert got.mean() == pytest.approx(x, abs=5 * math.sqrt(expected / got.size) + step / 4)


def test_noise_is_normal_and_white_and_another_with_each_seed():
    frames = [signal(flat(0.4, 256, 256), shot_noise=2e-3, noise_seed=seed) for seed in (1, 2)]
    first, second = (f[0::2, 1::2] - f[0::2, 1::2].mean() for f in frames)
    assert np.mean(first**3) / first.std() ** 3 == pytest.approx(0, abs=0.08)
    assert np.mean(first**4) / first.var() ** 2 == pytest.approx(3, abs=0.15)
    whole = frames[0]
    for shift in ((0, 2), (2, 0), (2, 2), (4, 0)):
        other = np.roll(whole, shift, (0, 1))
        sites = (slice(0, None, 2), slice(1, None, 2))
        assert abs(np.corrcoef(whole[sites].ravel(), other[sites].ravel())[0, 1]) < 0.03
    for left, right in ((whole[0::2, 0::2], whole[0::2, 1::2]), (first, second)):
        assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_quantisation_to_the_stated_bits(bits):
    ramp = np.repeat(np.linspace(0, 45000, 4096).astype(np.uint16)[None, :, None], 2, axis=0)
    light = np.repeat(ramp, 3, axis=2)
    parameters = camera(bits=bits)
    raw = read_out(form(light, parameters, (4096, 2)), parameters, (4096, 2), channel_gains(parameters)[0])
    green = raw[2, 3:-2:2].astype(int)
    assert raw.max() < 1 << bits
    assert signal(flat(0.0), bits=bits).max() == 0, "black stands on the pedestal"
    span = ((1 << bits) - 1 - (1 << (bits - 4))) * 45000 / 46341
    assert green[-1] - green[0] == pytest.approx(span, rel=0.001, abs=1.5)
    steps = np.unique(np.diff(green))
    # 2048 samples: every step is met up to 11 bits, and none between two steps
    assert steps.tolist() == [0, 1] if bits < 11 else steps.max() <= span / 2048 + 1


def test_exposure_doubles_light_with_each_stop_until_the_sensor_is_full():
    base = signal(flat(0.2))[1::2, 0::2].mean()
    assert signal(flat(0.2), exposure=1.0)[1::2, 0::2].mean() == pytest.approx(2 * base, rel=1e-3)
    assert signal(flat(0.2), exposure=-2.0)[1::2, 0::2].mean() == pytest.approx(base / 4, rel=2e-3)
    assert signal(flat(1.0))[1::2, 0::2].mean() == pytest.approx(1 / HEADROOM, rel=1e-3)
    assert signal(flat(1.0), exposure=2.0).max() == 1.0


# light of a live scene


def test_a_second_light_is_even_in_the_middle_and_coloured_at_the_edges():
    operator = Capture()
    values = {
        **FLAWLESS,
        "strength": 1.0,
        "side_light": 0.8,
        "side_direction": 0.0,
        "side_temperature": 2700.0,
    }
    parameters = operator.parse(values)
    corner, across, down = side_gains(parameters, 50, 100)
    ends = [(corner + x * across + y * down) / 2**31 for x, y in ((0, 24.5), (49.5, 24.5), (99, 24.5))]
    assert ends[1] == pytest.approx([1, 1, 1], abs=1e-4)
    assert ends[2][0] > ends[2][1] > ends[2][2] > 1, "the warm light comes from the right"
    assert ends[0][0] < ends[0][1] < ends[0][2] < 1
    light = 0.8 * planckian(2700) / planckian(6500)
    assert ends[2] == pytest.approx((1 + light) / (1 + light / 2), rel=0.01)
    right = operator.apply(np.full((50, 100, 3), 120, np.uint8), parameters).image
    assert right[:, 90].mean() > right[:, 10].mean() + 10


def test_explaining_a_capture_gives_the_flare_apart_and_the_same_picture():
    operator = Capture()
    base = {**FLAWLESS, "strength": 1.0, "side_light": 0.0, "side_direction": 0.0, "side_temperature": 5000.0}
    image = np.full((64, 80, 3), 60, np.uint8)
    for strength in (0.0, 0.5):
        parameters = operator.parse({**base, "flare_strength": strength})
        explained = operator.explain(image, parameters)
        assert np.array_equal(explained.image, operator.apply(image, parameters).image)
        layer, mask = explained.layers["flare"], explained.layers["flare_mask"]
        assert layer.shape == image.shape
        assert mask.shape == image.shape[:2]
        assert mask.any() == (strength > 0)
        assert set(np.unique(mask)) <= {0, 255}
        assert explained.mask is None
        assert explained.facts["white_balance"][1] > 0
        bright = explained.image.astype(int) - operator.apply(image, operator.parse(base)).image
        # a 256th of white is three codes at this grey
        assert (bright[mask == 0] <= 4).all()
        assert (bright[mask == 255] >= 0).all()


# what photograph() takes


def test_light_of_a_wrong_kind_is_refused():
    for wrong in (np.zeros((8, 8), np.uint16), np.zeros((8, 8, 3), np.uint8), np.zeros((0, 8, 3), np.uint16)):
        with pytest.raises(ValueError, match=r"expected uint16 of shape \(rows, columns, 3\), got"):
            photograph(wrong, camera(), (8, 8))
    with pytest.raises(ValueError, match="two or more each"):
        photograph_mosaic(np.zeros((1, 8), np.uint16), camera(), (8, 1))


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (2, 1), (17, 33), (256, 100)], ids=str)
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_any_size_and_sensor(size, scale):
    width, height = size
    light = flat(0.5, height * scale, width * scale)
    image = photograph(light, camera(defocus=1.0), size)
    assert image.shape == (height, width, 3)
    assert np.abs(image.astype(int) - CODED[32768 >> 2]).max() <= 1


def test_a_4k_frame_on_a_doubled_sensor():
    light = np.tile(scene(54, 96), (40, 40, 1))
    frame = photograph(light, camera(jpeg_first=80, shot_noise=1e-3, glare=1.0), (1920, 1080))
    assert frame.shape == (1080, 1920, 3)
    whole = photograph(light, camera(jpeg_first=80), (3840, 2160))
    assert whole.shape == (2160, 3840, 3)


def test_light_that_has_passed_the_lens_is_not_blurred_again():
    light = scene()
    blurred = photograph(light, camera(defocus=2.0), (80, 60))
    sharp = photograph(light, camera(defocus=2.0), (80, 60), focused=False)
    assert np.array_equal(sharp, photograph(light, camera(), (80, 60)))
    assert not np.array_equal(blurred, sharp)


def test_a_pose_may_decide_the_angle_of_view():
    light = flat(0.5)
    given = photograph(light, camera(field_angle=5.0), (64, 64), field_angle=30.0)
    assert np.array_equal(given, photograph(light, camera(field_angle=30.0), (64, 64)))
