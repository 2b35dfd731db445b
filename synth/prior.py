"""What an attack does to a live face, before the network has looked: an affine map of colours, and a rest.

A network of a few million numbers that sees a few hundred pairs learns in minutes what cannot be said in
advance, and only that. What can be said is measured on the pairs:

- An attack differs from the live face by little, so what is noised and predicted is the difference
  (`to_state`), in units of its own spread: noise that just buries a face has buried that long before.
- Most of the difference (85 % of its power on demo faces) is an affine map of the live colours, which a
  medium, a lamp and a camera make of them. Its coefficients have a mean and a covariance.
- The rest has a spectrum: much power in low frequencies, little in high ones.

With that, the mean of the difference given a noisy one is linear algebra: a Wiener filter with a regression
in it (`best_guess`). The network predicts what is left, in units of the deviation that is left. A head of it
says which map the style asks for, and how sure it is, as a shift and a scale of the measured distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from facedata.synth.conditions import Conditions

__all__ = ["Maps", "Prior", "cosines"]

_RIDGE = 20.0  # pixels' worth of trust in no change, where a flat face does not tell a map's coefficients
_LEAST = 1e-4  # of the power of a frequency, and of the variance of a coefficient
_PER_OCTAVE = 2  # bands of the spectrum


class Maps(NamedTuple):
    """Which maps of colours a style asks for: standardised coefficients, n x ck, and their deviations."""

    asked: Tensor
    doubt: Tensor


class Prior:
    """The measured prior of differences between attacks and their live faces.

    Of c channels: `spread` is the root mean square of the difference where there is content, `alone` that of
    the attack itself where there is none. In units of these, with k = 1 + c terms (a constant, and each
    channel of the content): `mean`, c x k, and `covariance`, ck x ck, of the maps' coefficients; `mixing`,
    c x c, turns channels into uncorrelated ones, and `power`, c x bands, is the rest's in each, in bands of
    half an octave.
    """

    def __init__(
        self,
        spread: float,
        alone: float,
        mean: Sequence[Sequence[float]],
        covariance: Sequence[Sequence[float]],
        mixing: Sequence[Sequence[float]],
        power: Sequence[Sequence[float]],
    ) -> None:
        self.spread, self.alone = spread, alone
        self.mean = torch.tensor(mean, dtype=torch.float32)
        self.factor = torch.linalg.cholesky(torch.tensor(covariance, dtype=torch.float64)).float()
        self.mixing = torch.tensor(mixing, dtype=torch.float32)
        self.power = torch.tensor(power, dtype=torch.float32)

    @staticmethod
    def measured(target: Tensor, content: Tensor, coverage: Tensor) -> dict[str, Any]:
        """Return the arguments of the prior of n pairs, n x c x h x w, as JSON takes them.

        `coverage`, n x 1 x h x w in [0, 1], is where there is content.
        """
        covered = coverage.expand_as(target)
        apart = ((target - content).square() * covered).sum() / covered.sum().clamp(min=1e-6)
        spread, alone = _at_least(apart.sqrt()), _at_least(target.square().mean().sqrt())
        content = content * coverage
        unit = alone + (spread - alone) * coverage
        difference = (target - content) / unit
        terms = (torch.cat([coverage, content], dim=1) * spread / unit).double()
        fits = _fits(terms.flatten(2), difference.double().flatten(2))
        mean = fits.mean(dim=0)
        off = (fits - mean).flatten(1)
        covariance = off.T @ off / len(off) + _LEAST * torch.eye(off.shape[1], dtype=torch.float64)
        # Where the content does not reach, the rest is another thing: what lies around the medium.
        rest = (difference - torch.einsum("nck,nkhw->nchw", fits, terms).float()) * (coverage > 0.99)
        flat = rest.transpose(0, 1).flatten(1)
        mixing = torch.linalg.eigh(flat @ flat.T / flat.shape[1])[1]
        squares = cosines(torch.einsum("nchw,cd->ndhw", rest, mixing)).square().mean(dim=0)
        bands = _bands(*target.shape[2:])
        power = [
            [_at_least(_mean_of(part, bands == band), _LEAST) for band in range(int(bands.max()) + 1)]
            for part in squares
        ]
        return {
            "spread": spread,
            "alone": alone,
            "mean": mean.tolist(),
            "covariance": covariance.tolist(),
            "mixing": mixing.tolist(),
            "power": power,
        }

    @staticmethod
    def unmeasured(channels: int, spread: float = 0.3) -> dict[str, Any]:
        """Return the arguments of a prior that knows nothing but a spread: white, no map."""
        terms = channels * (channels + 1)
        return {
            "spread": spread,
            "alone": 0.5,
            "mean": [[0.0] * (channels + 1)] * channels,
            "covariance": torch.eye(terms).mul(_LEAST).tolist(),
            "mixing": torch.eye(channels).tolist(),
            "power": [[1.0]] * channels,
        }

    def to_state(self, pictures: Tensor, content: Tensor, coverage: Tensor) -> Tensor:
        """Return how pictures (n x c x h x w, or latents) differ from their content, of unit spread."""
        return (pictures - content * coverage) / self._unit(coverage)

    def to_pictures(self, state: Tensor, content: Tensor, coverage: Tensor) -> Tensor:
        """Return the pictures of differences: what `to_state` was given."""
        return content * coverage + state * self._unit(coverage)

    def fits_of(self, state: Tensor, given: Conditions) -> Tensor:
        """Return the maps that tell differences best, n x ck, standardised: what the head is to say."""
        terms = self._terms(given, state.shape[2:], given.covered(state.shape[2:]))
        found = _fits(terms.flatten(2).double(), state.flatten(2).double()).float() - self.mean.to(
            state.device
        )
        factor = self.factor.to(state.device)
        maps: Tensor = torch.linalg.solve_triangular(factor, found.flatten(1)[..., None], upper=False)[..., 0]
        return maps

    def best_guess(
        self, noisy: Tensor, given: Conditions, alpha: Tensor, sigma: Tensor, maps: Maps
    ) -> tuple[Tensor, Tensor]:
        """Return the mean of the differences given noisy ones, n x c x h x w, and how far off it is.

        That is a root mean square, n x 1 x 1 x 1. `noisy` is alpha * difference + sigma * noise, alpha and
        sigma n x 1 x 1 x 1; all is float32. Content that is left out is not looked at.
        """
        size = noisy.shape[2:]
        coverage = given.covered(size) * given.has_content[:, None, None, None]
        terms = cosines(self._terms(given, size, coverage))
        mixing, factor = self.mixing.to(noisy.device), self.factor.to(noisy.device)
        power = self._power_at(*size).to(noisy.device)
        channels, count = self.mean.shape
        asked_for = (factor @ maps.asked[..., None]).reshape(-1, channels, count)
        expected = torch.einsum("nck,nkhw->nchw", self.mean.to(noisy.device) + asked_for, terms)
        spectrum = alpha.square() * power + sigma.square()
        seen = torch.einsum("nchw,cd->ndhw", cosines(noisy) - alpha * expected, mixing)
        weigh = spectrum.rsqrt()
        columns = torch.einsum("cd,nkhw->nckdhw", mixing, terms) * (alpha * weigh)[:, None, None]
        columns = columns.reshape(len(noisy), channels * count, -1)
        # In double: at little noise the data outweigh the prior by many powers of ten.
        doubt = (factor * maps.doubt[:, None, :]).double()
        prior = torch.linalg.inv(doubt @ doubt.transpose(1, 2))
        left = torch.linalg.inv((columns @ columns.transpose(1, 2)).double() + prior)
        told = (columns @ (seen * weigh).flatten(1)[..., None]).double()
        fits = (left @ told)[..., 0].float().reshape(-1, channels, count)
        mapped = torch.einsum("nck,nkhw->nchw", fits, terms)
        rest = alpha * power / spectrum * (seen - alpha * torch.einsum("nchw,cd->ndhw", mapped, mixing))
        guess = cosines(torch.einsum("ndhw,cd->nchw", rest, mixing) + mapped + expected, back=True)
        of_rest = (power * sigma.square() / spectrum).mean(dim=(1, 2, 3))
        blocks = left.float().reshape(-1, channels, count, channels, count)
        gram = torch.einsum("nkhw,njhw->nkj", terms, terms) / noisy[0].numel()
        of_map = torch.einsum("nckcj,nkj->n", blocks, gram)
        return guess, (of_rest + of_map).clamp(min=1e-8).sqrt()[:, None, None, None]

    def _terms(self, given: Conditions, size: Sequence[int], coverage: Tensor) -> Tensor:
        """Return what maps are made of: a constant and the content's channels, n x k x h x w."""
        scale = self.spread / self._unit(given.covered(size))
        return torch.cat([coverage, given.content.float() * coverage], dim=1) * scale

    def _unit(self, coverage: Tensor) -> Tensor:
        return self.alone + (self.spread - self.alone) * coverage

    def _power_at(self, height: int, width: int) -> Tensor:
        bands = _bands(height, width).clamp(max=self.power.shape[1] - 1)
        return self.power[:, bands]


def cosines(pictures: Tensor, *, back: bool = False) -> Tensor:
    """Return the orthonormal DCT-II of ... x h x w, or with `back` what it is the transform of.

    As products of matrices: fast enough at these sizes, and the same on every device.
    """
    rows, columns = (_cosines(side).to(pictures) for side in pictures.shape[-2:])
    return rows.T @ pictures @ columns if back else rows @ pictures @ columns.T


@lru_cache(maxsize=8)
def _cosines(side: int) -> Tensor:
    order = torch.arange(side, dtype=torch.float64)
    matrix = torch.cos(torch.pi * order[:, None] * (order + 0.5) / side) * math.sqrt(2 / side)
    matrix[0] /= math.sqrt(2)
    return matrix.float()


@lru_cache(maxsize=8)
def _bands(height: int, width: int) -> Tensor:
    """Return the band of each frequency, h x w: half-octaves of its distance from 0, in half cycles."""
    distance = torch.hypot(torch.arange(height)[:, None].double(), torch.arange(width)[None].double())
    return (distance.mul(2).clamp(min=1).log2() * _PER_OCTAVE).round().long()


def _fits(terms: Tensor, wanted: Tensor) -> Tensor:
    """Return the maps, n x c x k, from n x k x pixels to n x c x pixels, by ridge regression."""
    ridge = _RIDGE * torch.eye(terms.shape[1], dtype=terms.dtype)
    across = terms @ terms.transpose(1, 2) + ridge
    found: Tensor = torch.linalg.solve(across, terms @ wanted.transpose(1, 2))
    return found.transpose(1, 2)


def _mean_of(powers: Tensor, chosen: Tensor) -> Tensor:
    return powers[chosen].mean() if chosen.any() else powers.mean()  # the lowest bands are single frequencies


def _at_least(value: Tensor, least: float = 1e-3) -> float:
    return max(float(value), least)
