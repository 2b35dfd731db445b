"""A vision transformer that stays as it was trained, with convolutional adapters that learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ViTConfig, ViTModel

from facedata.datasets.errors import UsageError
from facedata.recipes.models.base import Network
from facedata.recipes.models.convolutional import CentralDifference
from facedata.recipes.models.prompt import PromptReader

__all__ = ["SIZES", "Adapter", "Transformer"]

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128},
    "small": {
        "hidden_size": 384,
        "num_hidden_layers": 12,
        "num_attention_heads": 6,
        "intermediate_size": 1536,
    },
    "base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
}
"""Transformers that are drawn afresh where no weights are named."""

_SHAPE = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("layer_norm_eps", "image_size", "patch_size", "num_channels", "qkv_bias"),
)


class Adapter(nn.Module):
    """What is added to a layer's tokens: down to few channels, 3 x 3 over the grid of patches, and up.

    It adds nothing at first, so training begins at the answers of the weights that were given. The class
    token is a grid of one. With `theta` above 0 the middle convolution is one of central differences.

    Source: Jie and Deng 2022, Convolutional Bypasses (arXiv 2207.07039); Cai et al. 2023, S-Adapter
    (arXiv 2309.04038) for the differences.
    """

    def __init__(self, width: int, bottleneck: int, theta: float = 0.0) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        if theta:
            self.middle: nn.Conv2d = CentralDifference(bottleneck, bottleneck, theta=theta)
        else:
            self.middle = nn.Conv2d(bottleneck, bottleneck, 3, padding=1, bias=False)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what is added to n x (1 + h h) x width tokens."""
        number, count, _ = tokens.shape
        side = round((count - 1) ** 0.5)
        low = functional.gelu(self.down(tokens)).transpose(1, 2)
        grid = self.middle(low[:, :, 1:].reshape(number, -1, side, side)).flatten(2)
        alone = self.middle(low[:, :, :1, None]).flatten(2)
        made: Tensor = self.up(functional.gelu(torch.cat([alone, grid], 2)).transpose(1, 2))
        return made


class _Adapted(nn.Module):
    """A layer of the transformer with its adapter behind it."""

    def __init__(self, layer: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.layer, self.adapter = layer, adapter

    def forward(self, tokens: Tensor, *told: Any, **named: Any) -> Any:
        made = self.layer(tokens, *told, **named)
        if isinstance(made, tuple):  # as transformers 4 has it
            return (made[0] + self.adapter(made[0]), *made[1:])
        return made + self.adapter(made)


class Transformer(Network):
    """A ViT of `architecture`, frozen but for its adapters where its weights were trained before.

    With `maps` a 1 x 1 convolution mixes all channels to the three that the ViT takes. With `masking`, shares
    as PromptReader has them, that reads the patches' tokens, in place of the class token and their mean.
    """

    def __init__(
        self,
        vit: ViTModel,
        bottleneck: int,
        theta: float,
        *,
        frozen: bool,
        maps: Sequence[str] = (),
        masking: tuple[float, float] | None = None,
    ) -> None:
        width = int(vit.config.hidden_size)
        super().__init__(features=width, grid=width, maps=maps)
        self.vit = vit.requires_grad_(not frozen)
        home = vit if hasattr(vit, "layers") else vit.encoder
        name = "layers" if hasattr(vit, "layers") else "layer"
        adapted = [_Adapted(layer, Adapter(width, bottleneck, theta)) for layer in getattr(home, name)]
        setattr(home, name, nn.ModuleList(adapted))
        if maps:
            self.mix = _mixing(self.channels)
        self.reader = PromptReader(width, *masking) if masking else None

    @property
    def architecture(self) -> dict[str, Any]:
        """What the transformer is made like again without the weights that it began from."""
        return {name: getattr(self.vit.config, name) for name in _SHAPE}

    def look(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class token beside the mean of the grid of the others, or what is read of it, and it."""
        if self.maps:
            pictures = self.mix(pictures)
        tokens = self.vit(pictures, interpolate_pos_encoding=True).last_hidden_state
        side = round((tokens.shape[1] - 1) ** 0.5)
        grid = tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, side, side)
        if self.reader is not None:  # without the class token: it has seen what is masked
            return self.reader(tokens[:, 1:]), grid
        return tokens[:, 0] + grid.mean((2, 3)), grid


def _mixing(channels: int) -> nn.Conv2d:
    """Return what mixes channels to three: at first the colours alone, which the weights are made for."""
    mix = nn.Conv2d(channels, 3, 1)
    nn.init.dirac_(mix.weight)
    nn.init.zeros_(cast(Tensor, mix.bias))
    return mix


def load_vit(weights: str | None, size: str, side: int, architecture: dict[str, Any] | None) -> ViTModel:
    """Return a ViT: of a folder or of the hub, of what a model's card says, or a fresh one of SIZES.

    Only safetensors are read. Raises UsageError where the weights cannot be had.
    """
    if architecture is not None:
        return ViTModel(ViTConfig(**architecture), add_pooling_layer=False)
    if weights is None:
        told = ViTConfig(**SIZES[size], image_size=side, patch_size=16 if side >= 96 else 8)
        return ViTModel(told, add_pooling_layer=False)
    if weights.startswith((".", "/", "~")) and not Path(weights).expanduser().is_dir():
        raise UsageError(f"network.weights: {weights} is no folder; give one, or a name of the hub")
    try:
        found = ViTModel.from_pretrained(
            str(Path(weights).expanduser()) if Path(weights).expanduser().is_dir() else weights,
            add_pooling_layer=False,
            use_safetensors=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"network.weights: {weights} cannot be loaded ({reason}); give a folder with config.json and "
            "model.safetensors of a ViT, or a name of the hub"
        ) from None
    return nn.Module.float(found)
