"""A network that says which expression and which action units a face shows, of a still or of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facedata.recipes.labels.config import LabelsConfig
from facedata.recipes.labels.regions import REGIONS, region_weights
from facedata.recipes.models.build import build_network

__all__ = ["LabelNetwork", "Said", "pooled", "regions_of"]


@dataclass(frozen=True, slots=True)
class Said:
    """Answers on n items of p pictures.

    `expressions` (n, c) and `units` (n, u) are logits, `levels` (n, u) intensities in 0-5, `affect` (n, 2)
    valence and arousal in [-1, 1]; `pictures` (p, d) are the features of each picture by itself, of length 1.
    A network answers what it was trained for: the others are empty, (n, 0).
    """

    expressions: Tensor
    units: Tensor
    levels: Tensor
    affect: Tensor
    pictures: Tensor


def regions_of(units: Sequence[int], config: LabelsConfig) -> tuple[int, ...]:
    """Return the units whose places a network looks at: those that it tells, or else those of a face."""
    return tuple(units) or REGIONS if config.head.regions else ()


class LabelNetwork(nn.Module):
    """A backbone with a head for each kind of label: `classes` counts expressions, `units` names units.

    All is read from the whole face. With `head.regions` a unit is read from where it shows too, and an
    expression from all these places.
    """

    def __init__(
        self,
        config: LabelsConfig,
        classes: int,
        units: Sequence[int],
        architecture: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = build_network(config.network, architecture)
        wide, grid = self.backbone.features, self.backbone.mask.in_channels
        del self.backbone.head, self.backbone.mask  # they tell attacks from live faces
        self.spread, losses = config.head.spread, config.losses
        self.expressions = _head(wide, classes)
        self.units = _head(wide, len(units))
        self.levels = _head(wide, len(units) if losses.intensity else 0)
        self.affect = _head(wide, 2 if losses.affect else 0)
        regions = len(regions_of(units, config))
        self.local = nn.Sequential(nn.LayerNorm(grid), nn.Linear(grid, wide), nn.GELU()) if regions else None
        self.shown = _each(bool(units) * regions, 1, wide)
        self.graded = _each(bool(losses.intensity) * regions, 1, wide)
        self.named = _each(bool(classes) * regions, classes, wide)
        self.attention = nn.Linear(wide, 1) if config.clips.pool == "attention" else None

    def forward(self, pictures: Tensor, item: Tensor, count: int, places: Tensor) -> Said:
        """Return the answers on `count` items: p pictures (p, 3, h, w) in [0, 1], and whose each is, (p,).

        `places` (p, r, 2, 3) of the units in `regions_of` are as `places_of` gives them.
        """
        trunk, grid = self.backbone.look(self.backbone.inputs(pictures))
        each = self.backbone.neck(trunk)
        weight = None if self.attention is None else self.attention(each)[:, 0]
        face = pooled(each, item, count, weight)
        named, units, levels = self.expressions(face), self.units(face), self.levels(face)
        if self.local is not None:
            seen = region_weights(places, grid.shape[2], grid.shape[3], self.spread).to(grid.dtype)
            local = self.local(torch.einsum("pchw,prhw->prc", grid, seen))
            local = pooled(local, item, count, weight)
            if self.shown is not None:
                units = units + torch.einsum("nrd,rkd->nr", local, self.shown)
            if self.graded is not None:
                levels = levels + torch.einsum("nrd,rkd->nr", local, self.graded)
            if self.named is not None:
                named = named + torch.einsum("nrd,rkd->nk", local, self.named)
        answers = (
            named,
            units,
            5 * torch.sigmoid(levels),
            torch.tanh(self.affect(face)),
            functional.normalize(each, dim=1),
        )
        return Said(*(one.to(torch.float32) for one in answers))


class _Nothing(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features[:, :0]


def _each(regions: int, answers: int, wide: int) -> nn.Parameter | None:
    """Return weights (regions, answers, wide) that begin as a linear layer's of all of them would."""
    if not regions:
        return None
    read = wide * (regions if answers > 1 else 1)  # numbers that each answer is the sum of
    return nn.Parameter(torch.randn(regions, answers, wide) / read**0.5)


def _head(wide: int, count: int) -> nn.Module:
    return nn.Linear(wide, count) if count else _Nothing()


def pooled(values: Tensor, item: Tensor, count: int, scores: Tensor | None = None) -> Tensor:
    """Return the means of `values` (p, ...) over the pictures of each of `count` items, (count, ...).

    `item` (p,) says whose a picture is. With `scores` (p,) they are weighted by the softmax of these over
    the item's pictures.
    """
    weights = values.new_ones(len(values))
    if scores is not None:
        highest = scores.new_full((count,), -torch.inf).scatter_reduce(0, item, scores, "amax")
        weights = (scores - highest.detach()[item]).exp().to(values.dtype)
    weights = weights / weights.new_zeros(count).index_add(0, item, weights)[item]
    shaped = weights.reshape(-1, *[1] * (values.dim() - 1))
    return values.new_zeros(count, *values.shape[1:]).index_add(0, item, values * shaped)
