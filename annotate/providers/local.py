"""A local vision-language model: a folder of transformers, or one of a peft adapter that names its base.

What `facedata train sft` writes is such an adapter. Its card, training.json, has the hash of its base's
files, so that it is never put on another base unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facedata.datasets.canonical import identifier
from facedata.datasets.errors import DatasetError, UsageError

__all__ = [
    "ADAPTER",
    "ADAPTER_WEIGHTS",
    "CARD",
    "fingerprint",
    "folder_of",
    "load",
    "peft_at_work",
    "take_pad_token",
]

ADAPTER = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
CARD = "training.json"
_WEIGHTS = (".safetensors", ".bin")
_FILES = (".json", ".jinja", ".model", ".txt", *_WEIGHTS)


def load(path: Path, *, dtype: str = "auto") -> tuple[Any, Any]:
    """Return the processor and the model of a folder, on the CPU, with its adapter where it is one.

    Raises UsageError where an adapter's base is not there, and whatever transformers raises of files that are
    not right.
    """
    from transformers import AutoModelForImageTextToText

    base = _base_of(path)
    processor = _processor(base or path)
    model: Any = AutoModelForImageTextToText.from_pretrained(base or path, dtype=dtype, local_files_only=True)
    if base is not None:
        from peft import PeftModel

        with peft_at_work():
            model = PeftModel.from_pretrained(model, str(path), local_files_only=True)
    return processor, model


def _processor(path: Path) -> Any:
    """Return what makes numbers of texts and pictures: by PIL and without videos, which need torchvision."""
    from transformers import AutoConfig, AutoProcessor
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    known: Any = PROCESSOR_MAPPING
    config = AutoConfig.from_pretrained(path, local_files_only=True)
    found: Any = known.get(type(config), AutoProcessor)
    if found is not AutoProcessor and "video_processor" in found.get_attributes():
        parts = [name for name in found.get_attributes() if name != "video_processor"]
        found = type(found.__name__, (found,), {"get_attributes": classmethod(lambda _: parts)})
    return found.from_pretrained(path, backend="pil", local_files_only=True)


@contextmanager
def peft_at_work() -> Iterator[None]:
    """Keep quiet about a name that peft still asks transformers for: nobody here can call it otherwise."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def take_pad_token(processor: Any) -> Any:
    """Return the tokenizer of a processor; it pads with the token of the end where it has no other for it."""
    tokenizer = getattr(processor, "tokenizer", processor)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def folder_of(reference: str, *, fetch: bool) -> Path:
    """Return the folder of a model that is named by its folder or by its name on the hub.

    With `fetch` its safetensors, and never a pickle, are brought from the hub. Raises UsageError where it
    cannot be had.
    """
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return folder
    if reference.startswith((".", "/", "~")):
        raise UsageError(f"{reference} is no folder; give the folder of a model, or a name on the hub")
    from huggingface_hub import snapshot_download

    wanted = [f"*{suffix}" for suffix in _FILES if suffix != ".bin"]
    try:
        return Path(snapshot_download(reference, allow_patterns=wanted, local_files_only=not fetch))
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{reference} is no folder and could not be had from the hub ({reason}); give a model's folder"
        ) from None


def fingerprint(path: Path) -> str:
    """Return the hash of the files that make a model what it is: names differ, weights decide.

    An adapter's is of its base too.
    """
    hashes = []
    for file in sorted(path.iterdir()):
        if file.suffix in _FILES and file.is_file():
            with file.open("rb") as opened:
                hashes.append((file.name, hashlib.file_digest(opened, "sha256").hexdigest()))
    base = _base_of(path)
    own = identifier("model", hashes)
    return own if base is None else identifier("adapter", own, fingerprint(base))


def _base_of(path: Path) -> Path | None:
    """Return the folder of an adapter's base, None where `path` is no adapter."""
    if not (path / ADAPTER).is_file():
        return None
    try:
        told = json.loads((path / ADAPTER).read_text("utf-8"))
        card = json.loads((path / CARD).read_text("utf-8")) if (path / CARD).is_file() else {}
        reference = told["base_model_name_or_path"]
        expected = card.get("base", {}).get("files")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise DatasetError(f"{path / ADAPTER} cannot be read ({error!r}); restore the folder") from None
    if not (path / ADAPTER_WEIGHTS).is_file():
        raise DatasetError(f"{path} holds no {ADAPTER_WEIGHTS}; finish it with facedata train sft --resume")
    try:
        base = folder_of(str(reference), fetch=False)
    except UsageError as error:
        raise UsageError(
            f"{path} is an adapter of a base that is not here: {error}; name its folder in {ADAPTER} "
            "(base_model_name_or_path)"
        ) from None
    if (base / ADAPTER).is_file():
        raise UsageError(f"{path} is an adapter of {base.name}, which is one itself; that is not supported")
    if expected is not None and fingerprint(base) != expected:
        raise UsageError(
            f"{path} is an adapter of another {base.name} than the one that lies there (its files differ); "
            "bring back those that it was trained on"
        )
    return base
