"""A network of labels with its losses, by name and weight."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from facedata.recipes import losses as terms
from facedata.recipes.labels.batches import LabelBatch, Told
from facedata.recipes.labels.config import LabelLossConfig
from facedata.recipes.labels.contrast import (
    cross_identity_contrast,
    masked_error,
    patterns,
    temporal_contrast,
)
from facedata.recipes.labels.network import LabelNetwork, Said
from facedata.recipes.labels.truth import Labels

__all__ = ["LabelModule", "rare_weights", "supervised"]


class LabelModule(nn.Module):
    """`module(batch)` returns the losses, `module.network(...)` the answers.

    `weights` (u,) is how much more a unit counts where it shows.
    """

    weights: Tensor

    def __init__(self, network: LabelNetwork, config: LabelLossConfig, weights: Tensor) -> None:
        super().__init__()
        self.network, self.config = network, config
        self.register_buffer("weights", weights)

    def said(self, batch: LabelBatch) -> Said:
        """Return the network's answers on a batch."""
        said: Said = self.network(batch.pictures, batch.item, len(batch.person), batch.places)
        return said

    def forward(self, batch: LabelBatch) -> dict[str, Tensor]:
        """Return the weighted losses of a batch."""
        said, config = self.said(batch), self.config
        found = supervised(said, batch.told, config, self.weights)
        if config.neighbours:
            near = temporal_contrast(said.pictures, batch.item, batch.time, config.far, config.margin)
            found["neighbours"] = config.neighbours * near
        if config.people:
            found["people"] = config.people * self._people(said, batch)
        return found

    def _people(self, said: Said, batch: LabelBatch) -> Tensor:
        """Compare the first pictures of items, by units or else by expressions.

        Where no unit is learned, the expression of most votes is what a face shows.
        """
        told = batch.told
        if told.present.shape[1]:
            same, other = patterns(told.present, told.coded)
        else:
            known = told.shares.sum(1) > 0
            both, best = known[:, None] & known[None], told.shares.argmax(1)
            alike = best[:, None] == best[None]
            same, other = both & alike, both & ~alike
        features = said.pictures[batch.time == 0]
        return cross_identity_contrast(features, batch.person, same, other, self.config.margin)


def supervised(said: Said, told: Told, config: LabelLossConfig, weights: Tensor) -> dict[str, Tensor]:
    """Return the weighted losses of answers against labels; what was not coded gives no gradient."""
    found: dict[str, Callable[[], Tensor]] = {
        "expression": lambda: terms.soft_label_loss(said.expressions, told.shares),
        "units": lambda: terms.unit_loss(said.units, told.present, told.coded, weights),
        "intensity": lambda: masked_error(said.levels, told.level, told.graded),
        "affect": lambda: masked_error(said.affect, told.affect, told.rated),
    }
    shares = {name: float(getattr(config, name)) for name in found}
    return {name: weight * found[name]() for name, weight in shares.items() if weight}


def rare_weights(labels: Labels, most: float) -> Tensor:
    """Return how much more each unit counts where it shows, (u,): absent over present, in [1, `most`]."""
    shown = (labels.coded & (labels.present > 0.5)).sum(0)
    absent = labels.coded.sum(0) - shown
    ratio = torch.from_numpy(absent / shown.clip(min=1)).to(torch.float32)
    return ratio.clamp(1, most)
