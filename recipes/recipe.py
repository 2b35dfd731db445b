"""The seam between the loop and what is trained; its text is in `facedata.recipes.loop`."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from facedata.recipes.config import LoopConfig

__all__ = ["Batch", "Recipe"]


class Batch(Protocol):
    """What the loop needs of a batch: the ids of its samples, for messages."""

    @property
    def samples(self) -> tuple[str, ...]:
        """Ids, in order."""


class Recipe(Protocol):
    """What a task gives to be trained."""

    @property
    def config(self) -> LoopConfig:
        """How long, how fast and how safely."""

    def module(self) -> nn.Module:
        """Return a fresh network with its losses, drawn from torch's generator.

        `module(batch)` returns named losses, scalars, whose sum is minimised. What it remembers from batch to
        batch is a buffer, so that states hold it.
        """

    def batch(self, number: int) -> Batch:
        """Return batch `number`, on the CPU: a function of the seed and the number, called by threads."""

    def place(self, batch: Any, device: torch.device) -> Any:
        """Return what the module takes: the batch on `device`, augmented there."""

    def measure(self, module: Any, device: torch.device) -> dict[str, float]:
        """Return what the development set says of a module; the first value decides, lower is better."""
