"""Switches of robustness: adversarial pictures, guidance by a frozen model, adapters behind a norm."""

from facedata.recipes.robust.attacks import Attack, attacked
from facedata.recipes.robust.guidance import Frozen, guidance, guided_loss
from facedata.recipes.robust.lora import LayerNormLora, Share, add_layernorm_lora

__all__ = [
    "Attack",
    "Frozen",
    "LayerNormLora",
    "Share",
    "add_layernorm_lora",
    "attacked",
    "guidance",
    "guided_loss",
]
