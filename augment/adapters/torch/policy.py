"""A whole policy on a batch: each sample its own chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from facedata.augment.adapters.torch.base import BatchedOperator, Params, Size, frame_of, with_faces
from facedata.augment.adapters.torch.catalogue import BATCHED, batched
from facedata.augment.adapters.torch.pixels import rounded
from facedata.augment.landmarks import Face
from facedata.augment.operator import Parameters
from facedata.augment.policy import Policy, Step, load_policy
from facedata.augment.task import species_of
from facedata.datasets.errors import UsageError

__all__ = ["BatchedPolicy", "Stages"]

Stages = list[dict[str, Params]]
"""For each step of the chains, the parameters of each operator that a sample takes there, by name.

Beside an operator's own tensors there is `used`, bool, B: whether the sample takes it.
"""


class BatchedPolicy(nn.Module):
    """A stock policy by name, or one of a YAML file by path, for batches.

    `policy.sample(sample_ids, seed, variant, size=...)` draws what `facedata augment` would draw for those
    samples, seed and variant; `policy(image, stages)` applies it. At each stage every operator that any
    sample takes there runs over the batch, and torch.where keeps its result for the samples that take it.
    Between two steps a picture is rounded to 8 bits, as `facedata augment` does; the gradient passes as if
    it were not.

    With `every_operator` the stages name every operator of the policy, taken or not: batches then differ in
    values only, which suits one compiled graph, at the price of running them all. `compile_operators`
    compiles each operator for itself instead, so that only those that are taken run.
    """

    def __init__(self, policy: str | Policy, *, every_operator: bool = False) -> None:
        super().__init__()
        self.policy = load_policy(policy) if isinstance(policy, str) else policy
        self.every_operator = every_operator
        modules: dict[str, BatchedOperator] = {}
        for name in _operators(self.policy):
            if name not in BATCHED:
                raise UsageError(f"policy {self.policy.name}: {name} has no batched module yet")
            modules[name] = batched(name)
        self.operators = nn.ModuleDict(modules)

    def compile_operators(self, **options: Any) -> None:
        """Compile each operator's module by torch.compile with `options`."""
        for module in self.operators.values():
            module.compile(**options)

    def draw(
        self,
        sample_ids: Sequence[str],
        seed: int,
        variant: int = 0,
        faces: Sequence[Face | None] | None = None,
    ) -> list[list[Step]]:
        """Return the steps of each sample, as `facedata augment` records them.

        The command knows the face of a row with landmarks or a box; `facedata.augment.landmarks.known_face`
        gives it for `faces`.
        """
        return [
            self.policy.draw(seed, name, variant, face)[1] for name, face in with_faces(sample_ids, faces)
        ]

    def attacks(self, steps: Sequence[Sequence[Step]], size: Size) -> list[str | None]:
        """Return the attack species that each sample becomes, None where its label is kept."""
        height, width = frame_of(size)
        return [species_of([step for step in chain if step.shows(width, height)]) for chain in steps]

    def pack(
        self, steps: Sequence[Sequence[Step]], size: Size, device: torch.device | str | None = None
    ) -> Stages:
        """Return the tensors that `forward` takes, for pictures of `size` px."""
        if not steps:
            raise UsageError("there is nothing to pack; give one chain of steps per sample")
        return [
            self._stage([chain[number] if number < len(chain) else None for chain in steps], size, device)
            for number in range(max(len(chain) for chain in steps))
        ]

    def sample(
        self,
        sample_ids: Sequence[str],
        seed: int,
        variant: int = 0,
        *,
        size: Size,
        faces: Sequence[Face | None] | None = None,
        device: torch.device | str | None = None,
    ) -> Stages:
        """Return packed steps, drawn for each sample from hash words."""
        return self.pack(self.draw(sample_ids, seed, variant, faces), size, device)

    def forward(self, image: Tensor, stages: Stages) -> Tensor:
        """Return the pictures, B x 3 x H x W, floating, sRGB-coded in 0-1, after their chains."""
        for number, stage in enumerate(stages):
            before = rounded(image, 255.0) if number else image
            # a sample takes one operator a stage, so none takes up what another made
            for name, params in stage.items():
                made = self.operators[name](before, {key: params[key] for key in params if key != "used"})
                image = torch.where(params["used"][:, None, None, None], made, image)
        return image

    def _stage(
        self, chain: list[Step | None], size: Size, device: torch.device | str | None
    ) -> dict[str, Params]:
        taken: dict[str, list[tuple[int, Parameters]]] = {
            name: [] for name in self.operators if self.every_operator
        }
        for number, step in enumerate(chain):
            if step is not None:
                taken.setdefault(step.operator.name, []).append((number, step.parameters))
        stage = {}
        for name, drawn in taken.items():
            module = self.operators[name]
            if not isinstance(module, BatchedOperator):
                raise TypeError(f"{name} is not a batched operator")
            # samples that do not take the operator get the parameters of one that does
            parameters = [one for _, one in drawn] or module.draw(["none"], 0)
            rows = torch.zeros(len(chain), dtype=torch.long)
            rows[[number for number, _ in drawn]] = torch.arange(len(drawn))
            packed = module.pack(parameters, size)
            params = {key: tensor[rows] for key, tensor in packed.items()}
            params["used"] = torch.zeros(len(chain), dtype=torch.bool)
            params["used"][[number for number, _ in drawn]] = True
            stage[name] = {key: tensor.to(device) for key, tensor in params.items()}
        return stage


def _operators(policy: Policy) -> list[str]:
    """Return the names of all operators that a policy may draw."""
    if policy.sub_policies is not None:
        return list(dict.fromkeys(policy.sub_policies.operators))
    names = [name for chain in policy.chains or [] for step in chain.steps for name in step.operators]
    return list(dict.fromkeys(names))
