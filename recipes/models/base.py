"""What a network that tells attacks from live faces answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Network", "Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Answers on n pictures.

    `score` (n,) is the log-odds of a live face, `features` (n, d) what it is read from, `trunk` (n, t) what
    those are made of, `mask` (n, 1, h, w) the log-odds, place by place, that an attack medium shows.
    """

    score: Tensor
    features: Tensor
    trunk: Tensor
    mask: Tensor


class Network(nn.Module, ABC):
    """A backbone with the heads that all share; pictures are n x 3 x h x w in [0, 1]."""

    def __init__(self, features: int, grid: int) -> None:
        super().__init__()
        self.neck = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, features), nn.GELU())
        self.head = nn.Linear(features, 1)
        self.mask = nn.Conv2d(grid, 1, 1)
        self.features = features

    @abstractmethod
    def look(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the trunk's features (n, t) and its grid (n, g, h, w) of pictures in [-1, 1]."""

    def forward(self, pictures: Tensor) -> Seen:
        """Return the answers, in float32 whatever the precision in between."""
        trunk, grid = self.look(pictures * 2 - 1)
        features = self.neck(trunk)
        score = self.head(features)[:, 0]
        answers = (score, features, trunk, self.mask(grid))
        return Seen(*(one.to(torch.float32) for one in answers))
