"""Maps of pictures against hand-worked cases and theory, and the twins against each other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from conftest import picture
from skimage.feature import local_binary_pattern

from facedata.datasets.errors import UsageError
from facedata.datasets.quality import quality_of
from facedata.datasets.spectra import BANDS, radial_log_power
from facedata.recipes.maps import MAPS, find_map
from facedata.recipes.maps.filters import SRM
from facedata.recipes.maps.patterns import richest_place
from facedata.recipes.maps.torch.luma import luma_of
from facedata.recipes.maps.torch.patterns import richest_places

PICTURE_MAPS = [one for one in MAPS.values() if one.takes == "picture"]


@pytest.fixture(autouse=True)
def one_thread():
    """Let torch use one thread: on a busy machine, several that wait for each other are far slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rgb(luma: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(np.round(luma), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def made(name: str, pixels: np.ndarray) -> np.ndarray:
    return find_map(name).numpy(pixels)


def noisy(number: int, height: int, width: int) -> np.ndarray:
    """A picture with waves, noise, a flat part and clipped parts."""
    drawn = np.random.default_rng(number)
    found = picture(number, width, height) + drawn.normal(0, 4, (height, width, 3))
    found[: height // 5] = 90
    found[-3:, -9:] += 200
    return np.clip(found.round(), 0, 255).astype(np.uint8)


def batch(pictures: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


# --- both twins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 48), (57, 71), (33, 128)])
@pytest.mark.parametrize("one", PICTURE_MAPS, ids=lambda one: one.name)
def test_twins_agree_within_the_stated_bound(one, size):
    pictures = [noisy(number, *size) for number in range(3)]
    wanted = np.stack([one.numpy(pixels) for pixels in pictures])
    found = one.batched()(batch(pictures))
    assert found.dtype == torch.float32
    assert wanted.dtype == np.float32
    assert found.shape == wanted.shape
    assert len(one.channels) == wanted.shape[1]
    assert np.abs(found.numpy() - wanted).max() <= one.bound
    low, high = one.limits
    assert low is None or wanted.min() >= low
    assert high is None or wanted.max() <= high


def test_luma_is_opencvs_for_every_kind_of_colour():
    colours = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    colours[:17, :17] = np.stack(np.meshgrid([*range(0, 256, 16), 255], [*range(0, 256, 16), 255], [7]), -1)[
        :, :, 0
    ]
    assert np.array_equal(made("grey", colours)[0], cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY))
    found = find_map("grey").batched()(batch([colours]))[0].numpy()
    assert np.array_equal(found, made("grey", colours))


def test_gradients_pass_the_rounding_of_luma():
    pixels = batch([noisy(0, 20, 20)]).requires_grad_()
    luma_of(pixels, "test").sum().backward()
    shares = torch.tensor([0.299, 0.587, 0.114])[:, None, None].expand(3, 20, 20)
    assert torch.allclose(pixels.grad[0], 255 * shares, atol=0.02)  # 255 / 2**15 a share


@pytest.mark.parametrize("one", PICTURE_MAPS, ids=lambda one: one.name)
@pytest.mark.parametrize("flat", [False, True])
def test_gradients_reach_the_pictures_and_are_finite(one, flat):
    pictures = [np.full((48, 48, 3), 77, np.uint8) if flat else noisy(1, 48, 48)]
    pixels = batch(pictures).requires_grad_()
    found = one.batched()(pixels)
    assert found.requires_grad == one.gradients
    if one.gradients:
        found.square().sum().backward()
        assert pixels.grad.isfinite().all()
        assert flat or pixels.grad.abs().max() > 0


@pytest.mark.parametrize("one", PICTURE_MAPS, ids=lambda one: one.name)
def test_autocast_and_half_pictures_lose_nothing_after_the_picture(one):
    pixels = batch([noisy(2, 48, 48)])
    wanted = one.batched()(pixels.half().float())
    with torch.autocast("cpu", torch.bfloat16):
        found = one.batched()(pixels.half())
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("one", PICTURE_MAPS, ids=lambda one: one.name)
def test_what_is_no_picture_is_refused(one):
    for wrong in (np.zeros((40, 40), np.uint8), np.zeros((40, 40, 3)), np.zeros((40, 40, 4), np.uint8)):
        with pytest.raises(UsageError, match=one.name):
            one.numpy(wrong)
    for wrong in (
        torch.zeros(3, 40, 40),
        torch.zeros(1, 1, 40, 40),
        torch.zeros(1, 3, 40, 40, dtype=torch.uint8),
    ):
        with pytest.raises(ValueError, match=one.name):
            one.batched()(wrong)


@pytest.mark.parametrize(("name", "least"), [("hog", 16), ("richest-patch", 32), ("fft", 2)])
def test_pictures_that_are_too_small(name, least):
    assert made(name, noisy(0, least, least)).size
    with pytest.raises(UsageError, match=f"less than {least} px"):
        made(name, noisy(0, least, least)[:-1])
    with pytest.raises(ValueError, match=f"less than {least} px"):
        find_map(name).batched()(torch.zeros(1, 3, least, least - 1))


def test_a_map_that_is_not_there():
    with pytest.raises(UsageError, match="no map 'glcm'; there are grey, laplacian"):
        find_map("glcm")


# --- filters ----------------------------------------------------------------------------------------------


def test_filters_leave_nothing_of_a_plane():
    """Second differences of a ramp are 0; beyond the reach of the repeated border, to the bit."""
    row, column = np.mgrid[:40, :50]
    ramp = rgb(20 + 2 * row + 3 * column)
    assert np.abs(made("laplacian", ramp)[0, 1:-1, 1:-1]).max() == 0
    noise = made("srm", ramp)
    assert np.abs(noise[:, 2:-2, 2:-2]).max() == 0
    assert np.abs(noise).max() > 0  # the border bends


def test_an_impulse_answers_with_the_filters_themselves():
    pixels = rgb(np.full((15, 15), 100.0))
    pixels[7, 7] = 112
    noise = made("srm", pixels)
    for channel, (weights, divisor) in enumerate(SRM):
        kernel = np.array(weights)
        down, right = kernel.shape[0] // 2, kernel.shape[1] // 2
        place = noise[channel, 7 - down : 8 + down, 7 - right : 8 + right]
        assert place == pytest.approx(12 * kernel / divisor)  # the filters are symmetric
        assert np.count_nonzero(noise[channel]) == np.count_nonzero(kernel)
        assert kernel.sum() == 0
    laplacian = made("laplacian", pixels)[0]
    assert laplacian[7, 6:9].tolist() == [12, -48, 12]
    assert laplacian.sum() == 0


def test_white_noise_keeps_the_power_of_the_weights():
    """The variance of a sum of independent pixels is the sum of the squared weights times theirs."""
    luma = 128 + 6 * np.random.default_rng(0).standard_normal((300, 300))
    pixels = rgb(luma)
    variance = pixels[:, :, 0].astype(float).var()
    for channel, (weights, divisor) in zip(made("srm", pixels), SRM, strict=True):
        wanted = variance * (np.square(weights).sum() / divisor**2)
        assert channel[2:-2, 2:-2].var() == pytest.approx(wanted, rel=0.03)


def test_the_laplacian_is_the_one_that_sharpness_is_taken_of():
    pixels = noisy(3, 61, 44)
    assert made("laplacian", pixels).std() == pytest.approx(quality_of(pixels).sharpness, rel=1e-5)


# --- patterns ---------------------------------------------------------------------------------------------


def test_the_pattern_of_a_patch_made_by_hand():
    """Bits from the right neighbour against the clock: right 9, up right 1, up 5, up left 6, left 4, ..."""
    patch = np.array([[6, 5, 1], [4, 5, 9], [7, 2, 8]])
    bits = [9 >= 5, 1 >= 5, 5 >= 5, 6 >= 5, 4 >= 5, 7 >= 5, 2 >= 5, 8 >= 5]
    wanted = sum(bit << place for place, bit in enumerate(bits))
    assert wanted == 0b10101101
    assert made("lbp", rgb(patch))[0, 1, 1] == wanted


def test_the_straight_neighbours_are_those_of_scikit_image():
    """Its neighbours of the corners are interpolated; the four others are pixels there too."""
    pixels = noisy(4, 50, 37)
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    theirs = local_binary_pattern(luma, 4, 1, "default").astype(int)[1:-1, 1:-1]
    ours = made("lbp", pixels)[0].astype(int)[1:-1, 1:-1]
    for bit in range(4):
        assert np.array_equal(ours >> 2 * bit & 1, theirs >> bit & 1)


def test_patterns_do_not_see_brightness_and_a_flat_picture_has_all_bits():
    pixels = noisy(5, 40, 40) // 2
    assert np.array_equal(made("lbp", pixels), made("lbp", pixels + 100))
    assert (made("lbp", rgb(np.full((9, 9), 50.0))) == 255).all()


@pytest.mark.parametrize(("angle", "orientation"), [(0, 0), (45, 2), (90, 4), (130, 6)])
def test_the_gradients_of_a_slope_vote_for_its_direction(angle, orientation):
    """Of a wide slope that rises along `angle`, all votes go into one of nine bins of 20 degrees."""
    row, column = np.mgrid[:64, :64]
    along = column * np.cos(np.radians(angle)) + row * np.sin(np.radians(angle))
    blocks = made("hog", rgb(128 + 4 * (along - along.mean())))
    assert blocks.shape == (36, 7, 7)
    inner = blocks[:, 2:-2, 2:-2].reshape(4, 9, 3, 3)
    assert inner.argmax(1).ravel().tolist() == [orientation] * 36
    # four cells alike, one orientation each, of a block of norm 1
    assert inner[:, orientation] == pytest.approx(np.full((4, 3, 3), 0.5), abs=0.02)


def test_the_patch_with_the_most_texture_is_where_it_was_put():
    pixels = rgb(np.full((128, 160), 120.0))
    pixels[48:80, 96:128] = rgb(np.random.default_rng(0).uniform(0, 255, (32, 32)))
    assert richest_place(pixels) == (48, 96)
    patch = made("richest-patch", pixels)
    assert np.array_equal(patch, pixels[48:80, 96:128].transpose(2, 0, 1))
    drawn = MAPS["richest-patch"].layers(pixels)["richest-patch"]
    assert np.array_equal(np.argwhere(drawn)[[0, -1]] // 16, [[3, 6], [4, 7]])


def test_of_patches_with_equal_texture_the_first_counts():
    """In both twins: two copies of one texture, on the grid of patches."""
    texture = rgb(np.random.default_rng(1).uniform(0, 255, (32, 32)))
    pixels = rgb(np.full((128, 128), 120.0))
    pixels[16:48, 80:112] = pixels[80:112, 16:48] = texture
    assert richest_place(pixels) == (16, 80)
    mirrored = pixels[:, ::-1].copy()
    assert richest_place(mirrored) == (16, 16)
    top, left = richest_places(batch([pixels, mirrored]))
    assert (top.tolist(), left.tolist()) == ([16, 16], [80, 16])


# --- spectrum ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("down", "right"), [(0, 12), (9, 0), (-20, 30)])
def test_a_wave_shows_at_its_frequency_on_both_sides(down, right):
    row, column = np.mgrid[:128, :160]
    wave = 128 + 50 * np.cos(2 * np.pi * (down * row / 128 + right * column / 160))
    found = made("fft", rgb(wave))[0]
    peaks = {tuple(place) for place in np.argwhere(found > found.max() - 0.01)}
    assert peaks == {(64 + down, 80 + right), (64 - down, 80 - right)}


def test_amplitudes_have_the_power_of_the_picture():
    """Parseval: their mean square is that of the windowed picture, over the mean square of the window."""
    pixels = noisy(6, 66, 90)
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(float)
    window = np.outer(np.hanning(68)[1:-1], np.hanning(92)[1:-1])
    luma = (luma - (luma * window).sum() / window.sum()) * window
    found = np.expm1(made("fft", pixels)[0].astype(float))
    assert np.square(found).mean() == pytest.approx(np.square(luma).sum() / np.square(window).sum(), rel=1e-5)
    assert found[33, 45] == pytest.approx(0, abs=1e-9)


def test_rings_of_the_spectrum_are_the_radial_power():
    pixels = noisy(7, 96, 96)
    power = np.square(np.expm1(made("fft", pixels)[0].astype(float)))
    row, column = np.mgrid[-48:48, -48:48] / 96
    frequency = np.hypot(row, column)
    ring = np.minimum((frequency * 2 * BANDS).astype(int), BANDS - 1)
    kept = (frequency > 0) & (frequency <= 0.5)
    found = [np.log(power[kept & (ring == one)].mean()) for one in range(BANDS)]
    assert found == pytest.approx(radial_log_power(pixels), abs=1e-4)


# --- differences ------------------------------------------------------------------------------------------


def test_differences_are_means_of_what_changed():
    before, after = rgb(np.full((4, 5), 100.0)), rgb(np.full((4, 5), 100.0))
    after[1, 2] = (103, 91, 100)
    after[2, 2] = (101, 100, 100)
    found = MAPS["difference"].numpy(before, after)
    assert (found[0, 1, 2], found[0, 2, 2], found.sum()) == (4, 0, 4)  # (3 + 9) / 3, and 1 / 3


def test_twins_of_differences_agree_and_pass_gradients():
    before, after = noisy(0, 30, 40), noisy(1, 30, 40)
    one = MAPS["difference"]
    pixels = batch([after]).requires_grad_()
    found = one.batched()(batch([before]), pixels)
    assert np.abs(found.detach().numpy()[0] - one.numpy(before, after)).max() <= one.bound
    found.sum().backward()
    assert pixels.grad.abs().max().item() == pytest.approx(255 / 3)


def test_differences_of_pictures_of_two_sizes_are_refused():
    with pytest.raises(UsageError, match="resize"):
        MAPS["difference"].numpy(noisy(0, 30, 40), noisy(0, 40, 30))
    with pytest.raises(ValueError, match="shape"):
        MAPS["difference"].batched()(torch.zeros(1, 3, 8, 9), torch.zeros(1, 3, 9, 8))
