"""A trained model from a folder: checked before anything of it is run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors import SafetensorError

from facedata.datasets.errors import DatasetError, UsageError
from facedata.synth.card import CARD_NAME, weights_of
from facedata.synth.model import SpoofUNet
from facedata.synth.pictures import QUALITIES, Scale
from facedata.synth.pipeline import SpoofDiffusionPipeline

__all__ = ["PRECISIONS", "SCHEDULERS", "Model", "load_model", "read_card", "scheduler_of"]

SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "dpm": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "ddpm": "DDPMScheduler",
    "sde": "DPMSolverMultistepScheduler",
}
"""Names on the command line and diffusers' classes. `ddpm` and `sde` draw noise at each step."""

_TOLD: dict[str, dict[str, Any]] = {"sde": {"algorithm_type": "sde-dpmsolver++"}}

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def scheduler_of(name: str, config: Any) -> Any:
    """Return a scheduler of SCHEDULERS with the noise of another one's `config`."""
    return getattr(diffusers, SCHEDULERS[name]).from_config(config, **_TOLD.get(name, {}))


@dataclass(frozen=True, slots=True)
class Model:
    """A pipeline with its card: what it was trained on, kinds of attack, and the scale of quality values."""

    pipeline: SpoofDiffusionPipeline
    card: dict[str, Any]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Species that it knows, in the order of their indices."""
        return tuple(self.card["kinds"])

    @property
    def weights(self) -> str:
        """SHA-256 of the network's weights: the model's version."""
        return str(self.card["weights"])

    @property
    def resolution(self) -> int:
        """Side of the pictures that it makes, px."""
        return int(self.card["config"]["network"]["resolution"])

    @property
    def scale(self) -> Scale:
        """What makes quality values of unit spread."""
        return Scale(self.card["quality"]["mean"], self.card["quality"]["deviation"])


def read_card(path: Path) -> dict[str, Any]:
    """Return what a model's folder says of its training, or raise DatasetError naming the mend."""
    if not path.is_dir():
        raise DatasetError(f"{path} is no folder; give the folder that facedata synth train wrote")
    for found in sorted(path.rglob("*")):
        if found.suffix in _PICKLED:
            raise DatasetError(
                f"{found} is pickled, and loading it could run code; convert it to safetensors or remove it"
            )
    try:
        card: dict[str, Any] = json.loads((path / CARD_NAME).read_text("utf-8"))
        weights = weights_of(path)
    except FileNotFoundError as error:
        mend = "finish its training with facedata synth train --resume"
        raise DatasetError(
            f"{path} holds no finished model ({Path(error.filename).name} is missing); {mend}"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path / CARD_NAME} cannot be read ({error}); restore it") from None
    if card.get("weights") != weights:
        raise DatasetError(
            f"{path}: the weights are not those that its {CARD_NAME} names; restore the folder"
        )
    if card.get("quality", {}).get("names") != list(QUALITIES):
        raise DatasetError(
            f"{path} was trained by facedata {card.get('facedata')}, whose quality values were others; "
            "train it again"
        )
    return card


def load_model(
    path: Path,
    scheduler: str = "ddim",
    device: str = "cpu",
    precision: str = "fp32",
    weights: str | None = None,
) -> Model:
    """Return the model of a folder, ready to sample; the last two are kept.

    `precision` is fp32, fp16 or bf16; `weights`, the version of the model, saves looking it up. Raises
    DatasetError where the folder holds no whole, safe model, and UsageError where the scheduler or the device
    is not there.
    """
    if scheduler not in SCHEDULERS:
        raise UsageError(f"--scheduler {scheduler!r} is not one of {', '.join(SCHEDULERS)}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("--device cuda: there is no GPU that torch can use; leave it out")
    if precision not in PRECISIONS:
        raise UsageError(f"--precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    if precision == "fp16" and device == "cpu":
        raise UsageError("--precision fp16 is for a GPU; take bf16, or leave it out")
    # By its version: a model that was trained again in the same place is another one.
    return _load(path, scheduler, device, precision, weights or str(read_card(path)["weights"]))


@lru_cache(maxsize=2)
def _load(path: Path, scheduler: str, device: str, precision: str, weights: str) -> Model:
    card = read_card(path)
    if card["weights"] != weights:
        raise DatasetError(f"{path} has changed while it was used; start again")
    dtype = PRECISIONS[precision]
    try:
        unet = SpoofUNet.from_pretrained(path / "unet", torch_dtype=dtype, use_safetensors=True)
        base = diffusers.DDIMScheduler.from_pretrained(path / "scheduler")
        vae = None
        if (path / "vae").is_dir():
            vae = diffusers.AutoencoderKL.from_pretrained(
                path / "vae", torch_dtype=dtype, use_safetensors=True
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(f"{path} cannot be loaded ({reason}); restore the folder") from None
    pipeline = SpoofDiffusionPipeline(unet.eval(), scheduler_of(scheduler, base.config), vae).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return Model(pipeline, card)
