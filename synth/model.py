"""The network: a UNet of diffusers that sees the live face beside the noise, and attends to the attack."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that torch's own documentation uses
from diffusers import ConfigMixin, ModelMixin, UNet2DConditionModel
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from facedata.synth.conditions import Conditions, FourierFeatures, StyleEncoder, statistics
from facedata.synth.prior import Maps, Prior
from facedata.synth.schedule import levels

__all__ = ["SIZES", "SpoofUNet", "Told"]

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"channels": (16, 32), "layers": 1, "attention": 1, "width": 32},
    "smoke": {"channels": (32, 64, 96, 128), "layers": 1, "attention": 2, "width": 128},
    "small": {"channels": (96, 192, 256, 384), "layers": 2, "attention": 2, "width": 256},
    "base": {"channels": (128, 256, 384, 512), "layers": 2, "attention": 2, "width": 512},
}
"""`tiny` is to try things with, `smoke` for 64 px, `small` for 128, `base` for 256 and for latents.

Channels of each level, residual blocks a level, how many of the lowest levels attend, width of tokens."""


_SUREST = 0.15  # of the measured deviation


class Told(NamedTuple):
    """What the conditions tell beside the velocity.

    `quality`, n x q standardised values, is what the style's tokens tell of it: learning to tell keeps it in
    them. `maps` are the maps of colours that are asked for.
    """

    quality: Tensor
    maps: Maps


class SpoofUNet(ModelMixin, ConfigMixin):  # type: ignore[misc] # diffusers is untyped
    """Predict the velocity of a noisy attack face under its conditions.

    `sample_size` is the side of the pictures (or latents) in px, `channels_in` 3 for pixels and the latents'
    number for latents, `kinds` the number of species that it knows, `qualities` the number of quality values.
    `prior` is what was measured of attacks (`Prior.measured`): what is noised is the difference from the live
    face, in its unit, and the network predicts a correction of its best guess. The first convolution works at
    full resolution: folding pixels into channels leaves a periodic grid.
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
        prior: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        # Not buffers: a network that is turned into bf16 would round them.
        self.prior = Prior(**(prior or Prior.unmeasured(channels_in)))
        terms = channels_in * (channels_in + 1)
        plain = len(channels) - attention
        self.style = StyleEncoder(width, tokens)
        self.quality = FourierFeatures(qualities)
        self.kind = nn.Embedding(kinds + 1, width)  # the last one is the null
        self.null_style = nn.Parameter(torch.randn(self.style.count, width) * 0.02)
        self.null_quality = nn.Parameter(torch.randn(self.quality.width) * 0.02)
        last = nn.Linear(128, 2 * terms)
        nn.init.zeros_(last.weight)  # before it has learned, it asks for what was measured
        nn.init.zeros_(last.bias)
        # The style is a picture, whatever the content is; three more say what is there, and how much of it.
        told = 2 * width + self.quality.width + 2 * (3 + channels_in) + 3
        self.map_head = nn.Sequential(nn.Linear(told, 128), nn.SiLU(), last)
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
            # Few groups, and scale and shift after the norm: a group of one or two channels would take away
            # what style and time add to them, for these add the same everywhere.
            norm_num_groups=4,
            resnet_time_scale_shift="scale_shift",
            class_embed_type="projection",
            projection_class_embeddings_input_dim=2 * width + self.quality.width,
        )

    def forward(self, noisy: Tensor, timestep: Tensor | int, conditions: Conditions) -> tuple[Tensor, Told]:
        """Return the velocity, n x c x h x w, of `noisy` at `timestep`, and what was told by the conditions.

        Both are float32, whatever the precision of the network.
        """
        given = conditions
        times = torch.as_tensor(timestep, device=noisy.device).expand(len(noisy))
        coverage = given.covered(noisy.shape[2:]) * given.has_content[:, None, None, None]
        tokens, vector, heard = self.embed(given)
        maps = self.maps(given, vector, coverage)
        alpha, sigma = levels(times)
        # The head learns from the maps themselves; through the guess it would learn from noise.
        sure = Maps(*(one.detach() for one in maps))
        guess, deviation = self.prior.best_guess(noisy.float(), given, alpha, sigma, sure)
        inputs = torch.cat([noisy, given.content * coverage, coverage], dim=1).to(self.dtype)
        found = self.unet(inputs, times, tokens, class_labels=vector).sample.float()
        return (alpha * noisy - guess - deviation * found) / sigma, Told(heard, maps)

    def maps(self, given: Conditions, vector: Tensor, coverage: Tensor) -> Maps:
        """Return which maps of colours the conditions ask for.

        `vector` is what `embed` gives, `coverage` where content is given, n x 1 x h x w.
        """
        has_style = given.has_style[:, None].to(vector)
        content = statistics(given.content.float() * coverage)
        seen = [
            vector,
            2 * statistics(given.style.float()) * has_style,
            has_style,
            2 * content,
            given.has_content[:, None],
            4 * (1 - coverage.mean(dim=(1, 2, 3)))[:, None],
        ]
        shift, doubt = (
            self.map_head(torch.cat([one.to(self.dtype) for one in seen], dim=1)).float().chunk(2, 1)
        )
        # Surer than the measured spread, or as sure: 1 at a wide range, and never certain.
        return Maps(shift, (-F.softplus(doubt - 1)).exp().clamp(min=_SUREST))

    def embed(self, given: Conditions) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the UNet is told, and the quality that is heard in the style.

        These are the tokens to attend to, n x count x width, the vector that is added to the time's, and
        n x q standardised quality values.
        """
        seen = self.style(given.style.to(self.dtype))
        style = torch.where(given.has_style[:, None, None], seen, self.null_style)
        kind = self.kind(torch.where(given.has_kind, given.kind, self.config.kinds))
        quality = torch.where(
            given.has_quality[:, None], self.quality(given.quality).to(self.dtype), self.null_quality
        )
        tokens = torch.cat([style, kind[:, None]], dim=1)
        heard = self.hear_quality(seen.flatten(1)).float()
        return tokens, torch.cat([style.mean(dim=1), kind, quality], dim=1), heard
