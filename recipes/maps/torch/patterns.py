"""Local binary patterns, histograms of gradients and richest patches of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facedata.recipes.maps.patterns import BLOCK, CELL, NEIGHBOURS, ORIENTATIONS, PATCH
from facedata.recipes.maps.torch.luma import check_batch, codes_of, in_float32, luma_of

__all__ = ["hog", "lbp", "richest_patch", "richest_places"]

_EPSILON = 1e-5  # scikit-image's, in the norm of a block
_CLIP = 0.2  # of L2-Hys


@in_float32
def lbp(pictures: Tensor) -> Tensor:
    """Return local binary patterns, n x 1 x h x w, without gradient; see maps/patterns.py."""
    luma = luma_of(pictures, "lbp").detach()
    height, width = luma.shape[-2:]
    padded = functional.pad(luma, (1, 1, 1, 1), "replicate")
    found = torch.zeros_like(luma)
    for bit, (row, column) in enumerate(NEIGHBOURS):
        neighbour = padded[..., 1 + row : 1 + row + height, 1 + column : 1 + column + width]
        found = found + (neighbour >= luma) * float(1 << bit)
    return found


@in_float32
def hog(pictures: Tensor) -> Tensor:
    """Return histograms of gradients, n x 36 x rows x columns; see maps/patterns.py.

    Gradients pass through the magnitudes; the choice of a bin has none.
    """
    luma = luma_of(pictures, "hog", BLOCK * CELL)
    down = functional.pad(luma[..., 2:, :] - luma[..., :-2, :], (0, 0, 1, 1))
    right = functional.pad(luma[..., 2:] - luma[..., :-2], (1, 1))
    # away from the root of 0, whose slope is infinite
    squared = down.square() + right.square()
    magnitude = torch.where(squared > 0, squared.clamp(min=1).sqrt(), 0.0)
    bins = _bins(down.detach(), right.detach())
    votes = torch.cat([magnitude * (bins == one) for one in range(ORIENTATIONS)], 1)
    cells = functional.avg_pool2d(votes, CELL)  # a part of a cell at the border has no vote
    blocks = torch.cat(
        [
            cells[..., row : cells.shape[-2] - BLOCK + 1 + row, column : cells.shape[-1] - BLOCK + 1 + column]
            for row in range(BLOCK)
            for column in range(BLOCK)
        ],
        1,
    )
    return _unit(_unit(blocks).clamp(max=_CLIP))


def _bins(down: Tensor, right: Tensor) -> Tensor:
    """Return the bin of each gradient's direction over 180 degrees."""
    # Turned into the upper half plane first: what is just below 180 degrees must not be rounded up to it.
    back = (down < 0) | ((down == 0) & (right < 0))
    sign = torch.where(back, -1.0, 1.0)
    return torch.atan2(down * sign, right * sign).mul(ORIENTATIONS / torch.pi).floor()


def _unit(blocks: Tensor) -> Tensor:
    return blocks / (blocks.square().sum(1, keepdim=True) + _EPSILON**2).sqrt()


def richest_places(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Return top and left, int64 n each, of the richest patches; see maps/patterns.py."""
    check_batch(pictures, "richest-patch", PATCH)
    luma = luma_of(pictures.detach().float(), "richest-patch")
    stride = PATCH // 2
    steps = (
        luma[..., 1:] - luma[..., :-1],
        luma[..., 1:, :] - luma[..., :-1, :],
        luma[..., 1:, 1:] - luma[..., :-1, :-1],
        luma[..., 1:, :-1] - luma[..., :-1, 1:],
    )
    height, width = luma.shape[-2:]
    sums = [
        functional.avg_pool2d(
            step.abs(),
            (PATCH - height + step.shape[-2], PATCH - width + step.shape[-1]),
            stride,
            divisor_override=1,
        )
        for step in steps
    ]
    texture = torch.stack(sums).sum(0).to(torch.int64)
    columns = texture.shape[-1]
    flat = texture.flatten(1)
    # argmax may give any of equal ones: of whole numbers the first is made the greatest
    place = (flat * flat.shape[1] - torch.arange(flat.shape[1], device=flat.device)).argmax(1)
    return place // columns * stride, place % columns * stride


@in_float32
def richest_patch(pictures: Tensor) -> Tensor:
    """Return the richest patches, n x 3 x 32 x 32, in codes; see maps/patterns.py."""
    top, left = richest_places(pictures)
    span = torch.arange(PATCH, device=pictures.device)
    rows, columns = (top[:, None] + span)[:, :, None], (left[:, None] + span)[:, None]
    number = torch.arange(len(pictures), device=pictures.device)[:, None, None]
    return codes_of(pictures)[number, :, rows, columns].permute(0, 3, 1, 2)
