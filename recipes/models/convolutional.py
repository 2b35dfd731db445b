"""Small convolutional networks: plain, or of central differences.

A group norm in place of a batch norm makes a sample's answer its own: it depends neither on what else is in
the batch nor on statistics of the training domains.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from facedata.recipes.models.base import Network

__all__ = ["CentralDifference", "Convolutional"]


class CentralDifference(nn.Conv2d):
    """A convolution that sees, by a share `theta` in [0, 1], how each pixel differs from the centre's.

    y = sum_n w_n x_n - theta x_0 sum_n w_n: with theta 1 a flat surface gives nothing, however bright it is.
    The second term is a kernel of one pixel, so it is subtracted from the middle of the first.

    Source: Yu et al. 2020, Searching Central Difference Convolutional Networks for Face Anti-Spoofing
    (arXiv 2003.04092), equation 3.
    """

    def __init__(self, channels_in: int, channels: int, stride: int = 1, theta: float = 0.7) -> None:
        super().__init__(channels_in, channels, 3, stride, 1, bias=False)
        self.theta = theta

    def forward(self, x: Tensor) -> Tensor:
        """Return n x channels x h x w of n x channels_in x h x w."""
        whole = self.weight.sum((2, 3), keepdim=True)
        kernel = self.weight - self.theta * functional.pad(whole, (1, 1, 1, 1))
        return functional.conv2d(x, kernel, None, self.stride, self.padding)


class _Block(nn.Module):
    """Two convolutions with a way past them."""

    def __init__(self, channels_in: int, channels: int, stride: int, theta: float) -> None:
        super().__init__()
        self.first = _convolution(channels_in, channels, stride, theta)
        self.norm = nn.GroupNorm(_groups(channels), channels)
        self.second = _convolution(channels, channels, 1, theta)
        self.last = nn.GroupNorm(_groups(channels), channels)
        self.past = nn.Identity() if channels_in == channels else nn.Conv2d(channels_in, channels, 1)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        made = self.last(self.second(functional.relu(self.norm(self.first(x)))))
        past = functional.avg_pool2d(x, self.stride) if self.stride > 1 else x
        return functional.relu(made + self.past(past))


class Convolutional(Network):
    """Four stages, each of half the side and twice the channels of the one before.

    `theta` above 0 makes every convolution one of central differences.
    """

    def __init__(self, width: int, theta: float, maps: Sequence[str] = ()) -> None:
        widths = [width, 2 * width, 4 * width, 4 * width]
        super().__init__(features=widths[-1], grid=widths[-1], maps=maps)
        self.stem = nn.Sequential(
            _convolution(self.channels, width, 2, theta), nn.GroupNorm(_groups(width), width), nn.ReLU()
        )
        stages = [_Block(width, width, 1, theta)]
        stages += [_Block(one, other, 2, theta) for one, other in pairwise(widths)]
        self.stages = nn.Sequential(*stages)

    def look(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return features n x d and the grid n x d x h x w that they are the mean of."""
        grid = self.stages(self.stem(pictures))
        return grid.mean((2, 3)), grid


def _convolution(channels_in: int, channels: int, stride: int, theta: float) -> nn.Module:
    if theta:
        return CentralDifference(channels_in, channels, stride, theta)
    return nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)


def _groups(channels: int) -> int:
    return max(one for one in (8, 4, 2, 1) if channels % one == 0)
