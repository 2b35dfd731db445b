"""States of a training run: weights, their average and the optimiser's moments, without pickle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from diffusers.training_utils import EMAModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from facedata.datasets.errors import DatasetError
from facedata.datasets.record import write_text
from facedata.datasets.seal import seal, sealed

__all__ = ["learned", "load_state", "newest_state", "put", "save_state", "trim_log"]

_KEPT = 2
_FILES = ("state.json", "model.safetensors", "ema.safetensors", "optimizer.safetensors")


def learned(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are trained, by name: all of a whole network, what is new of an adapter."""
    return {name: one for name, one in model.named_parameters() if one.requires_grad}


def put(parameters: dict[str, nn.Parameter], values: dict[str, Tensor]) -> None:
    """Put values into the parameters of the same names; raise ValueError where these are not the same."""
    odd = sorted(parameters.keys() ^ values.keys())
    odd += [name for name, one in parameters.items() if name in values and one.shape != values[name].shape]
    if odd:
        raise ValueError(f"it is of another network: {odd[0]} does not fit")
    for name, one in parameters.items():
        one.data.copy_(values[name])


def save_state(root: Path, step: int, model: nn.Module, ema: EMAModel, optimizer: Any) -> None:
    """Write the state after `step` steps, whole or not at all, and drop all but the newest two."""
    final = root / "states" / f"step-{step:08d}"
    for left in final.parent.glob(".step-*"):  # by a run that was killed
        shutil.rmtree(left)
    work = final.with_name(f".{final.name}")
    work.mkdir(parents=True)
    save_file(
        {name: one.detach().contiguous() for name, one in learned(model).items()},
        work / "model.safetensors",
    )
    save_file({str(i): one.contiguous() for i, one in enumerate(ema.shadow_params)}, work / "ema.safetensors")
    moments = optimizer.state_dict()["state"]
    save_file(
        {
            f"{i}.{name}": value.contiguous()
            for i, values in moments.items()
            for name, value in values.items()
        },
        work / "optimizer.safetensors",
    )
    (work / "state.json").write_text(json.dumps({"step": step, "ema_step": ema.optimization_step}), "utf-8")
    seal(work, _FILES)
    shutil.rmtree(final, ignore_errors=True)
    work.rename(final)
    for old in sorted((root / "states").glob("step-*"))[:-_KEPT]:
        shutil.rmtree(old)


def newest_state(root: Path) -> Path | None:
    """Return the folder of the newest state of a run, None where there is none."""
    return max((root / "states").glob("step-*"), default=None)


def trim_log(log: Path, step: int) -> None:
    """Leave the whole lines of a run's log up to `step`: those after its newest state will come again."""
    if log.is_file():
        lines = [line for line in log.read_text("utf-8").splitlines(keepends=True) if line.endswith("\n")]
        write_text(log, "".join(line for line in lines if int(line.split(",")[0]) <= step))


def load_state(path: Path, model: nn.Module, ema: EMAModel, optimizer: Any) -> int:
    """Put a state into `model`, `ema` and `optimizer`, and return its step.

    Raises DatasetError where it cannot be read or is of another network.
    """
    try:
        if not sealed(path, _FILES):
            raise ValueError("it is not what was written")
        told = json.loads((path / "state.json").read_text("utf-8"))
        put(learned(model), load_file(path / "model.safetensors"))
        shadow = load_file(path / "ema.safetensors")
        for number, one in enumerate(ema.shadow_params):
            one.data.copy_(shadow[str(number)])
        ema.optimization_step = told["ema_step"]
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in load_file(path / "optimizer.safetensors").items():
            place, _, name = key.partition(".")
            state.setdefault(int(place), {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(
            f"{path} cannot be read ({reason}); remove it to go on from the state before"
        ) from None
    return int(told["step"])
