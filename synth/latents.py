"""Pictures as latents of an AutoencoderKL: the large sizes are trained and sampled there."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from facedata.datasets.errors import DatasetError, UsageError

__all__ = ["Latents", "decoded", "encoded", "load_vae", "shrinks"]

_WEIGHTS = "diffusion_pytorch_model.safetensors"


def load_vae(reference: str) -> Any:
    """Return the AutoencoderKL of a folder (or its subfolder `vae`), or of a repository of the hub.

    Raises UsageError naming the files to bring where the hub cannot be reached, and DatasetError where a
    folder holds no autoencoder in safetensors.
    """
    import diffusers

    folder = Path(reference)
    local = folder.is_dir()
    if local:
        folder = folder / "vae" if (folder / "vae").is_dir() else folder
        missing = [name for name in ("config.json", _WEIGHTS) if not (folder / name).is_file()]
        if missing:
            raise DatasetError(
                f"{folder}: no {' and no '.join(missing)}; bring both config.json and {_WEIGHTS}"
            )
    try:
        vae = diffusers.AutoencoderKL.from_pretrained(folder if local else reference, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:160]
        if local:
            raise DatasetError(f"{folder} cannot be loaded ({reason}); restore the folder") from None
        raise UsageError(
            f"network.vae: {reference} is no folder and could not be had from the hub ({reason}); bring its "
            f"config.json and {_WEIGHTS} into a folder and name that"
        ) from None
    return vae.eval().requires_grad_(False)


def shrinks(vae: Any) -> int:
    """Return how many pixels a side one latent stands for."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


@torch.no_grad()
def encoded(vae: Any, pictures: Tensor) -> Tensor:
    """Return latents of about unit spread, n x c x h/s x w/s, of n x 3 x h x w pictures in [-1, 1]."""
    latents: Tensor = vae.encode(pictures.to(vae.device, vae.dtype)).latent_dist.mode().float()
    return (latents - _shift(vae)) * float(vae.config.scaling_factor)


@torch.no_grad()
def decoded(vae: Any, latents: Tensor) -> Tensor:
    """Return the pictures of latents that `encoded` gave."""
    raw = latents / float(vae.config.scaling_factor) + _shift(vae)
    pictures: Tensor = vae.decode(raw.to(vae.device, vae.dtype)).sample.float()
    return pictures


def _shift(vae: Any) -> float:
    return float(getattr(vae.config, "shift_factor", None) or 0.0)


class Latents:
    """Latents of pictures, each encoded once and kept in memory by what it is called."""

    def __init__(self, vae: Any) -> None:
        self.vae = vae
        self._known: dict[Hashable, Tensor] = {}

    def of(self, names: Sequence[Hashable], pictures: Tensor) -> Tensor:
        """Return n x c x h x w float32 on the CPU of n x 3 x h x w pictures in [-1, 1]."""
        for name, one in zip(names, pictures.chunk(len(names)), strict=True):
            if name not in self._known:  # one at a time: what is kept must not depend on what came with it
                self._known[name] = encoded(self.vae, one)[0].cpu()
        return torch.stack([self._known[name] for name in names])
