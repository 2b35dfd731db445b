"""Losses as functions of tensors."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - the name that torch's own documentation uses
from torch import Tensor

__all__ = ["clean_of", "map_loss", "relative_quality_loss", "sharpness", "snr_weights", "velocity"]


def snr_weights(snr: Tensor, gamma: float) -> Tensor:
    """Return the weights of a velocity's squared errors, n, after Hang et al., Min-SNR, ICCV 2023.

    Their min(snr, gamma) / (snr + 1) is 0 at a signal-to-noise ratio of 0, where sampling starts if the
    schedule ends in pure noise; min(snr + 1, gamma) / (snr + 1) is 1 there and falls off alike.
    """
    return (snr + 1).clamp(max=gamma) / (snr + 1)


def sharpness(pictures: Tensor) -> Tensor:
    """Return the log of the mean magnitude of the Laplacian of n x c x h x w pictures: n, differentiable."""
    around = F.avg_pool2d(pictures, 3, stride=1)
    return (pictures[..., 1:-1, 1:-1] - around).abs().mean(dim=(1, 2, 3)).add(1e-3).log()


def relative_quality_loss(found: Tensor, wanted: Tensor, weights: Tensor, margin: float = 0.1) -> Tensor:
    """Return how often, and by how much, pairs of a batch are in the wrong order of quality.

    `found` and `wanted` are n values, `weights` n in [0, 1]. A pair whose wanted values differ by at least
    `margin` should differ by half of that at least, in the same direction. After the idea of DiffFAS
    (arXiv 2409.08572), whose released code has no such loss: which of two pictures is better is easier told,
    and less tied to a measure, than how good each is.
    """
    apart = wanted[:, None] - wanted[None, :]
    pairs = (apart > margin).to(found.dtype) * weights[:, None] * weights[None, :]
    missing = F.relu(0.5 * apart.clamp(max=1.0) - (found[:, None] - found[None, :]))
    return (missing * pairs).sum() / pairs.sum().clamp(min=1.0)


def map_loss(wanted: Tensor, asked: Tensor, doubt: Tensor) -> Tensor:
    """Return how unlikely maps are, a mean over n x m coefficients: Gaussian, of mean `asked`.

    `doubt` are deviations; what does not depend on either is left out.
    """
    return ((wanted - asked).square() / doubt.square() / 2 + doubt.log()).mean()


def velocity(clean: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """Return alpha * noise - sigma * clean (Salimans and Ho, ICLR 2022), alpha and sigma n x 1 x 1 x 1."""
    return alpha * noise - sigma * clean


def clean_of(noisy: Tensor, predicted: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """Return the clean picture that a velocity stands for: alpha * noisy - sigma * velocity."""
    return alpha * noisy - sigma * predicted
