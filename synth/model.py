"""The network: a UNet of diffusers that sees the live face beside the noise, and attends to the attack."""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers import ConfigMixin, ModelMixin, UNet2DConditionModel
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from facedata.synth.conditions import Conditions, FourierFeatures, StyleEncoder

__all__ = ["SIZES", "SpoofUNet"]

SIZES: dict[str, dict[str, Any]] = {
    "smoke": {"channels": (32, 64, 96, 128), "layers": 1, "attention": 2, "width": 128},
    "small": {"channels": (96, 192, 256, 384), "layers": 2, "attention": 2, "width": 256},
    "base": {"channels": (128, 256, 384, 512), "layers": 2, "attention": 2, "width": 512},
}
"""Channels of each level, residual blocks a level, how many of the lowest levels attend, width of tokens."""


class SpoofUNet(ModelMixin, ConfigMixin):  # type: ignore[misc] # diffusers is untyped
    """Predict the velocity of a noisy attack face under its conditions.

    `sample_size` is the side of the pictures (or latents) in px, `channels_in` 3 for pixels and the latents'
    number for latents, `kinds` the number of species that it knows, `qualities` the number of quality values.
    The first convolution works at full resolution: folding pixels into channels leaves a periodic grid.
    """

    config_name = "config.json"

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        sample_size: int = 64,
        channels_in: int = 3,
        kinds: int = 1,
        qualities: int = 4,
        channels: tuple[int, ...] = (32, 64, 96, 128),
        layers: int = 1,
        attention: int = 2,
        width: int = 128,
        tokens: int = 2,
    ) -> None:
        super().__init__()
        plain = len(channels) - attention
        self.style = StyleEncoder(width, tokens)
        self.quality = FourierFeatures(qualities)
        self.kind = nn.Embedding(kinds + 1, width)  # the last one is the null
        self.null_style = nn.Parameter(torch.randn(self.style.count, width) * 0.02)
        self.null_quality = nn.Parameter(torch.randn(self.quality.width) * 0.02)
        self.hear_quality = nn.Linear(self.style.count * width, qualities)
        self.unet = UNet2DConditionModel(
            sample_size=sample_size,
            # noise, content, and a channel that says whether there is content: grey is a picture too
            in_channels=2 * channels_in + 1,
            out_channels=channels_in,
            down_block_types=("DownBlock2D",) * plain + ("CrossAttnDownBlock2D",) * attention,
            up_block_types=("CrossAttnUpBlock2D",) * attention + ("UpBlock2D",) * plain,
            block_out_channels=tuple(channels),
            layers_per_block=layers,
            cross_attention_dim=width,
            attention_head_dim=4,
            norm_num_groups=16,
            class_embed_type="projection",
            projection_class_embeddings_input_dim=2 * width + self.quality.width,
        )

    def forward(self, noisy: Tensor, timestep: Tensor | int, conditions: Conditions) -> Tensor:
        """Return the velocity, n x c x h x w, of `noisy` at `timestep`."""
        given = conditions
        content = torch.where(given.has_content[:, None, None, None], given.content, 0)
        present = given.has_content.to(noisy.dtype)[:, None, None, None].expand(-1, 1, *noisy.shape[2:])
        tokens, vector = self.embed(given)
        inputs = torch.cat([noisy, content, present], dim=1)
        return cast(Tensor, self.unet(inputs, timestep, tokens, class_labels=vector).sample)

    def embed(self, given: Conditions) -> tuple[Tensor, Tensor]:
        """Return the tokens to attend to, n x count x width, and the vector that is added to the time's."""
        style = torch.where(given.has_style[:, None, None], self.style(given.style), self.null_style)
        kind = self.kind(torch.where(given.has_kind, given.kind, self.config.kinds))
        quality = torch.where(given.has_quality[:, None], self.quality(given.quality), self.null_quality)
        tokens = torch.cat([style, kind[:, None]], dim=1)
        return tokens, torch.cat([style.mean(dim=1), kind, quality], dim=1)

    def guess_quality(self, style: Tensor) -> Tensor:
        """Return the quality, n x q, that the style's tokens tell of: learning it keeps it in them."""
        return cast(Tensor, self.hear_quality(self.style(style).flatten(1)))
