"""The model that is taught: found, looked at, and loaded with a fresh adapter beside its frozen weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig as PeftLora
from peft import PeftModel, get_peft_model
from safetensors import SafetensorError

from facedata.annotate.providers.local import ADAPTER, fingerprint, folder_of, load, peft_at_work
from facedata.datasets.errors import UsageError
from facedata.recipes.sft.config import LoraConfig

__all__ = ["Base", "find_base", "load_base"]


@dataclass(frozen=True)
class Base:
    """Where a base lies, what an adapter calls it (`reference`), and what it is wherever it lies."""

    folder: Path
    reference: str
    name: str
    files: str

    def to_json(self) -> dict[str, str]:
        """Return what the card says of it: no place."""
        return {"name": self.name, "files": self.files}


def find_base(model: str) -> Base:
    """Return the base that is named by its folder, or by its name on the hub, from where it is brought.

    Raises UsageError where it cannot be had, is an adapter, or has no weights but pickles.
    """
    folder = folder_of(model, fetch=True)
    if (folder / ADAPTER).is_file():
        raise UsageError(f"{folder} is an adapter already; give its base, or merge the two first")
    if not (folder / "config.json").is_file():
        raise UsageError(f"{folder} is no folder of a model (it has no config.json); give one with --model")
    if not any(folder.glob("*.safetensors")):
        raise UsageError(
            f"{folder} has no safetensors, and loading a pickle could run code; convert its weights"
        )
    whole = folder.resolve()
    local = folder == Path(model).expanduser()
    return Base(whole, str(whole) if local else model, whole.name if local else model, fingerprint(folder))


def load_base(base: Base, config: LoraConfig, seed: int) -> tuple[Any, PeftModel]:
    """Return the processor of a base, and the base with a fresh adapter beside its frozen weights.

    Raises UsageError where it is no vision-language model, or has no such layers.
    """
    try:
        processor, model = load(base.folder)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UsageError(
            f"{base.name} cannot be loaded as a vision-language model ({reason}); give one that transformers "
            "knows as such (AutoModelForImageTextToText)"
        ) from None
    if getattr(processor, "image_processor", None) is None:
        raise UsageError(
            f"{base.name} reads texts alone: it has no image processor; give one that reads both"
        )
    if processor.chat_template is None:
        raise UsageError(f"{base.name} has no chat template; give a model that was tuned to converse")
    layers = config.layers if isinstance(config.layers, str) else list(config.layers)
    told = PeftLora(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=layers,
        base_model_name_or_path=base.reference,
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)
    try:
        with peft_at_work():
            return processor, get_peft_model(model, told)
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"lora.layers: {config.layers!r} cannot be had of {base.name}: {reason}") from None
