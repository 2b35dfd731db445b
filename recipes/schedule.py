"""How the rate goes, and how weights are averaged: functions of the step's number alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from facedata.recipes.config import Pace

__all__ = ["averaging", "share_of_rate"]

_LEAST = 0.01  # of the rate, at the end of a cosine


def share_of_rate(step: int, config: Pace) -> float:
    """Return the share of the rate at a step, from 0 on: a straight rise, then half a cosine."""
    rise = min(1.0, (step + 1) / (config.warmup + 1))
    if config.schedule == "constant":
        return rise
    gone = max(0, step - config.warmup) / max(1, config.steps - config.warmup)
    return rise * (_LEAST + (1 - _LEAST) * (1 + math.cos(math.pi * min(1.0, gone))) / 2)


def averaging(decay: float) -> Callable[[Any, Any, Any], None]:
    """Return the rule of torch's AveragedModel; it forgets faster while few weights were seen."""

    def update(averaged: Any, current: Any, seen: Any) -> None:
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + float(seen)) / (10 + float(seen))))

    return update
