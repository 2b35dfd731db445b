"""Differences between batches and what a model makes of them."""

from __future__ import annotations

from torch import Tensor

from facedata.recipes.maps.torch.luma import check_batch, codes_of, in_float32

__all__ = ["difference"]


@in_float32
def difference(pictures: Tensor, made: Tensor) -> Tensor:
    """Return mean absolute differences over RGB, n x 1 x h x w in codes; see maps/difference.py."""
    for batch in (pictures, made):
        check_batch(batch, "difference")
    if pictures.shape != made.shape:
        raise ValueError(f"difference: {tuple(pictures.shape)} and {tuple(made.shape)} are not of one shape")
    mean = (codes_of(pictures) - codes_of(made.float())).abs().mean(1, keepdim=True)
    return mean.detach().round() + (mean - mean.detach())
