"""What a network that tells attacks from live faces answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from facedata.recipes.models.inputs import channels_of, map_of

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
    """A backbone with the heads that all share: `features` wide, over a grid of `grid` channels.

    It sees the colours and, beside them, `maps` of the same picture, by name; each is a modality.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int, grid: int, maps: Sequence[str] = ()) -> None:
        super().__init__()
        self.maps = tuple(maps)
        self.channels = 3 + channels_of(maps)
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
        """Return the trunk's features (n, features) and its grid (n, grid, h, w) of n x channels x h x w."""

    def inputs(self, pictures: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return what is looked at, n x channels x h x w, of pictures in [0, 1]: normed, with their maps.

        `kept` (n, 1 + maps) says which modalities of each are there, the colours first; None is all. One that
        is absent is 0 everywhere, as in Yu et al. 2023, Flexible-Modal Face Anti-Spoofing (arXiv 2202.08192):
        the mean of the colours, the middle of a map's window, and as flat as no picture is.
        """
        colours = (pictures - self.mean) / self.deviation
        modalities = [colours, *(map_of(name, pictures) for name in self.maps)]
        if kept is not None:
            there = kept.to(pictures.dtype)[..., None, None, None].unbind(1)
            modalities = [one * share for one, share in zip(modalities, there, strict=True)]
        return torch.cat(modalities, 1)

    def forward(self, pictures: Tensor, kept: Tensor | None = None) -> Seen:
        """Return the answers on n x 3 x h x w pictures in [0, 1], in float32 whatever is in between.

        `kept` (n, 1 + maps) is as `inputs` has it.
        """
        trunk, grid = self.look(self.inputs(pictures, kept))
        features = self.neck(trunk)
        score = self.head(features)[:, 0]
        answers = (score, features, trunk, self.mask(grid))
        return Seen(*(one.to(torch.float32) for one in answers))
