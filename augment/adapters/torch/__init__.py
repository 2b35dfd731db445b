"""The operators as batched torch modules; see `facedata.augment.adapters.torch.base`."""

from facedata.augment.adapters.torch.base import BatchedOperator, Params
from facedata.augment.adapters.torch.catalogue import BATCHED, batched
from facedata.augment.adapters.torch.policy import BatchedPolicy

__all__ = ["BATCHED", "BatchedOperator", "BatchedPolicy", "Params", "batched"]
