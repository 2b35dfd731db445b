"""What to say where a run cannot go on: which samples, which state is kept, which batch to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from facedata.datasets.errors import FacedataError, UsageError
from facedata.recipes.config import Pace

__all__ = ["diverged", "out_of_memory"]


def diverged(
    step: int, losses: Mapping[str, Tensor], samples: Sequence[str], target: Path, kept: Path | None
) -> FacedataError:
    """Return the error of a loss that is no number at a step; `kept` is a state in `target`, if any."""
    mend = "lower loop.rate"
    if kept is not None:
        mend = f"{kept.name} is kept in {target}: go on from it with --resume and a smaller loop.rate"
    told = ", ".join(f"{name} {float(one.detach()):g}" for name, one in losses.items())
    return FacedataError(
        f"the loss is no number at step {step} ({told}), with the samples {', '.join(samples)}; {mend}"
    )


def out_of_memory(
    error: RuntimeError, config: Pace, less: str = "a smaller network, or network.side"
) -> Exception:
    """Return the error to raise for one of torch's: of memory, with the batch to try, or that very error.

    `less` is what to try where a batch is one sample already.
    """
    if not isinstance(error, torch.cuda.OutOfMemoryError) and "allocate memory" not in str(error).lower():
        return error
    if config.batch == 1:
        return UsageError(f"one sample does not fit into memory; try {less}")
    half = config.batch // 2
    return UsageError(
        f"loop.batch {config.batch} does not fit into memory; try loop.batch: {half} with loop.accumulate: "
        f"{config.accumulate * -(-config.batch // half)}"
    )
