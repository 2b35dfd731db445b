"""The operators as batched torch modules; see `facedata.augment.adapters.torch.base`."""

from facedata.augment.adapters.torch.base import BatchedOperator, Params
from facedata.augment.adapters.torch.catalogue import BATCHED, batched

__all__ = ["BATCHED", "BatchedOperator", "Params", "batched"]
