"""How training makes a network robust: attacked pictures, a guide beside it, branches inside it."""

from __future__ import annotations

from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from facedata.recipes.batches import FasBatch
from facedata.recipes.fas_config import FasConfig
from facedata.recipes.models.base import Network, Seen
from facedata.recipes.models.build import build_network
from facedata.recipes.pretrained import Pretrained
from facedata.recipes.robust import Attack, Frozen, add_layernorm_lora, attacked, guidance

__all__ = ["Guide", "Hardening", "begun", "made_network"]

_LARGE = 1024.0  # only signs of gradients count, and in half precision small ones would become 0


def begun(config: FasConfig, pretrained: Pretrained | None) -> tuple[Network, Guide | None]:
    """Return the network that training begins with, drawn from torch's generator, and its guide if asked."""
    network = pretrained.network(config) if pretrained else build_network(config.network)
    guide = Guide(network, by_score=pretrained is not None) if config.robust.guidance else None
    return _branched(network, config), guide


def made_network(config: FasConfig, architecture: dict[str, Any] | None) -> Network:
    """Return a network that a card describes, for its weights to be put into."""
    return _branched(build_network(config.network, architecture), config)


def _branched(network: Network, config: FasConfig) -> Network:
    """Give a vit's own linear layers low-rank branches; its convolutional adapters learn as before."""
    if rank := config.robust.lora_rank:
        from facedata.recipes.models.vit import Adapter

        vit = network.get_submodule("vit")
        adapters = [name for name, one in vit.named_modules() if isinstance(one, Adapter)]
        add_layernorm_lora(vit, rank, learn=adapters, seed=config.loop.seed)
    return network


class Guide:
    """A network as it was when training began.

    It is no module, so that no state and no average holds it, and a copy of what it guides shares it. With
    `by_score` its score is believed; else, where the heads have learned nothing, its trunk.
    """

    def __init__(self, network: Network, *, by_score: bool) -> None:
        self.by_score = by_score
        self._frozen = Frozen(network)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __call__(self, pictures: Tensor) -> Seen:
        """Return what it says of pictures."""
        return cast(Seen, self._frozen.to(pictures.device)(pictures))

    def distance(self, seen: Seen, pictures: Tensor) -> Tensor:
        """Return how far answers on pictures are from its own.

        By its score the divergence of PMG-AFT; by its trunk one less the mean cosine, for a vit that comes
        without classes.
        """
        told = self(pictures)
        if self.by_score:
            return guidance(_classes(seen.score), _classes(told.score))
        return 1 - functional.cosine_similarity(seen.trunk, told.trunk, dim=1).mean()


class Hardening:
    """What of a batch is attacked, and what is asked of the answers."""

    def __init__(self, config: FasConfig, guide: Guide | None) -> None:
        told = config.robust
        self._config, self._guide = told, guide
        self._how = Attack(told.attack or "pgd", told.epsilon, told.iterations, told.step, config.loop.seed)

    def worse(self, network: Network, batch: FasBatch) -> Tensor:
        """Return the batch's pictures, those that are to be attacked changed so that cross entropy grows."""
        if (chosen := batch.attacked) is None:
            return batch.pictures
        live = (~batch.spoof[chosen]).float()

        def loss(score: Tensor) -> Tensor:
            return _LARGE * functional.binary_cross_entropy_with_logits(score, live, reduction="sum")

        pictures = batch.pictures.clone()
        scorer = _Scorer(network, _kept(batch))
        pictures[chosen] = attacked(scorer, pictures[chosen], loss, self._how, batch.number)
        return pictures

    def losses(self, network: Network, seen: Seen, pictures: Tensor, batch: FasBatch) -> dict[str, Tensor]:
        """Return the weighted losses of the answers on pictures that were attacked, by name."""
        if (chosen := batch.attacked) is None:
            return {}
        told, own = self._config, seen.of(chosen)
        found = {}
        if self._guide is not None:
            found["guidance"] = told.guidance * self._guide.distance(own, pictures[chosen])
        if told.consistency:
            clean = network(batch.pictures[chosen], _kept(batch))
            found["consistency"] = told.consistency * guidance(_classes(own.score), _classes(clean.score))
        return found


class _Scorer(nn.Module):
    """A network whose one answer is the score."""

    def __init__(self, network: Network, kept: Tensor | None) -> None:
        super().__init__()
        self.network, self.kept = network, kept

    def forward(self, pictures: Tensor) -> Tensor:
        score: Tensor = self.network(pictures, self.kept).score
        return score


def _kept(batch: FasBatch) -> Tensor | None:
    """Return which modalities of the attacked samples are there."""
    kept = batch.looks[0].kept
    return kept if kept is None or batch.attacked is None else kept[batch.attacked]


def _classes(score: Tensor) -> Tensor:
    """Return log-odds (n,) as logits of two classes, (n, 2)."""
    return torch.stack([torch.zeros_like(score), score], 1)
