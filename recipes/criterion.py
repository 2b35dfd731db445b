"""The losses of a recipe against attacks, by name and weight, with what they learn and remember."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from facedata.recipes import losses as terms
from facedata.recipes.batches import FasBatch
from facedata.recipes.fas_config import LossConfig
from facedata.recipes.hardening import Hardening
from facedata.recipes.models.base import Network, Seen

__all__ = ["Criterion", "FasModule"]

_SPREAD = 1e-2  # least variance of a feature: a fresh Gaussian is as wide as it must be


class Criterion(nn.Module):
    """Weighted losses of answers on a batch.

    `domains`, `kinds` (live is 0) and `people` count what a batch numbers. Remembered risks and Gaussians are
    buffers: a state of the run holds them.
    """

    risks: Tensor
    seen: Tensor
    means: Tensor
    variances: Tensor
    met: Tensor

    def __init__(self, config: LossConfig, features: int, domains: int, kinds: int, people: int) -> None:
        super().__init__()
        self.config = config
        self.groups = kinds if config.risk_groups == "attack" else domains
        if config.risk_variance:
            self.register_buffer("risks", torch.zeros(self.groups))
            self.register_buffer("seen", torch.zeros(self.groups, dtype=torch.bool))
        if config.triplets:
            self.register_buffer("means", torch.zeros(kinds, features))
            self.register_buffer("variances", torch.ones(kinds, features))
            self.register_buffer("met", torch.zeros(kinds, dtype=torch.bool))
        if config.orthogonality:
            self.identity = nn.Linear(features, features)
            self.person = nn.Linear(features, people)

    def forward(self, seen: Seen, batch: FasBatch, views: Seen | None) -> dict[str, Tensor]:
        """Return the losses, weighted, by name."""
        each = functional.binary_cross_entropy_with_logits(
            seen.score, (~batch.spoof).to(seen.score.dtype), reduction="none"
        )
        found: dict[str, Callable[[], Tensor]] = {
            "cross_entropy": each.mean,
            "risk_variance": lambda: self._risk_variance(each, batch),
            "live_contrast": lambda: terms.live_contrast(
                seen.features, ~batch.spoof, self.config.temperature
            ),
            "asymmetric_contrast": lambda: self._views(seen, views, batch),
            "orthogonality": lambda: self._orthogonality(seen, batch),
            "triplets": lambda: self._triplets(seen.features, batch.kind),
            "mask": lambda: terms.mask_loss(seen.mask, batch.masks, batch.known),
        }
        weights = {name: float(getattr(self.config, name)) for name in found}
        return {name: weight * found[name]() for name, weight in weights.items() if weight}

    def _risk_variance(self, each: Tensor, batch: FasBatch) -> Tensor:
        group = batch.kind if self.config.risk_groups == "attack" else batch.domain
        risks, present = terms.spoof_risks(each, batch.spoof, group, self.groups)
        if not self.config.risk_momentum:
            return terms.risk_variance(risks, present, empty_as_zero=self.config.empty_as_zero)
        before = terms.RunningRisks(self.risks.clone(), self.seen.clone())
        means, after = before.update(risks, present, self.config.risk_momentum)
        if self.training:  # in place: processes that train together share the tensors themselves
            self.risks.copy_(after.means)
            self.seen.copy_(after.seen)
        return terms.risk_variance(means, after.seen, empty_as_zero=self.config.empty_as_zero)

    def _views(self, seen: Seen, views: Seen | None, batch: FasBatch) -> Tensor:
        other = seen if views is None else views
        return terms.asymmetric_contrast(seen.features, other.features, ~batch.spoof, self.config.temperature)

    def _orthogonality(self, seen: Seen, batch: FasBatch) -> Tensor:
        identity = self.identity(seen.trunk)
        named = batch.person >= 0
        people = self.person(identity)[named]
        told = functional.cross_entropy(people, batch.person[named]) if len(people) else people.sum() * 0
        return terms.orthogonality(seen.features, identity) + told

    def _triplets(self, features: Tensor, kind: Tensor) -> Tensor:
        """Move the Gaussians by a tenth towards this batch's samples; compare with those that were met."""
        if self.training:
            with torch.no_grad():
                self._move(features.detach(), kind)
        if int(self.met.sum()) < 2:
            return features.sum() * 0
        distances = terms.mahalanobis(features, self.means, torch.diag_embed(self.variances.sqrt()))
        return terms.mahalanobis_triplets(
            distances.masked_fill(~self.met, torch.inf), kind, self.config.margin
        )

    def _move(self, features: Tensor, kind: Tensor) -> None:
        for one in set(kind.tolist()):
            own = features[kind == one]
            share = 0.1 if bool(self.met[one]) else 1.0
            self.means[one] = torch.lerp(self.means[one], own.mean(0), share)
            spread = (own - self.means[one]).square().mean(0).clamp(min=_SPREAD)
            self.variances[one] = torch.lerp(self.variances[one], spread, share * min(1.0, len(own) / 8))
            self.met[one] = True


class FasModule(nn.Module):
    """A network with its losses: `module(batch)` returns them, `module.network(pictures)` the answers."""

    def __init__(self, network: Network, criterion: Criterion, hardening: Hardening | None = None) -> None:
        super().__init__()
        self.network, self.criterion, self.hardening = network, criterion, hardening
        if not criterion.config.mask:
            network.mask.requires_grad_(False)  # processes that train together wait for every gradient

    def forward(self, batch: FasBatch) -> dict[str, Tensor]:
        """Return the weighted losses of a batch."""
        pictures = self.hardening.worse(self.network, batch) if self.hardening else batch.pictures
        seen = self.network(pictures, batch.looks[0].kept)
        views = self.network(batch.views, batch.looks[1].kept) if batch.views is not None else None
        losses: dict[str, Tensor] = self.criterion(seen, batch, views)
        if self.hardening:
            losses |= self.hardening.losses(self.network, seen, pictures, batch)
        return losses
