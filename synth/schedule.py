"""The noise that training adds and sampling takes away."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor

__all__ = ["levels", "noise_scheduler"]

_TIMES = 1000
_CLEAN, _BURIED = 5.0, -9.0  # log of the signal-to-noise ratio, first and last


def noise_scheduler() -> Any:
    """Return the schedule that is trained: velocities, and pure noise at its end.

    Each step takes the same share of the signal-to-noise ratio. The colours of a picture of 64 x 64 are seen
    through noise of 60 times their size, which usual schedules pass in their last twentieth: a style that
    decides colours would hardly be learned.
    """
    share = torch.sigmoid(torch.linspace(_CLEAN, _BURIED, _TIMES, dtype=torch.float64))
    before = torch.cat([torch.ones(1, dtype=torch.float64), share[:-1]])
    return DDPMScheduler(
        num_train_timesteps=_TIMES,
        trained_betas=[round(beta, 9) for beta in (1 - share / before).tolist()],
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
