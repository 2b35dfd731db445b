"""What a model's folder says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facedata.datasets.canonical import content_hash, identifier

__all__ = ["ADAPTER_NAME", "CARD_NAME", "held_out", "own_kinds", "weights_of"]

CARD_NAME = "training.json"
ADAPTER_NAME = "adapter.safetensors"
_WEIGHTS = "diffusion_pytorch_model.safetensors"


def weights_of(root: Path, base: str | None = None) -> str:
    """Return the hash of all weights that pictures depend on: the model's version.

    An adapter's are its own and, by their version, those of its `base`. Raises OSError where they cannot be
    read.
    """
    if base is not None:
        return identifier(base, content_hash((root / ADAPTER_NAME).read_bytes()))
    unet = content_hash((root / "unet" / _WEIGHTS).read_bytes())
    vae = root / "vae" / _WEIGHTS
    return identifier(unet, content_hash(vae.read_bytes())) if vae.is_file() else unet


def own_kinds(card: dict[str, Any]) -> list[str]:
    """Return the kinds that a model makes; an adapter leaves those of its base to the base."""
    others = card.get("base", {}).get("kinds", ())
    return [kind for kind in card["kinds"] if kind not in others]


def held_out(card: dict[str, Any]) -> set[str]:
    """Return the domains that neither the training nor that of a base has seen."""
    return {*card["config"]["pairs"]["hold_out"], *card.get("base", {}).get("hold_out", ())}
