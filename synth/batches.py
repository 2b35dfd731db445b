"""Batches that are a function of the seed and the step: a run that goes on sees what it would have seen."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facedata.datasets.ahead import ahead
from facedata.datasets.words import Words, generator_of
from facedata.synth.conditions import Conditions
from facedata.synth.config import Dropping
from facedata.synth.latents import Latents
from facedata.synth.pairs import Pair, Pairs
from facedata.synth.pictures import Scale, Shelf, as_tensor, coarse

__all__ = ["Batch", "Batches"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Targets with their conditions, noise and times (indices of the schedule).

    Targets, contents and noise are n x 3 x h x w in [-1, 1], or latents; `style_quality` is n x q,
    standardised, of the style pictures: what can be heard in them.
    """

    target: Tensor
    conditions: Conditions
    noise: Tensor
    times: Tensor
    style_quality: Tensor
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batches:
    """Batch number `step` holds `size` pairs: each epoch is a shuffle of all of them."""

    pairs: Pairs
    shelf: Shelf
    scale: Scale
    drop: Dropping
    size: int
    seed: int
    train_times: int = 1000
    coarse_content: bool = False
    """Whether the content is a coarse copy of the target, as de-spoofing is told it."""
    latents: Latents | None = None
    """Where they are trained on, in place of pictures."""

    def at(self, step: int) -> Batch:
        """Return the batch of a step."""
        chosen = [self._pair(step * self.size + place) for place in range(self.size)]
        targets = [pair.target for pair, _ in chosen]
        kinds = [self.pairs.kinds.index(self.pairs.kind_of(pair)) for pair, _ in chosen]
        draw = generator_of(self.seed, "noise", step)
        styles = [style for _, style in chosen]
        target, content, coverage = self.of([pair for pair, _ in chosen])
        given = {
            name: torch.rand(self.size, generator=draw) >= share
            for name, share in self.drop.model_dump().items()
        }
        conditions = Conditions(
            content=content,
            style=as_tensor(self.shelf.pictures(styles)),
            kind=torch.tensor(kinds),
            quality=self.scale(self.shelf.qualities(targets)),
            **{f"has_{name}": value for name, value in given.items()},
            coverage=coverage,
        )
        return Batch(
            target,
            conditions,
            torch.randn(target.shape, generator=draw),
            torch.randint(0, self.train_times, (self.size,), generator=draw),
            self.scale(self.shelf.qualities(styles)),
            tuple(self.pairs.faces[number].sample_id for number in targets),
        )

    def of(self, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the network makes of pairs and what it starts from, pictures or latents.

        What it starts from, the content, lies where the target shows it; the third is how much of each pixel
        it covers, n x 1 x side x side in [0, 1].
        """
        found = [self.shelf.laid(pair, self.pairs.size_of(pair)) for pair in pairs]
        coverage = torch.from_numpy(np.stack([cover for _, cover in found]))[:, None] / 255
        content = as_tensor(np.stack([laid for laid, _ in found]))
        content = coarse(content) if self.coarse_content else content
        target = as_tensor(self.shelf.pictures([pair.target for pair in pairs]))
        if self.latents is not None:
            target = self.latents.of([pair.target for pair in pairs], target)
            content = self.latents.of([self._content_name(pair) for pair in pairs], content)
        return target, content, coverage

    def _content_name(self, pair: Pair) -> Hashable:
        """Return what a content's latents are kept under: a picture as it stands is encoded once."""
        laid = pair.target if pair.fit is not None else None
        return pair.content if laid is None and not self.coarse_content else (pair.content, laid)

    def between(self, first: int, last: int) -> Generator[Batch, None, None]:
        """Yield the batches of steps first .. last - 1, decoded ahead in a thread."""
        return ahead(self.at, range(first, last), workers=1)

    def _pair(self, number: int) -> tuple[Pair, int]:
        epoch, place = divmod(number, len(self.pairs.pairs))
        pair = self.pairs.pairs[_shuffled(len(self.pairs.pairs), self.seed, epoch)[place]]
        return pair, self.pairs.style_of(pair, Words.of(self.seed, "style", number))


_ORDERS: dict[tuple[int, int, int], list[int]] = {}


def _shuffled(count: int, seed: int, epoch: int) -> list[int]:
    key = (count, seed, epoch)
    if key not in _ORDERS:
        if len(_ORDERS) > 2:
            _ORDERS.clear()
        _ORDERS[key] = torch.randperm(count, generator=generator_of(seed, "epoch", epoch)).tolist()
    return _ORDERS[key]
