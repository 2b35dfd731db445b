"""Presentations: bona fide and attacks, each with a score, that error rates are taken of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facedata.recipes.metrics.curve import Group

__all__ = ["UNNAMED", "Presentations"]

UNNAMED = "unnamed"
"""The species of attacks whose rows name none."""


@dataclass(frozen=True)
class Presentations:
    """A row a presentation, in `table`: score, label, species (null where live), domain, cluster, clip.

    `cluster` is who or what is drawn whole for an interval, `clip` what frames share that are of one clip.
    """

    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    @property
    def bona_fide(self) -> int:
        """How many are bona fide."""
        return int((self.table["label"] == "live").sum())

    @property
    def attacks(self) -> int:
        """How many are attacks."""
        return len(self) - self.bona_fide

    @property
    def subjects(self) -> int:
        """How many clusters there are."""
        return int(self.table["cluster"].nunique())

    def missing(self) -> str | None:
        """Return the class of which there is none, in words."""
        if not self.bona_fide:
            return "bona fide (live)"
        return None if self.attacks else "attack (spoof)"

    def species(self) -> dict[str, int]:
        """Return how many attacks there are of each species, by name."""
        found = self.table["species"].dropna().value_counts().sort_index()
        return {str(name): int(count) for name, count in found.items()}

    def groups(self) -> tuple[Group, Group, dict[str, Group]]:
        """Return bona fide, all attacks, and the attacks of each species, by name.

        Their subjects are numbers of `clusters`.
        """
        numbers = self._numbered()[0]
        scores = self.table["score"].to_numpy(np.float64)
        live = (self.table["label"] == "live").to_numpy()
        species = self.table["species"].to_numpy()
        each = {name: _group(scores, numbers, species == name) for name in self.species()}
        return _group(scores, numbers, live), _group(scores, numbers, ~live), each

    def by_domain(self) -> Iterator[tuple[str, Presentations]]:
        """Yield the presentations of each domain, by name."""
        for name, part in self.table.groupby("domain", sort=True):
            yield str(name), Presentations(part)

    def clips(self) -> Presentations:
        """Return a presentation a clip, its score being the mean of its frames'."""
        kept = {name: "first" for name in ("label", "species", "domain", "cluster")}
        found = self.table.groupby("clip", sort=True, as_index=False).agg({"score": "mean", **kept})
        return Presentations(found)

    def clusters(self) -> list[str]:
        """Return the names of the clusters, sorted."""
        return self._numbered()[1]

    def _numbered(self) -> tuple[NDArray[np.int64], list[str]]:
        numbers, names = pd.factorize(self.table["cluster"], sort=True)
        return numbers.astype(np.int64), list(names)


def _group(scores: NDArray[np.float64], numbers: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Group:
    return Group.of(scores[chosen], numbers[chosen])
