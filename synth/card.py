"""What a model's folder says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from facedata.datasets.canonical import content_hash, identifier
from facedata.datasets.errors import DatasetError
from facedata.synth.config import TrainConfig

__all__ = ["ADAPTER_NAME", "CARD_NAME", "held_out", "own_kinds", "told_by", "weights_of"]

CARD_NAME = "training.json"
ADAPTER_NAME = "adapter.safetensors"
_WEIGHTS = "diffusion_pytorch_model.safetensors"


class _Quality(BaseModel):
    names: list[str]
    mean: list[float]
    deviation: list[float]


class _Base(BaseModel):
    weights: str
    path: str
    kinds: list[str]
    hold_out: list[str]


class _Card(BaseModel):
    """What the rest of the code takes out of a card; more may stand there."""

    config: TrainConfig
    kinds: list[str]
    quality: _Quality | None = None
    base: _Base | None = None


def told_by(root: Path) -> dict[str, Any]:
    """Return the card of a model's folder, of a run that may not have ended.

    Raises DatasetError where it is missing, damaged, or of a version that this one does not understand.
    """
    path = root / CARD_NAME
    try:
        card: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if not isinstance(card, dict):
            raise ValueError("it is no mapping")
        _Card.model_validate(card)
    except FileNotFoundError:
        raise DatasetError(
            f"{root} is no model ({CARD_NAME} is missing); give the folder that facedata synth train wrote"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "all of it"
        raise DatasetError(
            f"{path} is damaged or of another version of facedata ({place}: {first['msg']}); restore it, or "
            "train the model again"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); restore it") from None
    return card


def weights_of(root: Path, base: str | None = None) -> str:
    """Return the hash of all weights that pictures depend on: the model's version.

    An adapter's are its own and, by their version, those of its `base`. Raises OSError where they cannot be
    read.
    """
    if base is not None:
        return identifier(base, content_hash((root / ADAPTER_NAME).read_bytes()))
    # The configuration holds the prior, which pictures depend on as much.
    parts = [content_hash((root / "unet" / name).read_bytes()) for name in (_WEIGHTS, "config.json")]
    unet = identifier(*parts)
    vae = root / "vae" / _WEIGHTS
    return identifier(unet, content_hash(vae.read_bytes())) if vae.is_file() else unet


def own_kinds(card: dict[str, Any]) -> list[str]:
    """Return the kinds that a model makes; an adapter leaves those of its base to the base."""
    others = card.get("base", {}).get("kinds", ())
    return [kind for kind in card["kinds"] if kind not in others]


def held_out(card: dict[str, Any]) -> set[str]:
    """Return the domains that neither the training nor that of a base has seen."""
    return {*card["config"]["pairs"]["hold_out"], *card.get("base", {}).get("hold_out", ())}
