"""The camera's kernels against their slow NumPy twins, bit for bit."""

import camera_twins as twins
import numpy as np
import pytest

from facedata.augment import flare, isp, optics, sensor
from facedata.augment.camera import off_axis
from facedata.augment.light import CODED, LINEAR
from facedata.augment.operators.capture import mixed

RNG = np.random.default_rng(11)
SIZES = pytest.mark.parametrize("size", [(32, 48), (31, 47), (2, 2), (3, 2), (2, 9)], ids=str)


def light(size, top=65536):
    return RNG.integers(0, top, (*size, 3)).astype(np.uint16)


@SIZES
@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.1, 4.0])
def test_focus(size, sigma):
    scene, taps = light(size), optics.point_spread(sigma)
    scene[0, 0] = 65535
    rows, columns = (optics.mirrored(n, len(taps) // 2) for n in size)
    assert np.array_equal(optics.focus(scene, taps, rows, columns), twins.focus(scene, taps))


def test_the_sums_of_focus_stay_within_31_bits():
    white = np.full((9, 9, 3), 65535, np.uint16)
    taps = optics.point_spread(1.3)
    place = optics.mirrored(9, len(taps) // 2)
    assert (optics.focus(white, taps, place, place) == 65535).all()


@SIZES
def test_sites_and_their_means(size):
    scene = light(size)
    mosaic = optics.sites(scene)
    assert np.array_equal(mosaic, twins.sites(scene))
    exact = [mosaic[i::2, j::2].mean() for i in (0, 1) for j in (0, 1)]
    assert np.abs(optics.site_means(mosaic) - exact).max() <= 0.5


@SIZES
def test_shade(size):
    mosaic = twins.sites(light(size))
    corner, across, down = RNG.integers(1 << 30, 1 << 31, 3), np.arange(3) * 999999, -np.arange(3) * 77777
    expected = twins.shade(mosaic, corner, across, down)
    optics.shade(mosaic, corner, across, down)
    assert np.array_equal(mosaic, expected)


@SIZES
@pytest.mark.parametrize("bits", [8, 12, 14])
@pytest.mark.parametrize("flares", [False, True])
@pytest.mark.parametrize("noise", [(0.02, 0.001), (2e-3, 1e-5), (0.0, 0.0)])
def test_expose(size, bits, flares, noise):
    mosaic = twins.sites(light(size))
    arguments = (
        mosaic,
        RNG.integers(0, 1 << 20, size[0]),
        RNG.uniform(0, 2e-4, 3),
        (np.float32(0.97), np.float32(optics.falloff(40.0))),
        *off_axis(*size),
        RNG.uniform(0, 3000, 4).astype(np.float32),
        light((3, 4)) if flares else np.zeros((1, 1, 3), np.uint16),
        tuple(np.float32(value) for value in noise),
        sensor.normal_table(),
        12345,
        bits,
    )
    assert np.array_equal(sensor.expose(*arguments), twins.expose(*arguments))


@pytest.mark.parametrize("bits", [8, 10, 14])
@pytest.mark.parametrize("name", ["demosaic", "bin_quads"])
@pytest.mark.parametrize("size", [(32, 48), (2, 2), (6, 4)], ids=str)
def test_demosaic(name, size, bits):
    raw = np.pad(RNG.integers(0, 1 << bits, size), 2, mode="reflect").astype(np.uint16)
    black = sensor.pedestal(bits)
    # the largest gain of a balance: no sum may leave 31 bits
    gains = np.rint(np.array([2.2, 1.0, 9.5]) * 65535 * 2**11 / ((1 << bits) - 1 - black))
    arguments = (raw, black, gains.astype(np.int32), 5500, isp.tone_table(1.1, 0.7))
    found = getattr(isp, name)(*arguments)
    assert found.dtype == np.uint8
    assert np.array_equal(found, getattr(twins, name)(*arguments))


def test_demosaic_of_an_odd_frame():
    raw = np.pad(RNG.integers(0, 1024, (7, 5)), 2, mode="reflect").astype(np.uint16)
    arguments = (raw, 64, np.array([240000, 140000, 200000], np.int32), 4096, isp.tone_table(1.0, 0.0))
    assert np.array_equal(isp.demosaic(*arguments), twins.demosaic(*arguments))


@pytest.mark.parametrize("values", [(0, 0, 0), (256, 40, 100), (1024, 0, 5), (77, 3000, 3000)])
def test_refine(values):
    planes = np.pad(RNG.integers(0, 256, (3, 21, 34)), ((0, 0), (2, 2), (2, 2)), mode="edge").astype(np.uint8)
    assert np.array_equal(isp.refine(planes, *values), twins.refine(planes, *values))


def test_refining_nothing_is_the_identity():
    planes = np.pad(RNG.integers(0, 256, (3, 21, 34)), ((0, 0), (2, 2), (2, 2)), mode="edge").astype(np.uint8)
    assert np.array_equal(isp.refine(planes, 0, 0, 0), planes[:, 2:-2, 2:-2])


@pytest.mark.parametrize("share", [1, 12345, 32767])
def test_mixed(share):
    first, second = RNG.integers(0, 256, (2, 13, 17, 3)).astype(np.uint8)
    assert np.array_equal(
        mixed(first, second, share, LINEAR, CODED), CODED[twins.mixed(first, second, share)]
    )


def test_glow_and_ghosts():
    x, y = flare._centres(50, 1.3), flare._centres(40, 1.0)
    shape, lamp = np.array([0.002, 1e-4, 0.3, 20.0], np.float32), np.array([1.2, 1.0, 0.7], np.float32)
    angles = np.linspace(0.1, 2.9, 7)
    spikes = np.stack([np.sin(angles), np.cos(angles)], 1).astype(np.float32)
    field = flare._glow(x, y, shape, spikes, lamp)
    assert np.array_equal(field, twins.glow(x, y, shape, spikes, lamp))
    images = np.array([[0.1, 0.2, 0.1, 0.3, 0.2, 0.1], [-0.6, 0.4, 0.05, 1, 1, 1]], np.float32)
    expected = twins.ghosts(field, x, y, images, spikes, flare._CELLS)
    flare._ghosts(field, x, y, images, spikes)
    assert np.array_equal(field, expected)


def test_the_table_of_normal_deviates():
    table = sensor.normal_table()
    assert table.sum() == 0
    assert np.mean(table.astype(float) ** 2) == pytest.approx(2048**2, rel=1e-4)
    assert (np.diff(table) >= 0).all()
