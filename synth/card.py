"""What a model's folder says of itself."""

from __future__ import annotations

from pathlib import Path

from facedata.datasets.canonical import content_hash, identifier

__all__ = ["CARD_NAME", "weights_of"]

CARD_NAME = "training.json"
_WEIGHTS = "diffusion_pytorch_model.safetensors"


def weights_of(root: Path) -> str:
    """Return the hash of all weights that pictures depend on: the model's version.

    Raises OSError where they cannot be read.
    """
    unet = content_hash((root / "unet" / _WEIGHTS).read_bytes())
    vae = root / "vae" / _WEIGHTS
    return identifier(unet, content_hash(vae.read_bytes())) if vae.is_file() else unet
