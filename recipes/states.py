"""States of a training run: all that the next step depends on, in one safetensors file, without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from facedata.datasets.canonical import content_hash, identifier
from facedata.datasets.errors import DatasetError
from facedata.datasets.record import write_text
from facedata.datasets.whole import whole

__all__ = ["Best", "State", "hash_of", "moments_of", "newest_state", "put_moments", "trim_log"]

_KEPT = 2


@dataclass
class Best:
    """The best look at the development set so far: lower scores are better."""

    score: float = float("inf")
    step: int = 0
    stale: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def look(self, score: float, step: int, weights: Mapping[str, Tensor]) -> None:
        """Take a look into account: a NaN is never a gain."""
        if score < self.score:
            copied = {name: one.detach().to("cpu", copy=True) for name, one in weights.items()}
            self.score, self.step, self.stale, self.weights = score, step, 0, copied
        else:
            self.stale += 1


@dataclass
class State:
    """What a run is made of; `load` puts a file into it and `save` takes one of it."""

    module: nn.Module
    average: AveragedModel
    optimizer: Any
    best: Best = field(default_factory=Best)
    step: int = 0
    scaler: Any = None

    def save(self, root: Path) -> None:
        """Write the state, whole or not at all, and drop all but the newest two."""
        tensors = {f"module.{name}": one for name, one in self.module.state_dict().items()}
        tensors |= {f"average.{name}": one for name, one in self.average.state_dict().items()}
        tensors |= {f"best.{name}": one for name, one in self.best.weights.items()}
        tensors |= {f"optimizer.{name}": one for name, one in moments_of(self.optimizer).items()}
        tensors = {name: one.detach().contiguous() for name, one in tensors.items()}
        best = {"score": self.best.score, "step": self.best.step, "stale": self.best.stale}
        told = {"step": self.step, "best": best, "scaler": self.scaler and self.scaler.state_dict()}
        told["tensors"] = hash_of(tensors)
        folder = root / "states"
        folder.mkdir(parents=True, exist_ok=True)
        with whole(folder / f"step-{self.step:08d}.safetensors") as hidden:
            save_file(tensors, hidden, {"state": json.dumps(told)})
        for old in sorted(folder.glob("step-*"))[:-_KEPT]:
            old.unlink()

    def load(self, path: Path) -> None:
        """Take up a file's state; raise DatasetError where it cannot be read or is of another network."""
        try:
            with safe_open(path, "pt") as file:
                told = json.loads((file.metadata() or {})["state"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
            if told.pop("tensors") != hash_of(tensors):
                raise ValueError("its numbers are not those that were written")
            parts: dict[str, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                part, _, name = key.partition(".")
                parts.setdefault(part, {})[name] = value
            self.module.load_state_dict(parts["module"])
            self.average.load_state_dict(parts["average"])
            put_moments(self.optimizer, parts.get("optimizer", {}))
            self.best = Best(**told["best"], weights=parts.get("best", {}))
            self.step = int(told["step"])
            if self.scaler and told["scaler"]:
                self.scaler.load_state_dict(told["scaler"])
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DatasetError(
                f"{path} cannot be read ({reason}); remove it to go on from the state before"
            ) from None


def hash_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the version of tensors: a hash of names and bytes, not of a file and its metadata."""
    bytes_of = {name: one.cpu().contiguous().flatten().view(torch.uint8) for name, one in tensors.items()}
    return identifier({name: content_hash(one.numpy().tobytes()) for name, one in bytes_of.items()})


def moments_of(optimizer: Any) -> dict[str, Tensor]:
    """Return what an optimizer remembers, by `<number of the parameter>.<name>`."""
    states = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(one) for number in states for name, one in states[number].items()
    }


def put_moments(optimizer: Any, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer back what `moments_of` took of it; its rates stay."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        place, _, name = key.partition(".")
        moments.setdefault(int(place), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def newest_state(root: Path) -> Path | None:
    """Return the newest state of a run, None where there is none."""
    return max((root / "states").glob("step-*.safetensors"), default=None)


def trim_log(log: Path, step: int) -> None:
    """Leave the whole lines of a run's log up to `step`: those after its newest state will come again."""
    if log.is_file():
        lines = [line for line in log.read_text("utf-8").splitlines(keepends=True) if line.endswith("\n")]
        kept = [line for line in lines[1:] if int(line.split(",")[0]) <= step]
        write_text(log, "".join([*lines[:1], *kept]))
