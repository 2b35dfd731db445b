"""A new kind of attack from few pairs: low-rank changes of a base that knows other kinds.

After CtrLoRA (arXiv 2410.09400): the base is trained on many kinds; for a new one, matrices of low rank
beside all its linear layers and convolutions are trained, its norms, and a row of the embedding of kinds. The
rest stays bit for bit, so an adapter is a small file that names its base.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name that torch's own documentation uses
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from facedata.datasets.errors import UsageError
from facedata.synth.config import Lora
from facedata.synth.model import SpoofUNet
from facedata.synth.state import learned, put

__all__ = ["grow", "load_adapter", "merge", "save_adapter"]

_NORMS = (nn.GroupNorm, nn.LayerNorm)


class _GrownKinds(nn.Module):
    """The embedding of the kinds that the base knows, new ones after them, and the null last.

    The new rows start as the null: the base then makes what it makes of a style whose kind it is not told.
    """

    def __init__(self, known: nn.Embedding, count: int) -> None:
        super().__init__()
        self.known = known
        self.new = nn.Parameter(known.weight[-1:].detach().repeat(count, 1))

    def table(self) -> Tensor:
        """Return all rows."""
        return torch.cat([self.known.weight[:-1], self.new, self.known.weight[-1:]])

    def forward(self, kinds: Tensor) -> Tensor:
        """Return n x width rows of n indices."""
        return F.embedding(kinds, self.table())


def grow(model: SpoofUNet, kinds: int, wanted: Lora) -> None:
    """Add `kinds` rows and matrices of low rank to a base, and leave nothing else of it but norms to learn.

    The network gives what it gave before: the second matrix of each pair is 0. Raises UsageError where peft
    is not installed.
    """
    if importlib.util.find_spec("peft") is None:
        raise UsageError("--base needs peft: pip install 'facedata[synth]'")
    from peft import LoraConfig, inject_adapter_in_model

    layers = [name for name, one in model.named_modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    told = LoraConfig(r=wanted.rank, lora_alpha=wanted.alpha or wanted.rank, target_modules=layers)
    inject_adapter_in_model(told, model)  # freezes all but what it adds
    model.add_module("kind", _GrownKinds(model.kind, kinds))
    model.register_to_config(kinds=model.config.kinds + kinds)
    for module in model.modules():
        if isinstance(module, _NORMS):
            module.requires_grad_(True)


def merge(model: SpoofUNet) -> None:
    """Add the matrices of low rank to the weights that they change: what is left is a plain network."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = [(name, one) for name, one in model.named_modules() if isinstance(one, BaseTunerLayer)]
    for name, layer in adapted:
        layer.merge()
        parent, _, last = name.rpartition(".")
        model.get_submodule(parent).add_module(last, layer.get_base_layer())
    grown = model.get_submodule("kind")
    if isinstance(grown, _GrownKinds):
        rows = grown.table().detach()
        model.add_module("kind", nn.Embedding(len(rows), rows.shape[1], _weight=rows))


def save_adapter(model: SpoofUNet, path: Path) -> None:
    """Write what was learned, as safetensors, whole or not at all."""
    work = path.with_name(f".{path.name}.tmp")
    save_file({name: one.detach().cpu().contiguous() for name, one in learned(model).items()}, work)
    work.replace(path)


def load_adapter(model: SpoofUNet, path: Path) -> None:
    """Put what `save_adapter` wrote into a base that `grow` has prepared.

    Raises ValueError where the file is of another network, and what safetensors raises where it is damaged.
    """
    put(learned(model), load_file(path))
