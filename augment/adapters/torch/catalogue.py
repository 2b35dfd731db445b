"""All batched operators, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from facedata.augment.adapters.torch.base import BatchedOperator
from facedata.augment.adapters.torch.cameras import BatchedHandTrembling, BatchedLowResolution
from facedata.augment.adapters.torch.captures import BatchedCapture
from facedata.augment.adapters.torch.colour import BatchedColorDistortion, BatchedColorDiversity
from facedata.augment.adapters.torch.masks import BatchedResinMask, BatchedSiliconeMask
from facedata.augment.adapters.torch.prints import BatchedBlueNoiseHalftone, BatchedClusteredHalftone
from facedata.augment.adapters.torch.replays import (
    BatchedReplayLcd,
    BatchedReplayOled,
    BatchedReplayProjector,
)
from facedata.augment.adapters.torch.screens import BatchedMoirePattern, BatchedReflection
from facedata.augment.adapters.torch.sheets import (
    BatchedCurvedPaper,
    BatchedCutPaper,
    BatchedFoldedPaper,
    BatchedInkjetPrint,
    BatchedLaserPrint,
)
from facedata.augment.draws import Draw
from facedata.augment.registry import find
from facedata.datasets.errors import UsageError

__all__ = ["BATCHED", "batched"]

_ALL: Final[tuple[type[BatchedOperator], ...]] = (
    BatchedColorDiversity,
    BatchedColorDistortion,
    BatchedReflection,
    BatchedBlueNoiseHalftone,
    BatchedMoirePattern,
    BatchedClusteredHalftone,
    BatchedHandTrembling,
    BatchedLowResolution,
    BatchedCapture,
    BatchedReplayLcd,
    BatchedReplayOled,
    BatchedReplayProjector,
    BatchedInkjetPrint,
    BatchedLaserPrint,
    BatchedCurvedPaper,
    BatchedFoldedPaper,
    BatchedCutPaper,
    BatchedResinMask,
    BatchedSiliconeMask,
)

BATCHED: Final[dict[str, type[BatchedOperator]]] = {module.name: module for module in _ALL}
"""The class of each batched operator, by the operator's name."""


def batched(operator: str, parameters: Mapping[str, Draw] | None = None) -> BatchedOperator:
    """Return the batched module of an operator, with `parameters` in place of its default distributions.

    Raises UsageError where there is no such operator, or none of torch yet.
    """
    name = find(operator).name
    if name not in BATCHED:
        raise UsageError(f"{name} has no batched module; there are {', '.join(BATCHED)}")
    return BATCHED[name](parameters)
