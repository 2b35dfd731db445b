"""Losses of the recipes: pure functions of tensors, each with its closed form.

Shapes: n samples, d features, k classes or units. A function that finds nothing to learn from in a batch (no
spoof, one live face, no mask) returns a zero that gradients pass through, so that a step on an unlucky batch
is a step without that term and never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "RunningRisks",
    "asymmetric_contrast",
    "live_contrast",
    "mahalanobis",
    "mahalanobis_triplets",
    "mask_loss",
    "orthogonality",
    "risk_variance",
    "soft_label_loss",
    "spoof_risks",
    "unit_loss",
]


def spoof_risks(losses: Tensor, spoof: Tensor, group: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Return the mean loss of the spoofs of each group, (groups,), and which groups have one, (groups,) bool.

    `losses` (n,) are per sample, `spoof` (n,) is bool, and `group` (n,) int64 numbers domains, or kinds of
    attack, from 0. The risk of a group without a spoof is 0: look at the mask.
    """
    weights = spoof.to(losses.dtype)
    sums = losses.new_zeros(groups).index_add(0, group, losses * weights)
    counts = losses.new_zeros(groups).index_add(0, group, weights)
    return sums / counts.clamp(min=1), counts > 0


def risk_variance(risks: Tensor, present: Tensor, *, empty_as_zero: bool = False) -> Tensor:
    """Return the population variance of the groups' risks, over the groups that are present (SARE).

    With `empty_as_zero` a group without a spoof enters with risk 0, as in the reference implementation: equal
    risks of 0.7 and two empty groups of six then give 0.109, where nothing is unequal.

    Source: Cai et al. 2024, Towards Data-Centric Face Anti-spoofing (arXiv 2409.03501).
    """
    kept = torch.ones_like(risks) if empty_as_zero else present.to(risks.dtype)
    number = kept.sum().clamp(min=1)
    mean = (risks * kept).sum() / number
    return (kept * (risks - mean) ** 2).sum() / number


@dataclass(frozen=True)
class RunningRisks:
    """Risks that are remembered from batch to batch, for batches too small to hold every group.

    `means` (groups,) and `seen` (groups,) bool are the state; a checkpoint keeps both.
    """

    means: Tensor
    seen: Tensor

    @classmethod
    def start(cls, groups: int) -> RunningRisks:
        """Return a state that has seen nothing."""
        return cls(torch.zeros(groups), torch.zeros(groups, dtype=torch.bool))

    def update(self, risks: Tensor, present: Tensor, momentum: float = 0.9) -> tuple[Tensor, RunningRisks]:
        """Return the remembered risks, with gradients through this batch's share, and the next state.

        A group that was seen before moves by 1 - `momentum`; its gradient is that much smaller too. One that
        is seen for the first time takes this batch's risk. `risk_variance(risks, state.seen)` comes next.
        """
        old, seen = self.means.to(risks), self.seen.to(present.device)
        mixed = torch.where(seen, momentum * old + (1 - momentum) * risks, risks)
        means = torch.where(present, mixed, old)
        return means, RunningRisks(means.detach(), seen | present)


def live_contrast(features: Tensor, live: Tensor, temperature: float = 0.1) -> Tensor:
    """Return supervised contrast among the live samples alone: each is to resemble every other one.

    `features` (n, d) are normalised here; `live` (n,) is bool. With m live samples the least value, at equal
    features, is log(m - 1). Spoofs take no part: there is no reason why they should resemble each other.

    Source: Khosla et al. 2020 (arXiv 2004.11362), equation 2, on live samples as in arXiv 2409.03501.
    """
    alike = functional.normalize(features[live], dim=1)
    if len(alike) < 2:
        return features.sum() * 0
    same = torch.eye(len(alike), dtype=torch.bool, device=features.device)
    scores = (alike @ alike.T / temperature).masked_fill(same, -torch.inf)
    logs = (scores - scores.logsumexp(1, keepdim=True)).masked_fill(same, 0)
    return -logs.sum(1).mean() / (len(alike) - 1)


def asymmetric_contrast(features: Tensor, views: Tensor, live: Tensor, temperature: float = 0.1) -> Tensor:
    """Return contrast that draws live samples together, and a spoof only to another view of itself.

    `features` and `views` (n, d) are two views of the same samples. A live anchor's positives are all other
    live features of both views; a spoof anchor's is its own second view. Every other feature is a negative,
    but for a spoof the other spoofs, of which nothing is asked: attacks differ among themselves.

    This is the asymmetry that DLIF asks for (Yang et al. 2024, arXiv 2407.08243), written as InfoNCE; their
    own weighting of augmented instances is not in it.
    """
    if not (number := len(features)):
        return features.sum() * 0
    both = functional.normalize(torch.cat([features, views]), dim=1)
    kinds = torch.cat([live, live])
    place = torch.arange(2 * number, device=features.device)
    itself = place[:, None] == place[None]
    twin = place[:, None] % number == place[None] % number
    alike = kinds[:, None] & kinds[None]
    positive = (alike | twin) & ~itself
    compared = (positive | (kinds[:, None] != kinds[None])) & ~itself
    scores = (both @ both.T / temperature).masked_fill(~compared, -torch.inf)
    logs = (scores - scores.logsumexp(1, keepdim=True)).masked_fill(~positive, 0)
    return -(logs.sum(1) / positive.sum(1)).mean()


def orthogonality(liveness: Tensor, identity: Tensor) -> Tensor:
    """Return the mean squared cosine between liveness and identity features, (n, d) each: 0 at right angles.

    Gradients reach both; detach the identity features where they come from a network that stays as it is.

    Source: the aim of DLIF (arXiv 2407.08243), in its simplest form.
    """
    if not len(liveness):
        return liveness.sum() * 0
    return functional.cosine_similarity(liveness, identity, dim=1).square().mean()


def mahalanobis(features: Tensor, means: Tensor, scale_tril: Tensor) -> Tensor:
    """Return the Mahalanobis distances, (n, k), of features (n, d) to k Gaussians.

    `means` are (k, d) and `scale_tril` (k, d, d) the lower Cholesky factors of the covariances.
    """
    off = (features[:, None] - means[None]).permute(1, 2, 0)
    white: Tensor = torch.linalg.solve_triangular(scale_tril, off, upper=False)
    # the slope of a root at 0 is infinite: a feature on a mean would give NaN
    return white.square().sum(1).clamp(min=1e-12).sqrt().T


def mahalanobis_triplets(distances: Tensor, kind: Tensor, margin: float = 1.0) -> Tensor:
    """Return how far, on average, a sample's own Gaussian is from being nearer by `margin` than any other.

    `distances` (n, k) are as `mahalanobis` gives them, `kind` (n,) int64 is 0 for live and then the kinds of
    attack; k is at least 2.

    Source: Long et al. 2024, Confidence Aware Learning for Reliable Face Anti-spoofing (arXiv 2411.01263);
    the nearest other Gaussian is the negative.
    """
    if not len(distances):
        return distances.sum() * 0
    own = distances.gather(1, kind[:, None])[:, 0]
    others = distances.scatter(1, kind[:, None], torch.inf).min(1).values
    return functional.relu(own - others + margin).mean()


def mask_loss(logits: Tensor, masks: Tensor, known: Tensor) -> Tensor:
    """Return binary cross entropy against where the attack medium shows, over the samples with a mask.

    `logits` are (n, 1, h, w), `masks` (n, 1, H, W) in [0, 1], averaged down to h x w, and `known` (n,) bool
    says whose mask is truth (a live sample's is all 0). Every known sample counts alike, and what the others'
    masks hold, NaN too, plays no part.
    """
    truth = torch.where(known[:, None, None, None], masks, 0.0)
    target = functional.interpolate(truth, size=logits.shape[-2:], mode="area")
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean((1, 2, 3))
    return _mean(each, known)


def unit_loss(
    logits: Tensor, present: Tensor, coded: Tensor, positive_weight: Tensor | None = None
) -> Tensor:
    """Return binary cross entropy of action units, over what was coded: "not coded" gives no gradient.

    `logits` and `present` are (n, k), `coded` (n, k) bool; what `present` holds elsewhere, NaN too, plays no
    part. `positive_weight` (k,) weighs present units, for units that seldom show.
    """
    target = torch.where(coded, present, 0.0).to(logits.dtype)
    each = functional.binary_cross_entropy_with_logits(
        logits, target, pos_weight=positive_weight, reduction="none"
    )
    return _mean(each, coded)


def soft_label_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Return cross entropy against shares of votes, (n, k) both; a row without votes is left out.

    Shares are scaled to add up to one, so counts of votes will do. The least value is the votes' own entropy.
    """
    total = shares.sum(1)
    target = shares / total.clamp(min=torch.finfo(shares.dtype).tiny)[:, None]
    each = -(target * functional.log_softmax(logits, dim=1)).sum(1)
    return _mean(each, total > 0)


def _mean(values: Tensor, kept: Tensor) -> Tensor:
    """Return the mean of what is kept, 0 where nothing is."""
    weights = kept.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp(min=1)
