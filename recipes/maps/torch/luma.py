"""8-bit luma of a batch, exactly as OpenCV has it, with gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

__all__ = ["check_batch", "codes_of", "in_float32", "luma_of"]

_P = ParamSpec("_P")
# OpenCV's fixed point for 8-bit pictures: shares of R, G and B in 1 / 2**15, halves rounded up
_SHARES = (9798, 19235, 3735)
_BITS = 15


def in_float32(
    function: Callable[Concatenate[Tensor, _P], Tensor],
) -> Callable[Concatenate[Tensor, _P], Tensor]:
    """Let a function run in float32 whatever autocast says: sums of codes do not fit 16 bits."""

    @wraps(function)
    def run(first: Tensor, /, *arguments: _P.args, **named: _P.kwargs) -> Tensor:
        with torch.autocast(first.device.type, enabled=False):
            return function(first.float() if first.is_floating_point() else first, *arguments, **named)

    return run


def check_batch(batch: Tensor, name: str, least: int = 1, *, clips: bool = False) -> None:
    """Raise ValueError unless `batch` is floating, n x 3 x h x w, for clips n x t x 3 x h x w."""
    shape = "(batch, frames, 3, height, width)" if clips else "(batch, 3, height, width)"
    if batch.ndim != 4 + clips or batch.shape[-3] != 3 or not batch.is_floating_point():
        raise ValueError(
            f"{name}: expected floating point of shape {shape}, got {batch.dtype} of {tuple(batch.shape)}"
        )
    if min(batch.shape[-2:]) < least:
        raise ValueError(f"{name}: {batch.shape[-1]} x {batch.shape[-2]} px is less than {least} px")


def codes_of(pictures: Tensor) -> Tensor:
    """Return values 0-1 as whole codes 0-255; gradients pass as if they were neither rounded nor clipped."""
    return _through((pictures.detach().clamp(0, 1) * 255).round(), pictures * 255)


def luma_of(pictures: Tensor, name: str, least: int = 1) -> Tensor:
    """Return luma, n x 1 x h x w in whole codes 0-255, of RGB in 0-1, with gradients."""
    check_batch(pictures, name, least)
    codes = (pictures.detach().clamp(0, 1) * 255).round().to(torch.int32)
    shares = torch.tensor(_SHARES, dtype=torch.int32, device=pictures.device)[:, None, None]
    exact = ((shares * codes).sum(1, keepdim=True) + (1 << _BITS >> 1)) >> _BITS
    smooth = (pictures * (shares * (255 / (1 << _BITS)))).sum(1, keepdim=True)
    return _through(exact.to(pictures.dtype), smooth)


def _through(exact: Tensor, smooth: Tensor) -> Tensor:
    """Return `exact` with the gradient of `smooth`; in this order the sum adds an exact 0."""
    return exact + (smooth - smooth.detach())
