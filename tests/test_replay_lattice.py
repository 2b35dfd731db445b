"""Lattices against theory: contrast, brute force, and the aliases that a Bayer sensor makes of them."""

import cv2
import numpy as np
import pytest
from replay_twins import at_scale, still

from facedata.augment import display
from facedata.augment.registry import OPERATORS

ONE = 32768
WHITE = np.full((128, 128, 3), 255, np.uint8)
LCD = OPERATORS["replay-lcd"]


def scene(parameters, side=128, operator=LCD):
    return operator.scene(parameters, side, side)


def sites(parameters, side=128, operator=LCD):
    """The mosaic of a panel so dark that no photosite is full at the brightest of its lattice; mean 1."""
    found = scene(parameters, side, operator)
    white = np.full((side, side, 3), 2048, np.uint16)
    return found.mosaic(white, np.zeros_like(white)) / 2048, found


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [
        (0.25, (0.05, 0.31, 0.60, 0.94, 1.20)),
        (0.5, (0.01, 0.06, 0.24, 0.61, 0.95)),
        (0.7, (0, 0.01, 0.08, 0.36, 0.73)),
    ],
)
def test_contrast_by_scale_and_blur(sigma, expected):
    """Standard deviation over mean of a .28 x .85 stripe at k = 1.1, 1.5, 2, 3, 4.5."""
    for k, value in zip((1.1, 1.5, 2.0, 3.0, 4.5), expected, strict=True):
        seen = display.resolve("rgb-stripe", 0.28, 0.85, np.eye(2) / k, sigma)
        assert seen.contrast() == pytest.approx(value, rel=0.15, abs=0.012)
        tile = seen.tile() / display.MEAN
        # light is not negative: at the sharpest, clipping the cut series moves both a little
        assert tile.mean(axis=(1, 2)) == pytest.approx(1, rel=0.01)
        assert tile.std(axis=(1, 2)) == pytest.approx(seen.contrast(), rel=0.02, abs=1e-3)


@pytest.mark.parametrize("name", ["rgb-stripe", "pentile-diamond"])
def test_a_tile_is_the_sum_of_its_waves(name):
    """Against the inverse transform of all harmonics, at the cells' middles."""
    seen = display.resolve(name, 0.3, 0.9, np.array([[0.4, 0.1], [-0.05, 0.5]]), 0.3)
    side = display.CELLS * seen.period
    whole = np.zeros((3, side, side), complex)
    orders = np.arange(-seen.reach, seen.reach + 1)
    for x in range(seen.reach + 1):
        for row, y in enumerate(orders):
            # half a cell on from the corner, and the other half of the spectrum
            wave = seen.light[:, row, x] * np.exp(1j * np.pi * (x + y) / side)
            whole[:, y % side, x] = wave
            if x:
                whole[:, -y % side, -x % side] = wave.conj()
    exact = np.fft.ifft2(whole).real * side**2 * display.MEAN
    assert np.abs(seen.tile() - np.maximum(exact, 0)).max() <= 0.51


def test_the_transfer_is_that_of_lens_and_photosite():
    jacobian = np.array([[0.5, 0.2], [-0.1, 0.7]])
    for order in ([1, 0], [0, 1], [2, -1]):
        x, y = jacobian.T @ order
        lens = np.exp(-2 * np.pi**2 * (0.3**2 * (x * x + y * y) + 0.2**2 * (order[0] ** 2 + order[1] ** 2)))
        photosite = np.sin(np.pi * x) / (np.pi * x) * np.sin(np.pi * y) / (np.pi * y)
        passed = display.transfer(
            np.array([float(order[0])]), np.array([float(order[1])]), jacobian, 0.3, 0.2
        )
        assert passed.item() == pytest.approx(lens * photosite)


def test_defocus_and_diffraction_blur_in_quadrature():
    """An f/8 lens on 1.4 um photosites: .42 x .55 um x 8 / 1.4 um; the finest aperture passes no lattice."""
    found = scene(still("replay-lcd", f_number=8.0, defocus=0.5, density=92.0))
    assert found.blur == pytest.approx(np.hypot(0.5 * 2, 0.42 * 0.55 * 8 / 1.4))
    waves = [
        LCD.explain(WHITE, still("replay-lcd", f_number=n, density=92.0)).facts["lattice_contrast"][0]
        for n in (1.4, 4.0, 16.0)
    ]
    assert waves[0] > 2 * waves[1] > 100 * waves[2]


def apertures(name, width, height, u, v):
    """The light of a white display at places in display px, by what the apertures are: channel x places."""
    lattice = display.LATTICES[name]
    light = np.zeros((3, *u.shape))
    period = lattice.period
    for part in lattice.subpixels:
        du, dv = (np.abs((p - c + period / 2) % period - period / 2) for p, c in ((u, part.x), (v, part.y)))
        w, h = part.width * width, part.height * height
        if name == "rgb-rows":
            w, h = height, width
        if part.diamond:
            on, area = du / w + dv / (w * height) < 0.5, w * w * height / 2
        else:
            on, area = (du < w / 2) & (dv < h / 2), w * h
        for channel in range(3):
            light[channel] += part.colour[channel] * on / area
    # as much light of each channel in a period as there are px
    total = np.array([sum(p.colour[c] for p in lattice.subpixels) for c in range(3)])
    return light * (period**2 / total)[:, None, None]


def brute_force(found, top, left, side, name, parameters):
    """What photosites of a patch collect, by 1024 samples a photosite and a blurred panel: side x side.

    Its own error is half a per cent of the mean, a per cent for diamonds; with 256 samples it is 1.5 and 2.5.
    """
    pad, fine = 2, 32
    grid = (np.arange((side + 2 * pad) * fine) + 0.5) / fine - 0.5 - pad
    y, x = np.meshgrid(grid + top, grid + left, indexing="ij")
    # a regular grid would beat with upright apertures
    jitter = np.random.default_rng(top).uniform(-0.5 / fine, 0.5 / fine, (2, *y.shape))
    y, x = y + jitter[0], x + jitter[1]
    straight = found.sensor.straight(np.stack([x, y], -1))
    ray = np.concatenate([straight, np.ones_like(straight[..., :1])], -1) @ found.lattice_map().T
    period = display.LATTICES[name].period
    u, v = ray[..., 0] / ray[..., 2] * period, ray[..., 1] / ray[..., 2] * period
    light = apertures(name, parameters.aperture_width, parameters.aperture_height, u, v)
    out = np.empty((side, side))
    for channel in range(3):
        seen = cv2.GaussianBlur(light[channel], (0, 0), found.blur * fine)
        mean = seen.reshape(side + 2 * pad, fine, side + 2 * pad, fine).mean(axis=(1, 3))[pad:-pad, pad:-pad]
        for i, j in ((0, channel), (1, channel - 1)):
            if 0 <= j <= 1:
                out[(i - top) % 2 :: 2, (j - left) % 2 :: 2] = mean[(i - top) % 2 :: 2, (j - left) % 2 :: 2]
    return out


POSES = {
    "upright": {},
    "turned": {"roll": 11.0, "tilt": 8.0, "pan": -9.0},
    "steep": {"tilt": 33.0, "pan": -20.0, "roll": -3.0, "distance": 150.0},
    "over": {"tilt": -35.0, "pan": 10.0, "roll": 40.0, "distance": 150.0},
    "bent": {"distortion": 0.02, "pan": 15.0},
}


@pytest.mark.parametrize("name", display.LATTICES)
@pytest.mark.parametrize("pose", POSES.values(), ids=POSES)
@pytest.mark.parametrize(("k", "defocus"), [(1.7, 0.05), (4.0, 0.15)])
def test_the_tiles_agree_with_brute_force(name, pose, k, defocus):
    """Within 3 % of mean radiance, also in corners, where perspective and lens are far off the middle's."""
    parameters = still("replay-lcd", **at_scale(k, lattice=name, defocus=defocus, **pose))
    mosaic, found = sites(parameters)
    errors = []
    for top, left in ((120, 124), (0, 0)):
        exact = brute_force(found, top, left, 12, name, parameters)
        errors.append(np.abs(mosaic[top : top + 12, left : left + 12] - exact).mean())
    # diamonds have twice the contrast of stripes, and a lens stretches a corner along and across unlike
    hard = name == "pentile-diamond" and pose is POSES["bent"]
    assert max(errors) < (0.04 if hard else 0.03), errors


def test_a_lattice_that_is_not_resolved_takes_one_small_tile():
    """Tiles are as many and as fine as there is contrast to be shown."""
    steep = POSES["steep"]
    blurred, faint, crisp = (
        scene(still("replay-lcd", **at_scale(k, defocus=defocus, **steep))).tiles()[0]
        for k, defocus in ((1.0, 0.8), (1.7, 0.05), (4.0, 0.15))
    )
    assert blurred.shape == (1, 3, 64, 64)
    assert faint.shape[2:] == (64, 64)
    assert crisp.shape[2:] == (128, 128)
    assert min(len(faint), len(crisp)) > 2


def strongest(plane):
    """(x, y) of the strongest wave of a plane in cycles per sample, x >= 0, and its amplitude."""
    height, width = plane.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    wide = np.fft.fft2((plane - plane.mean()) * window, s=(1024, 1024))
    y, x = np.unravel_index(np.abs(wide).argmax(), wide.shape)
    wave = np.array([np.fft.fftfreq(1024)[x], np.fft.fftfreq(1024)[y]])
    return wave, 2 * np.abs(wide[y, x]) / window.sum()


def same_wave(a, b, whole, within):
    """Whether two waves are one after sampling at whole places, whatever the sign."""
    return any(np.abs((a - s * b + whole / 2) % whole - whole / 2).max() < within for s in (1, -1))


ALIASED = [
    (name, k, roll, tilt)
    for name in ("rgb-stripe", "bgr-stripe", "rgb-rows", "pentile-diamond", "wrgb")
    for k, roll, tilt in (
        (1.7, 3.0, 0.0),
        (2.1, -7.0, 0.0),
        (2.1, 4.0, 12.0),
        (2.9, 14.0, 0.0),
        (3.7, 6.0, -9.0),
    )
]


@pytest.mark.parametrize(("name", "k", "roll", "tilt"), ALIASED)
def test_red_and_blue_alias_to_the_predicted_wave(name, k, roll, tilt):
    """Each plane of a Bayer mosaic is the lattice sampled at every second photosite."""
    # far off and with a long lens, so that the wave is one over the frame
    far = {"distance": 4000.0, "focal_length": 42.0, "defocus": 0.15}
    parameters = still("replay-lcd", **at_scale(k, lattice=name, roll=roll, tilt=tilt, **far))
    mosaic, found = sites(parameters)
    jacobian = found.jacobian()
    waves = display.aliases(found.resolved(jacobian), jacobian)
    for channel, plane in ((0, mosaic[::2, ::2]), (2, mosaic[1::2, 1::2])):
        own = [wave for wave in waves if wave.channel == channel]
        wave, amplitude = strongest(plane)
        # a lattice of diamonds has two waves of one strength
        equal = [w for w in own if w.amplitude > 0.9 * own[0].amplitude]
        near = [w for w in equal if same_wave(wave / 2, np.array(w.wave), 0.5, 1.5 / 256)]
        assert near, (wave / 2, equal)
        expected = near[0]
        assert amplitude == pytest.approx(expected.amplitude, rel=0.12)
        direct = jacobian.T @ np.array(expected.order) / display.LATTICES[name].period
        assert same_wave(direct, np.array(expected.wave), 0.5, 1e-9), "J^T n - m"


@pytest.mark.parametrize("pitch", [0.24, 0.277, 0.29])
@pytest.mark.parametrize("distance", [380.0, 405.0])
@pytest.mark.parametrize("roll", [0.0, 5.0])
def test_bands_of_the_finished_picture_are_where_theory_puts_them(pitch, distance, roll):
    """Pitch, distance and roll decide; demosaicing and reduction leave the strongest low wave."""
    parameters = still(
        "replay-lcd",
        density=25.4 / pitch,
        distance=distance,
        roll=roll,
        defocus=0.12,
        exposure=-1.0,
        fill=2.0,
    )
    applied = LCD.explain(np.full((256, 256, 3), 200, np.uint8), parameters)
    k = 4.2 * pitch / (distance * 1.4e-3)
    assert applied.facts["sensor_px_per_display_px"] == pytest.approx(k)
    low = [
        a
        for a in applied.facts["aliases"]
        if a["channel"] == "R" and 0.01 < np.hypot(*a["cycles_per_px"]) < 0.35
    ]
    red = applied.image[..., 0].astype(float)
    wave, amplitude = strongest(red[20:-20, 20:-20])
    # the mean of a demosaiced cell passes waves by the cosines of its nine sites
    passed = [(a["amplitude"] * np.prod(np.cos(np.pi * np.array(a["cycles_per_px"]))), a) for a in low]
    assert amplitude > 1
    assert same_wave(wave, np.array(max(passed, key=lambda p: p[0])[1]["cycles_per_px"]), 1.0, 2 / 256)


@pytest.mark.parametrize(
    "changes",
    [{"defocus": 1.2}, {"density": 440.0, "defocus": 0.3}, {"density": 92.0, "distance": 1500.0}],
    ids=["out of focus", "fine pitch", "far"],
)
@pytest.mark.parametrize("oversample", [1, 2])
def test_no_band_where_the_optics_pass_none(changes, oversample):
    parameters = still("replay-lcd", **{"density": 92.0, "oversample": oversample, **changes})
    applied = LCD.explain(np.full((128, 128, 3), 180, np.uint8), parameters)
    assert applied.image[8:-8, 8:-8].std() < 0.5, "no wave, but for the steps of codes"
    assert max(applied.facts["lattice_contrast"]) < 0.02
    sharp = still("replay-lcd", density=92.0, oversample=oversample, defocus=0.15, distance=350.0)
    assert LCD.apply(np.full((128, 128, 3), 180, np.uint8), sharp).image[8:-8, 8:-8].std() > 2


@pytest.mark.parametrize("name", display.LATTICES)
@pytest.mark.parametrize(("k", "code"), [(0.7, 90), (0.7, 250), (1.5, 230), (2.3, 150), (4.0, 90)])
def test_a_lattice_keeps_the_mean_light(name, k, code):
    parameters = still("replay-lcd", **at_scale(k, lattice=name, roll=7.0, defocus=0.25))
    found = scene(parameters)
    emitted, added, _ = found.lights(np.full((128, 128, 3), code, np.uint8))
    mosaic = found.mosaic(emitted, added) / ONE
    exact = (code / 255) ** 2.2
    for plane in (mosaic[::2, ::2], mosaic[::2, 1::2], mosaic[1::2, 1::2]):
        assert plane.mean() == pytest.approx(exact, rel=0.012)


def test_waves_fold_to_the_lowest_frequency():
    rng = np.random.default_rng(3)
    for wave in rng.uniform(-2, 2, (200, 2)):
        red, green = display.fold(wave, green=False), display.fold(wave, green=True)
        assert np.abs(red).max() <= 0.25
        assert np.abs(green).sum() <= 0.5 + 1e-9
        for rest, cells in ((red, [[2, 0], [0, 2]]), (green, [[1, 1], [1, -1]])):
            moved = np.array(cells) @ (wave - rest)
            assert moved == pytest.approx(np.rint(moved), abs=1e-9), "the same at every photosite of a colour"


def test_the_jacobian_is_the_derivative_of_the_map():
    parameters = still(
        "replay-lcd", density=92.0, tilt=20.0, pan=-25.0, roll=15.0, distortion=0.06, defocus=0.2
    )
    found = scene(parameters)
    for place in (found.sensor.centre, (10.0, 200.0)):
        numeric = found.sensor.jacobian(np.array([place]))[0] * found.per_pixel
        assert found.jacobians(np.array([place]))[0] == pytest.approx(numeric, rel=1e-3, abs=1e-6)


def test_distance_decides_scale_and_lattice():
    near, far = (scene(still("replay-lcd", density=92.0, distance=d)) for d in (300.0, 600.0))
    assert near.magnification == pytest.approx(2 * far.magnification)
    assert far.medium_width == pytest.approx(2 * near.medium_width), "twice as far, twice as much is seen"
    assert near.magnification == pytest.approx(4.2 * 25.4 / 92 / (300 * 1.4e-3))
    shown = near.medium_width / near.pitch * near.magnification
    assert shown == pytest.approx(1.5 * 256), "the picture fills its share of the sensor"
