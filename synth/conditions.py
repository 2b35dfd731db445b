"""What a spoof is conditioned on, and how each condition is left out.

There are four: the content (a live face), the style (a picture of the attack to look like), its kind (a
species) and its quality (numbers). Each has a null of its own that training shows to the network, so guidance
can strengthen one of them and leave the others alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name that torch's own documentation uses
from torch import Tensor, nn

__all__ = ["Conditions", "FourierFeatures", "StyleEncoder", "statistics"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions of a batch of n, and which of them are given.

    `content` is n x 3 x h x w (or latents, n x c x h x w), `style` n x 3 x h x w, both in [-1, 1]; `kind` is
    n indices of species; `quality` n x q, standardised. `has_*` are n booleans; where one is False the
    value is ignored and the learned null stands in its place. `coverage`, n x 1 x h x w in [0, 1] at the size
    of the pictures, is how much of each pixel the content covers: everywhere, where it is None.
    """

    content: Tensor
    style: Tensor
    kind: Tensor
    quality: Tensor
    has_content: Tensor
    has_style: Tensor
    has_kind: Tensor
    has_quality: Tensor
    coverage: Tensor | None = None

    def without(self, *names: str) -> Conditions:
        """Return the conditions with those of `names` left out for all samples."""
        return dataclasses.replace(
            self, **{f"has_{name}": torch.zeros_like(getattr(self, f"has_{name}")) for name in names}
        )

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Conditions:
        """Return them on `device`, pictures and numbers as `dtype`."""
        moved = {}
        for field in dataclasses.fields(self):
            value: Tensor | None = getattr(self, field.name)
            if value is not None:
                moved[field.name] = value.to(device, dtype if value.is_floating_point() else None)
        return Conditions(**moved)

    @staticmethod
    def cat(parts: list[Conditions]) -> Conditions:
        """Return batches one after the other as one."""
        names = [
            one.name for one in dataclasses.fields(Conditions) if getattr(parts[0], one.name) is not None
        ]
        return Conditions(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})

    def covered(self, size: Sequence[int]) -> Tensor:
        """Return `coverage` at h x w = `size`: n x 1 x h x w float32."""
        if self.coverage is None:
            return torch.ones(len(self.content), 1, *size, device=self.content.device)
        return F.adaptive_avg_pool2d(self.coverage.float(), (size[0], size[1]))


class FourierFeatures(nn.Module):
    """Sines and cosines of each number at octaves: a raw scalar is too weak an input to be heeded."""

    def __init__(self, inputs: int, octaves: int = 6) -> None:
        super().__init__()
        self.width, self.octaves = inputs * octaves * 2, octaves

    def forward(self, numbers: Tensor) -> Tensor:
        """Return n x (q * octaves * 2) features of n x q numbers of about unit spread."""
        # Not a buffer: a network that is turned into bf16 would round the rates, and hear other numbers.
        rates = math.pi / 4 * 2.0 ** torch.arange(self.octaves, device=numbers.device)
        angles = (numbers.float().clamp(-4, 4)[..., None] * rates).flatten(1)
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class StyleEncoder(nn.Module):
    """The look of a picture as tokens: means and deviations of feature maps at several scales.

    Statistics over the picture carry material, colour and texture, and not who is shown or where.
    """

    def __init__(self, width: int, tokens: int, channels: tuple[int, ...] = (24, 48, 96, 96)) -> None:
        super().__init__()
        stages, before = [], 3
        for number, after in enumerate(channels):
            stages.append(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, stride=1 if number == 0 else 2, padding=1),
                    nn.GroupNorm(4, after),
                    nn.SiLU(),
                    nn.Conv2d(after, after, 3, padding=1),
                    nn.GroupNorm(4, after),
                    nn.SiLU(),
                )
            )
            before = after
        self.stages = nn.ModuleList(stages)
        self.to_tokens = nn.ModuleList([nn.Linear(2 * after, tokens * width) for after in channels])
        # Before a norm takes them away: mean and deviation of the colours themselves.
        self.to_colour = nn.Linear(6, width)
        self.norm = nn.LayerNorm(width)
        self.tokens, self.width = tokens, width
        self.count = tokens * len(channels) + 1

    def forward(self, style: Tensor) -> Tensor:
        """Return n x count x width tokens of n x 3 x h x w pictures in [-1, 1]."""
        found = [self.to_colour(statistics(style))[:, None]]
        features = style
        for stage, head in zip(self.stages, self.to_tokens, strict=True):
            features = stage(features)
            found.append(head(statistics(features)).unflatten(1, (self.tokens, self.width)))
        tokens: Tensor = self.norm(torch.cat(found, dim=1))
        return tokens


def statistics(features: Tensor) -> Tensor:
    """Return n x 2c: the mean and the standard deviation of each channel over the picture."""
    deviation, mean = torch.std_mean(features.float(), dim=(2, 3), correction=0)
    return torch.cat([mean, deviation], dim=1).to(features.dtype)
