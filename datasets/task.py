"""What the engine is asked to make from each input picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import FacedataError
from facedata.datasets.pictures import Encoding
from facedata.datasets.sample import Sample

__all__ = ["BatchTask", "Ingest", "OneOfABatch", "Planned", "Rendered", "Task"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A sample that is about to be made: all of its row but the size, the hash (empty) and the references.

    `recipe` is what `render` needs. `key` gives, when the cache asks, a hash of all that decides the picture
    but the parent's content: operators with versions, parameters, encoding; a picture in the cache under it
    is not rendered again.
    """

    sample: Sample
    key: Callable[[], str]
    recipe: Any = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """Pixels that were made, uint8 RGB, and what is true of them.

    `layers` are pictures of truth by name, uint8 height x width (x 3, RGB); `attributes`, JSON-ready, are
    added to the row's. A picture that comes with either is not taken from the cache, nor put into it.
    """

    pixels: NDArray[np.uint8]
    layers: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Task(Protocol):
    """A picklable, stateless description of the work; two equal ones give the same bytes."""

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that a worker imports before it takes work, and that warm themselves up."""
        ...

    @property
    def encoding(self) -> Encoding:
        """How pictures that are made are written."""
        ...

    @property
    def keeps_originals(self) -> bool:
        """Whether the input pictures become rows too."""
        ...

    @property
    def cacheable(self) -> bool:
        """Whether the pixels are all that is made: the cache keeps nothing else."""
        ...

    @property
    def variants(self) -> int:
        """How many samples are planned for an input picture: where fewer are, the rest were left out."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return everything that the result depends on, JSON-ready: it goes into the record."""
        ...

    def plan(self, parent: Sample) -> Sequence[Planned]:
        """Return what is to be made from one picture: cheap, without its pixels."""
        ...

    def render(self, planned: Planned, pixels: NDArray[np.uint8]) -> Rendered:
        """Make one of them; `pixels` are the parent's, not to be written to."""
        ...


@runtime_checkable
class BatchTask(Task, Protocol):
    """A task that makes several samples at once, such as a network does; batches never cross shards."""

    @property
    def batch(self) -> int:
        """How many samples `render_batch` is given at most."""
        ...

    @property
    def gpu(self) -> bool:
        """Whether it takes a GPU where there is one."""
        ...

    def render_batch(
        self, planned: Sequence[Planned], pixels: Sequence[NDArray[np.uint8]]
    ) -> Sequence[Rendered | FacedataError]:
        """Make them, in order; an error stands for one that is not made, and says why.

        `pixels` are the parents' pictures, one for each, not to be written to.
        """
        ...


class OneOfABatch:
    """The `render` of a task that has `render_batch`: a batch of one."""

    __slots__ = ()

    def render(self: BatchTask, planned: Planned, pixels: NDArray[np.uint8]) -> Rendered:
        """Make one; raise the error that stands for one that is not made."""
        made = self.render_batch([planned], [pixels])[0]
        if isinstance(made, FacedataError):
            raise made
        return made


@dataclass(frozen=True, slots=True)
class Ingest:
    """The task that keeps the input pictures and makes nothing from them."""

    described: Mapping[str, Any] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    encoding: Encoding = field(default_factory=Encoding)
    keeps_originals: bool = True
    cacheable: bool = True
    variants: int = 0

    def settings(self) -> dict[str, Any]:
        """Return how the source was read."""
        return dict(self.described)

    def plan(self, parent: Sample) -> Sequence[Planned]:
        """Plan nothing."""
        del parent
        return ()

    def render(self, planned: Planned, pixels: NDArray[np.uint8]) -> Rendered:
        """Never called: nothing is planned."""
        raise NotImplementedError
