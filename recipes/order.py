"""Which sample comes when: an endless sequence that is a function of the seed alone.

Samples lie in cells, such as the live ones of a domain. The sequence goes round the cells, so that any run of
as many places as there are cells holds one of each; within a cell an epoch is a shuffle of all of it, so no
sample comes again before each other one of its cell came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from functools import lru_cache

import torch

from facedata.datasets.words import generator_of

__all__ = ["Order"]


class Order:
    """The sequence over samples 0 .. len(cells) - 1, where `cells` names each sample's cell."""

    def __init__(self, cells: Sequence[Hashable], seed: int) -> None:
        members: defaultdict[Hashable, list[int]] = defaultdict(list)
        for number, cell in enumerate(cells):
            members[cell].append(number)
        self._cells = [members[name] for name in sorted(members, key=repr)]
        self._seed = seed
        # two epochs of each cell: a batch may begin in one and end in the next
        self._shuffled = lru_cache(maxsize=2 * len(self._cells) + 2)(self._shuffle)

    def at(self, place: int) -> int:
        """Return the sample at a place of the sequence, from 0 on."""
        turn, cell = divmod(place, len(self._cells))
        epoch, within = divmod(turn, len(self._cells[cell]))
        return self._cells[cell][self._shuffled(cell, epoch)[within]]

    def between(self, first: int, last: int) -> list[int]:
        """Return the samples at the places first .. last - 1."""
        return [self.at(place) for place in range(first, last)]

    def _shuffle(self, cell: int, epoch: int) -> list[int]:
        draw = generator_of(self._seed, "order", cell, epoch)
        shuffled: list[int] = torch.randperm(len(self._cells[cell]), generator=draw).tolist()
        return shuffled
