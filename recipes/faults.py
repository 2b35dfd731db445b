"""What to say where a run cannot go on: which samples, which state is kept, which batch to try."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from facedata.datasets.errors import FacedataError, UsageError
from facedata.recipes.config import LoopConfig
from facedata.recipes.states import newest_state

__all__ = ["diverged", "out_of_memory"]


def diverged(
    step: int, losses: Mapping[str, Tensor], samples: tuple[str, ...], target: Path
) -> FacedataError:
    """Return the error of a loss that is no number at a step, with the state in `target` to go on from."""
    kept = newest_state(target)
    mend = "lower loop.rate"
    if kept is not None:
        mend = f"{kept.name} is kept in {target}: go on from it with --resume and a smaller loop.rate"
    told = ", ".join(f"{name} {float(one.detach()):g}" for name, one in losses.items())
    return FacedataError(
        f"the loss is no number at step {step} ({told}), with the samples {', '.join(samples)}; {mend}"
    )


def out_of_memory(error: RuntimeError, config: LoopConfig) -> Exception:
    """Return the error to raise for one of torch's: of memory, with the batch to try, or that very error."""
    if not isinstance(error, torch.cuda.OutOfMemoryError) and "allocate memory" not in str(error).lower():
        return error
    if config.batch == 1:
        return UsageError("one sample does not fit into memory; try a smaller network, or network.side")
    less = config.batch // 2
    return UsageError(
        f"loop.batch {config.batch} does not fit into memory; try loop.batch: {less} with loop.accumulate: "
        f"{config.accumulate * -(-config.batch // less)}"
    )
