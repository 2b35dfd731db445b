"""What a network that tells attacks from live faces answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Network", "Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Answers on n pictures.

    `score` (n,) is the log-odds of a live face, `features` (n, d) what it is read from, `trunk` (n, d) what
    those are made of, `mask` (n, 1, h, w) the log-odds, place by place, that an attack medium shows.
    """

    score: Tensor
    features: Tensor
    trunk: Tensor
    mask: Tensor

    def of(self, chosen: Tensor) -> Seen:
        """Return the answers on the pictures that (n,) bool `chosen` names."""
        return Seen(self.score[chosen], self.features[chosen], self.trunk[chosen], self.mask[chosen])


class Network(nn.Module, ABC):
    """A backbone with the heads that all share: `features` wide, over a grid of `grid` channels."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int, grid: int) -> None:
        super().__init__()
        self.neck = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, features), nn.GELU())
        self.head = nn.Linear(features, 1)
        self.mask = nn.Conv2d(grid, 1, 1)
        self.features = features
        self.norm_by((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def norm_by(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Norm the pictures of each colour by these."""
        for name, values in (("mean", mean), ("deviation", deviation)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    @property
    def architecture(self) -> dict[str, Any] | None:
        """What has to be known beside the configuration to make the network again; None where nothing has."""
        return None

    @abstractmethod
    def look(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the trunk's features (n, features) and its grid (n, grid, h, w) of normed pictures."""

    def forward(self, pictures: Tensor) -> Seen:
        """Return the answers on n x 3 x h x w pictures in [0, 1], in float32 whatever is in between."""
        trunk, grid = self.look((pictures - self.mean) / self.deviation)
        features = self.neck(trunk)
        score = self.head(features)[:, 0]
        answers = (score, features, trunk, self.mask(grid))
        return Seen(*(one.to(torch.float32) for one in answers))
