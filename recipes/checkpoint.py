"""A trained model's folder: weights, what they were trained on and by what, and where its threshold is from.

model.safetensors   the weights
training.json       the card: recipe, configuration, dataset and its version, code, seed, threshold, ...
rows.parquet        ids and people of the rows that were learned from or watched: a test must hold none
dev.parquet         the development rows' truth and scores: any threshold can be chosen on them
log.csv, dev.csv    what each step, and each look at the development set, came to
states/             what a run goes on from
"""

from __future__ import annotations

import json
import shutil
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from facedata import __version__
from facedata.datasets.canonical import content_hash, identifier
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, TargetError
from facedata.datasets.parquet import read_table
from facedata.datasets.record import write_text
from facedata.datasets.whole import whole
from facedata.recipes.states import hash_of

__all__ = [
    "CARD_NAME",
    "DEV_SCORES",
    "ROWS",
    "code_version",
    "load_weights",
    "prepare",
    "publish",
    "publish_tensors",
    "read_card",
    "read_kept",
]

CARD_NAME = "training.json"
WEIGHTS = "model.safetensors"
DEV_SCORES = "dev.parquet"
ROWS = "rows.parquet"

_MAY_CHANGE = ("steps", "rate", "patience", "save_every", "workers", "memory")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@cache
def code_version() -> str:
    """Return facedata's version with a hash of the recipes' own sources."""
    root = resources.files("facedata.recipes")
    files = sorted(
        (path for path in Path(str(root)).rglob("*.py")), key=lambda path: path.relative_to(str(root))
    )
    return f"{__version__}+{identifier(*(content_hash(path.read_bytes()) for path in files))[:12]}"


def card_of(recipe: str, dataset: Dataset, config: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return what is known of a run before it begins."""
    return {
        "recipe": recipe,
        "code": code_version(),
        "dataset": {"name": dataset.root.resolve().name, "version": dataset.version},
        "config": config,
        **more,
    }


def prepare(target: Path, card: dict[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Make `target` ready for a run, or for the same to go on; raise TargetError where it is another's."""
    known = target / CARD_NAME
    if target.exists() and any(target.iterdir()):
        if overwrite and known.is_file():
            shutil.rmtree(target)
        elif not resume:
            raise TargetError(f"{target} is not empty; choose another -o, --resume or --overwrite")
        elif not known.is_file():
            raise TargetError(f"{target} holds no run to go on with; choose another -o")
        else:
            refuse_pickles(target)
            _same_run(target, json.loads(known.read_text("utf-8")), card)
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_text(known, json.dumps(card, indent=1))
    except OSError as error:
        raise TargetError(f"cannot write {target}: {error.strerror}; choose another -o") from None


def publish(target: Path, module: nn.Module, card: dict[str, Any]) -> None:
    """Write the weights of `module`, and the card with their hash."""
    tensors = {name: one.detach().cpu().contiguous() for name, one in module.state_dict().items()}
    publish_tensors(target, WEIGHTS, tensors, card)


def publish_tensors(target: Path, name: str, tensors: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write tensors into the file `name` of a model's folder, and the card with their hash: a run's end."""
    card = {**card, "weights": hash_of(tensors)}
    with whole(target / name) as hidden:
        # One key alone: safetensors writes several in any order, and equal models are to have equal bytes.
        save_file(tensors, hidden, {"training": json.dumps(card)})
    write_text(target / CARD_NAME, json.dumps(card, indent=1))


def read_card(path: Path, recipe: str | None = None) -> dict[str, Any]:
    """Return what a model's folder says of its training.

    Raises DatasetError where it holds no finished model, or one of another recipe than `recipe`.
    """
    if not path.is_dir():
        raise DatasetError(f"{path} is no folder; give the folder that facedata train wrote")
    refuse_pickles(path)
    try:
        card: dict[str, Any] = json.loads((path / CARD_NAME).read_text("utf-8"))
        if not isinstance(card, dict):
            raise ValueError("it is no mapping")
    except FileNotFoundError:
        raise DatasetError(f"{path} holds no model ({CARD_NAME} is missing); give a model's folder") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path / CARD_NAME} cannot be read ({error}); restore it") from None
    if "recipe" not in card:
        raise DatasetError(
            f"{path} is of no recipe, though it has a {CARD_NAME}; give what facedata train wrote"
        )
    if recipe is not None and card["recipe"] != recipe:
        raise DatasetError(f"{path} is a model of facedata train {card['recipe']}, not of train {recipe}")
    if "weights" not in card:
        raise DatasetError(f"{path} holds no finished model; finish it with facedata train --resume")
    return card


def read_kept(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a model's development rows with their scores, and the rows that it learned from, by id."""
    try:
        return read_table(path / DEV_SCORES).to_pandas(), read_table(path / ROWS).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"{path}: {DEV_SCORES} or {ROWS} cannot be read ({error}); restore them, or train again"
        ) from None


def load_weights(path: Path, module: nn.Module, card: dict[str, Any]) -> None:
    """Put a folder's weights into `module`; raise DatasetError where they are not those of its card."""
    try:
        tensors = load_file(path / WEIGHTS)
        if hash_of(tensors) != card["weights"]:
            raise DatasetError(
                f"{path}: the weights are not those that its {CARD_NAME} names; restore the folder"
            )
        module.load_state_dict(tensors)
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(f"{path / WEIGHTS} cannot be read ({reason}); restore the folder") from None


def refuse_pickles(path: Path) -> None:
    """Raise DatasetError where a folder holds something that could run code when it is loaded."""
    for found in sorted(path.rglob("*")):
        if found.suffix in _PICKLED:
            raise DatasetError(
                f"{found} is pickled, and loading it could run code; convert it to safetensors or remove it"
            )


def _same_run(target: Path, before: dict[str, Any], card: dict[str, Any]) -> None:
    loop = card["config"]["loop"]
    was = {**before.get("config", {})}
    was["loop"] = {**was.get("loop", {}), **{key: loop[key] for key in _MAY_CHANGE if key in loop}}
    for part, values in card["config"].items():
        differ = [key for key, value in values.items() if was.get(part, {}).get(key) != value]
        if differ:
            key, mine = differ[0], values[differ[0]]
            raise TargetError(
                f"{target} was trained with another {part}.{key} ({was.get(part, {}).get(key)}, not {mine}); "
                "give back that configuration, or choose another -o"
            )
    for key in ("recipe", "dataset", "protocol", "base", "pretrained"):
        if before.get(key) != card.get(key):
            raise TargetError(
                f"{target} was trained with another {key} ({before.get(key)}, not {card.get(key)}); "
                "choose another -o"
            )
