"""The noise that training adds, and the best guess before the network has said anything."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from diffusers import DDPMScheduler
from torch import Tensor

__all__ = ["best_guess", "levels", "noise_scheduler"]


def noise_scheduler() -> Any:
    """Return the schedule that is trained: velocities, and pure noise at its end."""
    return DDPMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )


@lru_cache(maxsize=1)
def _shares() -> Tensor:
    shares: Tensor = noise_scheduler().alphas_cumprod.float()
    return shares


def levels(times: Tensor) -> tuple[Tensor, Tensor]:
    """Return (alpha, sigma) of n times of the schedule: n x 1 x 1 x 1 float32, squares summing to 1."""
    shares = _shares().to(times.device)[times.long()][:, None, None, None]
    return shares.sqrt(), (1 - shares).sqrt()


def best_guess(centre: Tensor, spread: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Return the velocity that is expected before the noisy picture is looked at, and its deviation.

    Takes the clean picture for `centre` (n x c x h x w) with a deviation of `spread` (n x 1 x 1 x 1) in each
    value. The velocity alpha * noise - sigma * clean then has the mean -sigma * centre, and the deviation
    sqrt(alpha^2 + sigma^2 spread^2), n x 1 x 1 x 1. A network that predicts (velocity - mean) / deviation
    starts from the live face, and has a target of unit spread at every time, which is half of what Karras et
    al. do (Elucidating the Design Space, NeurIPS 2022), about a centre that is known. Their other half also
    looks at the noisy picture, and takes what differs from the centre for white noise; lighting and colours
    are not, and fine detail was learned more slowly with it.
    """
    return -sigma * centre, (alpha.square() + (sigma * spread).square()).sqrt()
