"""The replay kernels against their slow NumPy twins, bit for bit; covers against polygons."""

import cv2
import numpy as np
import pytest
import replay_twins as twins

from facedata.augment import display, optics, screen

RNG = np.random.default_rng(5)
SIZES = pytest.mark.parametrize("size", [(32, 48), (31, 47), (1, 9), (17, 2)], ids=str)
LEAN = np.array([[0.9, 0.05, -3.0], [-0.08, 1.1, 4.0], [8e-4, -5e-4, 1.0]])


def light(size, top=65536):
    return RNG.integers(0, top, (*size, 3)).astype(np.uint16)


@SIZES
@pytest.mark.parametrize("distortion", [0.0, 0.06, -0.03])
def test_project(size, distortion):
    image = RNG.integers(0, 256, (23, 29, 3)).astype(np.uint8)
    emitted = display.emission(2.2, 900)
    out = screen.project(screen.packed(image), 23, 29, LEAN, distortion, *size, emitted)
    assert np.array_equal(out, twins.project(image, LEAN, distortion, *size, emitted))


def test_an_upright_picture_is_projected_code_by_code():
    image = np.arange(16 * 16 * 3, dtype=np.uint64).reshape(16, 16, 3).astype(np.uint8)
    out = screen.project(screen.packed(image), 16, 16, np.eye(3), 0.0, 16, 16, display.emission(2.0, 1e6))
    exact = (image / 255) ** 2 * 32768
    assert np.abs(out - exact).max() < 1


@pytest.mark.parametrize(
    ("size", "scale"),
    [((32, 48), 1), ((31, 47), 1), ((17, 2), 1), ((32, 48), 2), ((31, 47), 2), ((1, 9), 2), ((17, 2), 2)],
    ids=str,
)
@pytest.mark.parametrize(("count", "side"), [(1, 64), (3, 64), (2, 128)])
def test_mosaic(size, scale, count, side):
    tiles = RNG.integers(0, 30000, (count, 3, side, side)).astype(np.uint16)
    rows = size[0] * scale
    gain, ambient = RNG.integers(0, 70000, (rows, 3)), RNG.integers(0, 70000, rows)
    arguments = (light(size), light(size), scale, LEAN, 0.02, tiles, 0.985, 0.02, gain, ambient)
    assert np.array_equal(screen.mosaic(*arguments), twins.mosaic(*arguments))


@SIZES
def test_compose(size):
    emitted, added, behind = light(size), light(size), light(size)
    covers = RNG.choice(np.array([0, 1, 100, 254, 255], np.uint8), (3, *size))
    frame = np.array([100, 40000, 65535])
    expected = twins.compose(emitted, added, behind, *covers, 77, frame)
    screen.compose(emitted, added, behind, *covers, 77, frame)
    assert np.array_equal(emitted, expected[0])
    assert np.array_equal(added, expected[1])


def test_a_composition_is_the_weighted_mean_of_its_parts():
    emitted, added, behind = light((20, 20)), light((20, 20), 30000), light((20, 20))
    covers = RNG.integers(0, 256, (3, 20, 20)).astype(np.uint8)
    covers[2] = np.maximum(covers[1], covers[2])
    picture, lit, device = covers[..., None] / 255
    shown = (500 + (emitted - 500.0) * picture) * lit
    rest = added * device + 900 * (device - lit) + behind * (1 - device)
    rest[covers[1] == 255] = added[covers[1] == 255]
    screen.compose(emitted, added, behind, *covers, 500, np.full(3, 900))
    assert np.abs(emitted - shown).max() <= 1.5
    assert np.abs(added - rest).max() <= 1.5


@SIZES
@pytest.mark.parametrize("sigma", [0.3, 1.4])
def test_soften(size, sigma):
    bright, taps = light(size), optics.point_spread(sigma)
    bright[0, 0] = 65535
    places = [optics.mirrored(n, len(taps) // 2) for n in size]
    if min(size) > len(taps) // 2:
        assert np.array_equal(optics.soften(bright, taps, *places), twins.soften(bright, taps))
    out = optics.soften(bright, taps, *places)
    assert out.mean() == pytest.approx(bright.mean(), abs=1), "a lens keeps the light"


@pytest.mark.parametrize("distortion", [0.0, 0.08, -0.05])
@pytest.mark.parametrize("radius", [0.0, 12.0])
@pytest.mark.parametrize("lean", [np.eye(3), LEAN], ids=["upright", "leaning"])
def test_cover_is_the_area_of_a_box(distortion, radius, lean):
    """Against 64 samples a px."""
    box = np.array([20.3, 11.8, 77.7, 93.2, radius])
    out = screen.cover(lean, distortion, 110, 100, box)
    y, x = np.mgrid[0 : 110 * 8, 0 : 100 * 8] / 8 - 0.5 + 1 / 16
    mx, my = x - 49.5, y - 54.5
    bend = 1 + distortion * (mx * mx + my * my) / 50**2
    ray = np.stack([mx * bend + 49.5, my * bend + 54.5, np.ones_like(x)])
    u, v, depth = np.tensordot(lean, ray, axes=1)
    du = np.abs(u / depth - (box[0] + box[2]) / 2) - (box[2] - box[0]) / 2 + radius
    dv = np.abs(v / depth - (box[1] + box[3]) / 2) - (box[3] - box[1]) / 2 + radius
    away = np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) + np.minimum(np.maximum(du, dv), 0) - radius
    share = (away < 0).reshape(110, 8, 100, 8).mean(axis=(1, 3))
    error = np.abs(out / 255 - share)
    # at a corner, and on edges aslant, the straight edge errs within the px
    assert error.max() < 0.3
    assert error[(share == 0) | (share == 1)].max() < 0.2
    assert error.mean() < 0.002


@pytest.mark.parametrize("box", [(-5, -5, 60, 60), (3, -5, 60, 60), (-5, -5, 60, 40), (10, 10, 20, 20)])
def test_inside_knows_whether_a_box_fills_the_frame(box):
    edges = np.array([*box, 0.0])
    covered = screen.cover(np.eye(3), 0.01, 50, 50, edges)
    assert screen.inside(np.eye(3), 0.01, 50, 50, edges) == (covered.min() == 255)


def test_a_box_past_the_vanishing_line_covers_nothing():
    steep = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, -0.05, 1.0]])
    box = np.array([-1e6, -1e6, 1e6, 1e6, 0.0])
    assert screen.cover(steep, 0.0, 60, 40, box)[40:].max() == 0
    assert not screen.inside(steep, 0.0, 60, 40, box)


def test_a_display_shows_no_more_pixels_than_it_has():
    image = RNG.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    assert screen.to_display_grid(image, 80.0, 90.0) is image
    coarse = screen.to_display_grid(image, 30.0, 20.0)
    assert np.array_equal(coarse, cv2.resize(image, (30, 20), interpolation=cv2.INTER_AREA))
    assert screen.to_display_grid(image, 0.2, 0.2).shape == (1, 1, 3)
