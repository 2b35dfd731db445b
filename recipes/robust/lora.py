"""Low-rank adapters behind a layer norm: few parameters that let a pretrained transformer become robust.

The library peft is not used here: its branch holds no norm, and its merging of a branch into the weights,
which a norm makes impossible, would change the model without a word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facedata.datasets.errors import UsageError

__all__ = ["LayerNormLora", "Share", "add_layernorm_lora"]


@dataclass(frozen=True, slots=True)
class Share:
    """Parameters that learn, and all parameters."""

    trainable: int
    total: int

    @classmethod
    def of(cls, model: nn.Module) -> Share:
        """Count a model's parameters; shared ones count once."""
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
        return cls(sum(size for size, learns in sizes if learns), sum(size for size, _ in sizes))

    @property
    def percent(self) -> float:
        """Trainable parameters in percent of all."""
        return 100 * self.trainable / max(self.total, 1)

    def __str__(self) -> str:
        return f"{self.trainable:,} of {self.total:,} parameters learn ({self.percent:.2f} %)"


class LayerNormLora(nn.Module):
    """A linear layer as it was, plus alpha / rank times a low-rank branch that starts with a layer norm.

    y = base(x) + alpha / rank * up(down(norm(x))). `up` starts at 0, so the layer starts as it was; the base
    does not learn.

    Source: Yuan et al. 2024, FullLoRA-AT (arXiv 2401.01752): the norm takes up that adversarial training
    needs weights of another magnitude.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.norm = nn.LayerNorm(base.in_features).to(base.weight)
        self.down = nn.Linear(base.in_features, rank, bias=False).to(base.weight)
        self.up = nn.Linear(rank, base.out_features, bias=False).to(base.weight)
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def forward(self, values: Tensor) -> Tensor:
        """Return ... x out_features of ... x in_features."""
        branch: Tensor = self.up(self.down(self.norm(values)))
        found: Tensor = self.base(values) + self.scale * branch
        return found


def add_layernorm_lora(
    model: nn.Module, rank: int = 8, alpha: float | None = None, *, learn: Sequence[str] = (), seed: int = 0
) -> Share:
    """Freeze `model`, give every linear layer an adapter, in place, and return the share that learns.

    `alpha` is by default the rank. `learn` names modules, such as a new classifier, that have no adapter and
    learn whole, `classifier` or `head.fc`. `seed` decides how the adapters start. Make the optimiser after
    this call. A state_dict holds adapters and base; load it after the same call.

    Raises UsageError where nothing is linear, a name of `learn` is not there, or a layer would not be called:
    torch's MultiheadAttention reads the weights of its layers itself, which would pass an adapter over.
    """
    if rank < 1:
        raise UsageError(f"rank {rank} is not a positive number")
    # a layer that two modules share is listed under both names, and gets one adapter
    modules = dict(model.named_modules(remove_duplicate=False))
    _check(modules, learn)
    targets = {
        name: module
        for name, module in modules.items()
        if isinstance(module, nn.Linear) and name and not _whole(name, learn)
    }
    if not targets:
        raise UsageError("the model has no linear layer for an adapter; it is made for transformers")
    model.requires_grad_(False)
    made: dict[int, LayerNormLora] = {}
    with torch.random.fork_rng(devices=_devices(model)):
        torch.manual_seed(seed)
        for name, base in targets.items():
            above, _, last = name.rpartition(".")
            if id(base) not in made:
                made[id(base)] = LayerNormLora(base, rank, rank if alpha is None else alpha)
            setattr(modules[above], last, made[id(base)])
    for name in learn:
        modules[name].requires_grad_(True)
    return Share.of(model)


def _check(modules: Mapping[str, nn.Module], learn: Sequence[str]) -> None:
    if unknown := sorted(set(learn) - set(modules)):
        there = ", ".join(repr(name) for name in list(modules)[-3:])
        raise UsageError(f"the model has no module {unknown[0]!r} to learn; its last ones are {there}")
    for name, module in modules.items():
        if isinstance(module, LayerNormLora):
            raise UsageError(f"{name} has an adapter already; call this once, on the pretrained model")
        if isinstance(module, nn.MultiheadAttention) and not _whole(name, learn):
            raise UsageError(
                f"{name} is torch's MultiheadAttention, which would pass an adapter over; use a model of the "
                "transformers library, whose layers are called"
            )


def _whole(name: str, learn: Sequence[str]) -> bool:
    """Whether a module is one that learns whole, or inside one."""
    return any(name == one or name.startswith(f"{one}.") for one in learn)


def _devices(model: nn.Module) -> list[int]:
    places = {parameter.device for parameter in model.parameters()}
    return sorted(place.index or 0 for place in places if place.type == "cuda")
