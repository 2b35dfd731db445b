"""Adversarial pictures: the worst change of a picture within a few codes, by gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

__all__ = ["Attack", "attacked"]

Kind = Literal["fgsm", "pgd"]


@dataclass(frozen=True, slots=True)
class Attack:
    """How pictures are attacked: within `radius` of each value, in codes (1 / 255 of the range).

    `fgsm` is one step of `radius` from the picture itself (Goodfellow et al. 2015, arXiv 1412.6572). `pgd` is
    `steps` of `step` codes from a random start within the radius (Madry et al. 2018, arXiv 1706.06083).
    `step` None is 2.5 radius / steps: from any start the far side of the ball is in reach.
    """

    kind: Kind = "pgd"
    radius: float = 4.0
    steps: int = 7
    step: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UsageError(f"attack {self.kind!r} is not one of {', '.join(get_args(Kind))}")
        if not 0 <= self.radius <= 255:
            raise UsageError(f"radius {self.radius} is not in 0-255 codes")
        if self.steps < 1:
            raise UsageError(f"steps {self.steps} is not a positive number")
        if self.step is not None and not self.step > 0:
            raise UsageError(f"step {self.step} is not a positive number of codes")

    @property
    def stride(self) -> float:
        """Codes that one step goes."""
        if self.kind == "fgsm":
            return self.radius
        return self.step if self.step is not None else 2.5 * self.radius / self.steps


def attacked(
    model: nn.Module,
    pictures: Tensor,
    loss: Callable[[Tensor], Tensor],
    how: Attack,
    batch: int = 0,
) -> Tensor:
    """Return `pictures` changed so that `loss(model(pictures))` grows; shape, dtype and device are theirs.

    `pictures` are floating, values 0-1, and so is the result, within `how.radius` codes of them; it carries
    no gradient. `loss` makes a number of what the model returns: a sum or mean over samples, so that each
    sample's gradient is its own. Only signs count: where the model computes in float16, multiply it by a
    thousand, lest gradients become 0. `batch` numbers the batch: the random start is drawn anew for each, and
    is the same for one seed and number on every device.

    While gradients are taken the model is in evaluation mode, so batch norm uses, and keeps, its running
    statistics and dropout is off; each module's mode is put back afterwards. Parameters' gradients are not
    touched. Raises ValueError where values lie outside 0-1.
    """
    clean = pictures.detach()
    if not clean.is_floating_point() or (clean.numel() and not 0 <= clean.min() <= clean.max() <= 1):
        raise ValueError("attacked: pictures must be floating, with values 0-1; scale them inside the model")
    radius, stride = how.radius / 255, how.stride / 255
    low, high = (clean - radius).clamp(min=0), (clean + radius).clamp(max=1)
    found = clean
    if how.kind == "pgd":
        found = (clean + radius * _start(clean, how.seed, batch)).clamp(low, high)
    with _evaluating(model):
        for _ in range(1 if how.kind == "fgsm" else how.steps):
            found = (found + stride * _gradient(model, found, loss).sign()).clamp(low, high)
    return found


def _start(pictures: Tensor, seed: int, batch: int) -> Tensor:
    """Return uniform values from -1 to 1, drawn on the CPU: a device has numbers of its own."""
    generator = torch.Generator().manual_seed(Words.of(seed, "attack", batch).integer(0, 2**63 - 1))
    drawn = torch.rand(pictures.shape, generator=generator) * 2 - 1
    return drawn.to(pictures)


def _gradient(model: nn.Module, pictures: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    with torch.enable_grad():
        asked = pictures.detach().requires_grad_()
        (found,) = torch.autograd.grad(loss(model(asked)), asked)
    return found


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode, and afterwards each into the mode that it had."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
