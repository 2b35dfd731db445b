"""Which of the processes that train together is this one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState

from facedata.datasets.errors import UsageError
from facedata.datasets.in_place import in_place
from facedata.recipes.config import LoopConfig

__all__ = ["accelerator_of", "this_process", "writing"]


def this_process() -> PartialState:
    """Return its place and its device; Accelerate sees processes of a CPU only where it is told of a CPU."""
    return PartialState(cpu=not torch.accelerator.is_available())


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Hold the folder of a model in this process, if it is the one of them that writes."""
    with in_place(target) if this_process().is_main_process else contextlib.nullcontext():
        yield


def accelerator_of(config: LoopConfig) -> Accelerator:
    """Return an accelerator of this run's own precision; raise UsageError where it cannot be had."""
    if config.precision == "fp16" and not torch.cuda.is_available():
        raise UsageError("precision: fp16 is for a GPU, and torch can use none; take bf16, or no")
    # What Accelerate keeps of an earlier run of this process would fix its precision for this one too.
    AcceleratorState._reset_state()
    return Accelerator(
        mixed_precision=config.precision,
        gradient_accumulation_steps=config.accumulate,
        cpu=this_process().device.type == "cpu",
    )
