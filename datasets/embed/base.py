"""What an embedder is: a measure of pictures whose numbers are a vector."""

from __future__ import annotations

from typing import Protocol

from facedata.datasets.measuring import Measure

__all__ = ["Embedder"]


class Embedder(Measure, Protocol):
    """Turns pictures into float32 vectors, not normalised; alike pictures into near ones (by cosine)."""

    @property
    def name(self) -> str:
        """What people call it: the name that `--embedder` takes."""
        ...

    @property
    def near(self) -> float:
        """The cosine from which two pictures count as near duplicates, unless one is asked for."""
        ...
