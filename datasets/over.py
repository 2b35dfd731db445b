"""A dataset's samples with something added to each: what a source that wraps another one's items shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from facedata.datasets.items import Item
from facedata.datasets.lineage import Origin
from facedata.datasets.record import Failure
from facedata.datasets.sources import DatasetSource

__all__ = ["OverItem", "OverSource"]


@dataclass(frozen=True, slots=True)
class OverItem:
    """An item that is another's sample with more to it; what a worker needs for that are its own fields."""

    item: Item

    @property
    def key(self) -> str:
        """The sample's id."""
        return self.item.key

    @property
    def place(self) -> str:
        """The sample's id."""
        return self.item.place

    def stamp(self) -> str:
        """Return the dataset's version."""
        return self.item.stamp()


@dataclass(frozen=True)
class OverSource:
    """The samples of a dataset, each as `over` wraps its item."""

    source: DatasetSource
    over: Callable[[Item], Item]
    notes: Sequence[str] = ()
    failures: Sequence[Failure] = ()

    @property
    def count(self) -> int:
        """Number of samples."""
        return self.source.count

    @property
    def parents(self) -> Sequence[Origin]:
        """The dataset itself."""
        return self.source.parents

    def shards(self, size: int) -> Iterator[tuple[str, Sequence[Item]]]:
        """Yield (prefix, items), as the dataset's source does."""
        for prefix, items in self.source.shards(size):
            yield prefix, [self.over(item) for item in items]
