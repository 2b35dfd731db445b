"""A trained model from a folder: checked before anything of it is run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors import SafetensorError
from torch import nn

from facedata.datasets.errors import DatasetError, UsageError
from facedata.synth.adapter import grow, load_adapter, merge
from facedata.synth.card import ADAPTER_NAME, CARD_NAME, own_kinds, told_by, weights_of
from facedata.synth.config import Lora
from facedata.synth.model import SpoofUNet
from facedata.synth.pictures import QUALITIES, Scale
from facedata.synth.pipeline import SpoofDiffusionPipeline

__all__ = [
    "PRECISIONS",
    "SCHEDULERS",
    "Model",
    "find_base",
    "load_model",
    "load_unet",
    "read_card",
    "scheduler_of",
]

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
_DAMAGED = (OSError, ValueError, RuntimeError, KeyError, SafetensorError)
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
    card = told_by(path)
    try:
        weights = weights_of(path, card["base"]["weights"] if "base" in card else None)
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path} holds no finished model ({Path(error.filename).name} is missing); finish its training "
            "with facedata synth train --resume"
        ) from None
    except OSError as error:
        raise DatasetError(f"{path}: its weights cannot be read ({error}); restore the folder") from None
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


def find_base(path: Path, card: dict[str, Any], given: Path | None = None) -> Path | None:
    """Return where the base of the adapter at `path` is, None where that is a whole model.

    That is `given`, or where it was when the adapter was trained. Raises UsageError where there is none, and
    DatasetError where it is not whole, not safe, or another one.
    """
    told = card.get("base")
    if told is None:
        if given is not None:
            raise UsageError(f"--base {given}: {path} is a whole model, which needs no base; leave it out")
        return None
    found = given or (path / told["path"]).resolve()
    if given is None and not found.is_dir():
        raise UsageError(f"{path} is an adapter, and its base is not at {found}; say where it is with --base")
    weights = str(read_card(found)["weights"])
    if weights != told["weights"]:
        raise DatasetError(
            f"{found} is not the base of {path}: its weights are {weights[:12]}, and the adapter was trained "
            f"on {told['weights'][:12]}; give that one with --base"
        )
    return found


def load_unet(path: Path) -> SpoofUNet:
    """Return the network of a whole model, float32; raise DatasetError where it cannot be loaded."""
    try:
        found: SpoofUNet = SpoofUNet.from_pretrained(path / "unet", use_safetensors=True)
    except _DAMAGED as error:
        raise _unloadable(path, error) from None
    return found


def load_model(
    path: Path,
    scheduler: str = "ddim",
    device: str = "cpu",
    precision: str = "fp32",
    weights: str | None = None,
    base: Path | None = None,
) -> Model:
    """Return the model of a folder, ready to sample; the last two are kept.

    `precision` is fp32, fp16 or bf16; `device` is cpu, cuda, or auto for a GPU where there is one. `weights`,
    the version of the model, saves looking it up; `base` is where an adapter's base is, if it is not where it
    was. Raises DatasetError where the folder holds no whole, safe model, and UsageError where the scheduler,
    the device or the base is not there.
    """
    if scheduler not in SCHEDULERS:
        raise UsageError(f"--scheduler {scheduler!r} is not one of {', '.join(SCHEDULERS)}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("--device cuda: there is no GPU that torch can use; leave it out")
    if precision not in PRECISIONS:
        raise UsageError(f"--precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    if precision == "fp16" and device == "cpu":
        raise UsageError("--precision fp16 is for a GPU; take bf16, or leave it out")
    # By its version: a model that was trained again in the same place is another one.
    return _load(path, scheduler, device, precision, weights or str(read_card(path)["weights"]), base)


@lru_cache(maxsize=2)
def _load(path: Path, scheduler: str, device: str, precision: str, weights: str, base: Path | None) -> Model:
    card = read_card(path)
    if card["weights"] != weights:
        raise DatasetError(f"{path} has changed while it was used; start again")
    whole = find_base(path, card, base) or path
    dtype = PRECISIONS[precision]
    unet = load_unet(whole)
    if not (whole / "scheduler").is_dir():  # or it would be looked for on the hub
        raise DatasetError(f"{whole} has no scheduler; restore the folder")
    try:
        if whole is not path:
            grow(unet, len(own_kinds(card)), Lora.model_validate(card["config"]["lora"]))
            load_adapter(unet, path / ADAPTER_NAME)
            merge(unet)  # in full precision: rounded alone, small changes would be lost
        noise = diffusers.DDIMScheduler.from_pretrained(whole / "scheduler")
        vae = None
        if (whole / "vae").is_dir():
            vae = diffusers.AutoencoderKL.from_pretrained(
                whole / "vae", torch_dtype=dtype, use_safetensors=True
            )
    except _DAMAGED as error:
        raise _unloadable(path, error) from None
    nn.Module.to(unet, dtype)  # diffusers' own `to` warns of layers to be kept in full, though there are none
    pipeline = SpoofDiffusionPipeline(unet.eval(), scheduler_of(scheduler, noise.config), vae).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return Model(pipeline, card)


def _unloadable(path: Path, error: Exception) -> DatasetError:
    reason = " ".join(str(error).split())[:200]
    return DatasetError(f"{path} cannot be loaded ({reason}); restore the folder")
