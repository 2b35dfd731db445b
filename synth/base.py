"""The base of an adapter: a whole model that is trained on beyond its kinds, and how it is found again."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facedata.datasets.errors import UsageError
from facedata.datasets.inputs import refuse_overlap
from facedata.synth.adapter import grow
from facedata.synth.config import Lora, TrainConfig
from facedata.synth.load import load_unet, read_card
from facedata.synth.model import SpoofUNet
from facedata.synth.pairs import Pairs
from facedata.synth.pictures import Scale

__all__ = ["Base", "open_base"]


@dataclass(frozen=True, slots=True)
class Base:
    """A finished model, and what it says of its training."""

    path: Path
    card: dict[str, Any]

    @property
    def scale(self) -> Scale:
        """Quality values of unit spread, as the base hears them."""
        return Scale(self.card["quality"]["mean"], self.card["quality"]["deviation"])

    @property
    def vae(self) -> str | None:
        """Where the autoencoder is that it was trained with; None where it works on pixels."""
        return str(self.path) if (self.path / "vae").is_dir() else None

    def configured(self, config: TrainConfig) -> TrainConfig:
        """Return a configuration with the base's network, and low-rank matrices where nothing is said."""
        network = config.network.model_validate(self.card["config"]["network"])
        asked = config.network.model_dump(exclude_unset=True)
        for name, value in asked.items():
            if value != (of_base := getattr(network, name)):
                raise UsageError(
                    f"network.{name} is {value!r}, and {of_base!r} in the base {self.path}, whose network is "
                    "used as it is; leave it out"
                )
        return config.model_copy(update={"network": network, "lora": config.lora or Lora()})

    def extended(self, pairs: Pairs) -> Pairs:
        """Return pairs of new kinds whose indices come after the base's.

        Raises UsageError where the base knows a kind already, or held out a domain.
        """
        known = tuple(self.card["kinds"])
        if both := [kind for kind in pairs.kinds if kind in known]:
            raise UsageError(
                f"the base {self.path} knows {' and '.join(both)} already; filter these rows out (facedata "
                "filter), or train a whole model on them"
            )
        out = set(self.card["config"]["pairs"]["hold_out"])
        domains = {pairs.faces[pair.target].domain for pair in pairs.pairs}
        if odd := sorted(one for one in domains if one and one in out):
            raise UsageError(
                f"there are pairs of {', '.join(odd)}, which the training of the base {self.path} held out; "
                f"hold them out too (pairs: {{hold_out: [{', '.join(odd)}]}})"
            )
        return replace(pairs, kinds=(*known, *pairs.kinds))

    def network(self, kinds: int, wanted: Lora) -> SpoofUNet:
        """Return its network, ready to learn `kinds` kinds more."""
        model = load_unet(self.path)
        grow(model, kinds, wanted)
        model.train()
        return model

    def told(self, target: Path) -> dict[str, Any]:
        """Return what the card of an adapter in `target` says of its base."""
        return {
            "weights": self.card["weights"],
            # From there: the two may be moved together.
            "path": os.path.relpath(self.path.resolve(), target.resolve()),
            "kinds": self.card["kinds"],
            "hold_out": self.card["config"]["pairs"]["hold_out"],
        }


def open_base(path: Path, target: Path, config: TrainConfig) -> Base:
    """Return the base at `path` for a run that writes to `target`.

    Raises DatasetError where it is not whole or not safe, and UsageError where no kind can be added to it.
    """
    refuse_overlap(path, target)
    card = read_card(path)
    if "base" in card:
        raise UsageError(f"--base {path} is an adapter; give the whole model that it was trained on")
    if "despoof" in (config.task, card["config"]["task"]):
        raise UsageError(
            f"--base {path} with task {config.task}: adapters are for new kinds of attack; both the base and "
            "the run must be of the task spoof"
        )
    return Base(path, card)
