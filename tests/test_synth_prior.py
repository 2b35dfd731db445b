"""What is said of an attack before the network has looked: measured, and held to what was planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn

from facedata.synth.conditions import Conditions
from facedata.synth.losses import map_loss
from facedata.synth.prior import Maps, Prior, cosines
from facedata.synth.schedule import levels, noise_scheduler

SIDE = 32


def conditions(content, coverage=None, given=True):
    count = len(content)
    no = torch.zeros(count, dtype=torch.bool)
    return Conditions(
        content,
        torch.zeros(count, 3, 8, 8),
        torch.zeros(count, dtype=torch.long),
        torch.zeros(count, 4),
        torch.full((count,), given),
        no,
        no,
        no,
        coverage,
    )


def planted(count=400, seed=0):
    """Live faces, and attacks that are a drawn map of their colours and a smooth rest."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 6, 6, generator=draw) * 0.5
    content = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic")
    gains = torch.eye(3) * (0.7 + 0.15 * torch.randn(count, 1, 1, generator=draw))
    offsets = 0.1 + 0.2 * torch.randn(count, 3, generator=draw)
    rest = cosines(torch.randn(count, 3, SIDE, SIDE, generator=draw))
    far = torch.hypot(torch.arange(SIDE)[:, None].float(), torch.arange(SIDE)[None].float())
    rest = cosines(rest * 0.4 / (1 + far), back=True)
    target = torch.einsum("ncd,ndhw->nchw", gains, content) + offsets[..., None, None] + rest
    return target, content, torch.ones(count, 1, SIDE, SIDE)


def measured():
    """A planted prior, and fresh pairs that it was not measured on."""
    told = Prior.measured(*planted())
    return Prior(**told), planted(64, seed=1)


def test_cosines_are_the_orthonormal_transform_of_scipy_and_go_back():
    pictures = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    there = cosines(pictures)
    wanted = dctn(pictures.numpy(), axes=(2, 3), norm="ortho")
    np.testing.assert_allclose(there.numpy(), wanted, atol=1e-5)
    np.testing.assert_allclose(
        cosines(there, back=True).numpy(), idctn(wanted, axes=(2, 3), norm="ortho"), atol=1e-5
    )


def test_differences_go_to_states_of_unit_spread_and_back():
    prior, (target, content, coverage) = measured()
    coverage = coverage.clone()
    coverage[:, :, :8] = 0.25
    state = prior.to_state(target, content, coverage)
    torch.testing.assert_close(prior.to_pictures(state, content, coverage), target, atol=1e-5, rtol=1e-5)
    whole = prior.to_state(*planted(64, seed=1))
    assert float(whole.square().mean()) == pytest.approx(1, abs=0.15)


def test_the_maps_of_planted_attacks_are_found():
    target, content, coverage = planted()
    prior = Prior(**Prior.measured(target, content, coverage))
    # difference = (gain - 1) content + offset, in units of the spread
    gains = prior.mean[:, 1:] * prior.spread
    torch.testing.assert_close(gains, -0.3 * torch.eye(3), atol=0.05, rtol=0)  # ridge
    torch.testing.assert_close(prior.mean[:, 0] * prior.spread, torch.full((3,), 0.1), atol=0.03, rtol=0)
    fits = prior.fits_of(prior.to_state(target, content, coverage), conditions(content))
    torch.testing.assert_close(fits.mean(0), torch.zeros(12), atol=0.01, rtol=0)
    assert float(fits.var(0).mean()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("time", [999, 900, 700, 500, 200, 0])
def test_the_guess_is_off_by_as_much_as_it_says_and_by_less_than_any_plain_one(time):
    prior, (target, content, coverage) = measured()
    given = conditions(content)
    state = prior.to_state(target, content, coverage)
    noise = torch.randn(state.shape, generator=torch.Generator().manual_seed(2))
    alpha, sigma = levels(torch.full((len(state),), time))
    noisy = alpha * state + sigma * noise
    measured_maps = Maps(torch.zeros(len(state), 12), torch.ones(len(state), 12))
    guess, deviation = prior.best_guess(noisy, given, alpha, sigma, measured_maps)
    off = (guess - state).square().mean()
    assert float(off.sqrt()) == pytest.approx(float(deviation.square().mean().sqrt()), rel=0.12)
    # no better are: the average attack, the noisy picture as it is, and a Wiener filter of one gain
    average = (state - state.mean(dim=0)).square().mean()
    gain = alpha / (alpha.square() + sigma.square())
    assert off <= 1.05 * min(average, (gain * noisy - state).square().mean())


def test_a_map_that_is_asked_for_moves_the_guess_of_pure_noise_there():
    prior, (target, content, coverage) = measured()
    given = conditions(content)
    state = prior.to_state(target, content, coverage)
    wanted = prior.fits_of(state, given)
    alpha, sigma = levels(torch.full((len(state),), 999))
    noise = torch.randn(state.shape, generator=torch.Generator().manual_seed(3))
    asked = Maps(wanted, torch.full_like(wanted, 0.15))
    told, _ = prior.best_guess(sigma * noise, given, alpha, sigma, asked)
    plain, _ = prior.best_guess(sigma * noise, given, alpha, sigma, Maps(0 * wanted, 1 + 0 * wanted))
    assert (told - state).square().mean() < 0.25 * (plain - state).square().mean()


def test_content_that_is_left_out_is_not_looked_at():
    prior, (target, content, coverage) = measured()
    state = prior.to_state(target, content, coverage)
    alpha, sigma = levels(torch.full((len(state),), 600))
    maps = Maps(torch.zeros(len(state), 12), torch.ones(len(state), 12))
    one, other = (
        prior.best_guess(alpha * state, conditions(shown, given=False), alpha, sigma, maps)[0]
        for shown in (content, content.flip(0))
    )
    assert torch.equal(one, other)
    seen, _ = prior.best_guess(alpha * state, conditions(content), alpha, sigma, maps)
    assert not torch.allclose(one, seen)


def test_each_step_of_the_schedule_takes_the_same_share_of_the_signal_and_the_last_leaves_none():
    shares = noise_scheduler().alphas_cumprod.double()
    assert shares[-1] == 0
    ratios = (shares / (1 - shares))[:-1].log()
    steps = ratios[:700].diff()  # after that, what takes the last signal away is felt
    assert float(steps.std() / steps.mean().abs()) < 0.05
    assert bool((ratios.diff() < 0).all())
    assert float(ratios[-2]) < -9
    assert float(ratios[0]) == pytest.approx(5, abs=0.1)


def test_the_loss_of_maps_is_least_at_their_mean_and_deviation():
    wanted = 0.3 + 0.5 * torch.randn(20000, 1, generator=torch.Generator().manual_seed(0))

    def at(mean, deviation):
        return float(map_loss(wanted, torch.full_like(wanted, mean), torch.full_like(wanted, deviation)))

    best = at(0.3, 0.5)
    assert best == pytest.approx(0.5 + np.log(0.5), abs=0.02)
    assert all(best < at(*told) for told in ((0.5, 0.5), (0.1, 0.5), (0.3, 0.3), (0.3, 0.9)))
