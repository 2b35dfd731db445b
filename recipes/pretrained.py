"""A finished model that training begins with: its network, and the rows that it knows already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from facedata.datasets.errors import SourceError, UsageError
from facedata.recipes.checkpoint import load_weights, read_card, read_kept
from facedata.recipes.fas_config import RECIPE, FasConfig
from facedata.recipes.models.base import Network
from facedata.recipes.models.build import build_network

__all__ = ["Pretrained", "pretrained_of"]


@dataclass(frozen=True)
class Pretrained:
    """The model in the folder `root`, and its card."""

    root: Path
    card: dict[str, Any]

    def network(self, config: FasConfig) -> Network:
        """Return its network with its weights."""
        network = build_network(config.network, self.card["architecture"])
        load_weights(self.root, network, self.card)
        return network

    def known(self) -> pd.DataFrame:
        """Return the rows that it knows, by id: `cluster`, and `part`, which is `watched` or `pretrained`."""
        dev, learned = read_kept(self.root)
        learned = learned.assign(part=learned["part"].replace("train", "pretrained"))
        both = pd.concat([learned, dev[["cluster"]].assign(part="watched")])
        return both[~both.index.duplicated()]

    def refuse_learned(self, dev: Sequence[str]) -> None:
        """Raise SourceError where a row for development is one that the model learned from."""
        known = self.known()
        learned = set(known.index[known["part"] != "watched"])
        if found := [one for one in dev if one in learned]:
            raise SourceError(
                f"{len(found)} of {len(dev)} rows for development are rows that {self.root} learned from "
                f"(first {found[0]}), and a threshold on them would be too good; train on the splits that it "
                "was trained on"
            )


def pretrained_of(config: FasConfig) -> Pretrained | None:
    """Return the model that a training of this configuration begins with.

    Raises DatasetError where the folder holds no finished model, and UsageError where its network is not the
    configured one.
    """
    if config.robust.pretrained is None:
        return None
    root = Path(config.robust.pretrained).expanduser()
    card = read_card(root, RECIPE)
    before = FasConfig.model_validate(card["config"])
    if before.robust.lora_rank:
        raise UsageError(
            f"robust.pretrained: {root} has branches of its own (robust.lora_rank); give the model that it "
            "began with"
        )
    other = before.network.model_dump()
    for key, mine in config.network.model_dump().items():
        if key != "weights" and mine != other[key]:  # the folder has the weights themselves
            raise UsageError(
                f"robust.pretrained: {root} has network.{key} {other[key]}, not {mine}; configure it so"
            )
    return Pretrained(root, card)
