"""Content lies where its target shows it: exactly where landmarks say so, and never where they cannot be."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedata.synth.alignment import fit_of, laid_onto

DRAW = np.random.default_rng(0)
POINTS = DRAW.uniform(20, 100, (68, 2))


def mapped(points, matrix):
    found = np.column_stack([points, np.ones(len(points))]) @ np.asarray(matrix, float).T
    return found[:, :2] / found[:, 2:]


TILT = np.array([[0.9, 0.05, 8.0], [-0.04, 0.95, 3.0], [4e-4, -2e-4, 1.0]])
TURN = np.array([[0.8, -0.3, 25.0], [0.3, 0.8, -10.0], [0, 0, 1.0]])


def smooth(height=120, width=120):
    """A picture whose every place looks different, without edges."""
    y, x = np.mgrid[:height, :width] + 0.5
    waves = [np.sin(x / 19 + y / 31), np.cos(x / 23 - y / 17), np.sin(x / 29) * np.cos(y / 21)]
    return (127.5 + 100 * np.stack(waves, axis=2)).astype(np.uint8)


def test_a_plane_is_found_from_many_landmarks_and_a_similarity_from_five():
    np.testing.assert_allclose(fit_of(POINTS, mapped(POINTS, TILT)), TILT, atol=1e-3)
    five = POINTS[:5]
    np.testing.assert_allclose(fit_of(five, mapped(five, TURN)), TURN, atol=1e-3)
    # noise of five points becomes no tilt
    assert np.array_equal(fit_of(five, mapped(five, TILT))[2], [0, 0, 1])


def test_pictures_of_two_moments_are_turned_and_zoomed_only():
    found = fit_of(POINTS, mapped(POINTS, TILT), same_moment=False)
    assert np.array_equal(found[2], [0, 0, 1])
    assert found[0, 0] == pytest.approx(found[1, 1], abs=1e-5)


@pytest.mark.parametrize(
    "pair",
    [
        (None, POINTS),
        (POINTS, None),
        (POINTS, POINTS[:5]),
        (POINTS, np.full_like(POINTS, np.nan)),
        (POINTS, np.full_like(POINTS, 3.0)),
        (POINTS, POINTS * 9),
        (POINTS[:1], POINTS[:1]),
    ],
)
def test_landmarks_that_cannot_be_lay_nothing(pair):
    assert fit_of(*pair) is None


@pytest.mark.parametrize("matrix", [np.eye(3), TURN, TILT], ids=["same", "turned", "tilted"])
def test_content_is_laid_where_the_target_shows_it(matrix):
    content = smooth()
    inverse = np.linalg.inv(matrix)
    y, x = np.mgrid[:120, :160] + 0.5
    there = mapped(np.column_stack([x.ravel(), y.ravel()]), inverse) - 0.5
    at = there.astype(np.float32).reshape(120, 160, 2)
    target = cv2.remap(content, at[..., 0], at[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    laid, cover = laid_onto(content, fit_of(POINTS, mapped(POINTS, matrix)), (160, 120), 60)
    square = cv2.resize(target[:, 20:140], (60, 60), interpolation=cv2.INTER_AREA)
    inside = cover == 255
    assert inside.mean() > 0.4
    gap = np.abs(laid.astype(int) - square)[inside]
    assert gap.mean() < 1
    assert np.quantile(gap, 0.99) <= 4
    # half a pixel off would be seen: content laid by a shift of one is worse by far
    shifted = fit_of(POINTS, mapped(POINTS, matrix) + 1.0)
    wrong, _ = laid_onto(content, shifted, (160, 120), 60)
    assert np.abs(wrong.astype(int) - square)[inside].mean() > 2 * gap.mean()


def test_what_content_does_not_reach_is_grey_and_said_to_be_empty():
    away = np.array([[1, 0, 60.0], [0, 1, 0], [0, 0, 1]])
    laid, cover = laid_onto(smooth(), away.astype(np.float32), (120, 120), 60)
    assert (cover[:, :29] == 0).all()
    assert (cover[:, 31:] == 255).all()
    assert np.abs(laid[:, :29].astype(int) - 127).max() <= 1


def test_large_content_is_seen_whole_when_it_is_laid_small():
    """A lattice of single pixels becomes grey, and not a coarser lattice."""
    lattice = np.zeros((960, 960, 3), np.uint8)
    lattice[::2] = 255
    small = np.diag([0.125, 0.125, 1]).astype(np.float32)
    laid, cover = laid_onto(lattice, small, (120, 120), 60)
    assert (cover[1:-1, 1:-1] == 255).all()
    assert np.abs(laid[2:-2, 2:-2].astype(int) - 127).max() <= 3
