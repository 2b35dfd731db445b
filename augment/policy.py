"""Policies: which operators, in which order, with parameters from which distributions.

A policy file is YAML in one of two forms. `chains` lists chains of steps, one of which is drawn for each
variant:

    name: phone
    chains:
      - weight: 2
        steps:
          - operator: moire-pattern
            parameters: {strength: {uniform: [0.1, 0.3]}}
          - operator: [low-resolution, hand-trembling]   # one of them
            probability: 0.5

`sub_policies` is the form of the reference, FAS-Aug: see policies/fas-aug.yaml.

A policy may also stand under a key of a larger file, such as the parameters of a pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facedata.augment.draws import Draw, parse_draw
from facedata.augment.landmarks import Face
from facedata.augment.operator import Operator, Parameters
from facedata.augment.registry import find, magnitude
from facedata.datasets.errors import UsageError
from facedata.datasets.keyed import is_keyed, keyed_value, read_yaml
from facedata.datasets.words import Words

__all__ = ["Policy", "Step", "check_draws", "load_policy", "placed", "stock_policies"]


@dataclass(frozen=True, slots=True)
class Step:
    """One operator with its drawn parameters; `level` where a policy of levels drew it."""

    operator: Operator[Any]
    parameters: Parameters
    level: int | None = None

    def shows(self, width: int, height: int) -> bool:
        """Whether it changes a picture of this size at all."""
        return self.operator.shows(self.parameters, width, height)

    def to_json(self) -> dict[str, Any]:
        """Return what a row records: enough to apply the step again."""
        found: dict[str, Any] = {"operator": self.operator.name, "version": self.operator.version}
        if self.level is not None:
            found["level"] = self.level
        return {**found, "parameters": self.parameters.model_dump(mode="json")}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChainStep(_Model):
    """A step of a chain: taken with `probability`, with `parameters` in place of the default draws.

    A list of operators stands for one of them, each as likely; it takes no parameters.
    """

    operator: str | list[str] = Field(min_length=1)
    probability: float = Field(1.0, ge=0, le=1)
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def operators(self) -> list[str]:
        """The operators that the step may be."""
        return [self.operator] if isinstance(self.operator, str) else self.operator

    @model_validator(mode="after")
    def _parameters_of_one(self) -> ChainStep:
        if len(self.operators) > 1 and self.parameters:
            raise ValueError("parameters belong to one operator; give each its own chain")
        return self


class Chain(_Model):
    """Steps in order; a chain is drawn as often as its weight says."""

    weight: float = Field(1.0, gt=0)
    steps: list[ChainStep] = Field(min_length=1)


class SubPolicies(_Model):
    """The reference's search space: magnitude = low + level / (levels - 1) * (high - low), level 0 no-op."""

    domains: int = Field(3, ge=1)
    choices: int = Field(5, ge=1)
    steps: int = Field(2, ge=1)
    levels: int = Field(10, ge=2)
    operators: list[str] = Field(min_length=1)


class Policy(_Model):
    """A checked policy; `draw` gives the steps of one variant of one sample."""

    name: str
    description: str = ""
    chains: list[Chain] | None = None
    sub_policies: SubPolicies | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Policy:
        if (self.chains is None) == (self.sub_policies is None):
            raise ValueError("give either chains or sub_policies")
        if self.chains is not None and not self.chains:
            raise ValueError("chains is empty")
        return self

    def check(self, where: str) -> None:
        """Raise UsageError where an operator, a parameter or a distribution cannot work."""
        for number, chain in enumerate(self.chains or []):
            for step in chain.steps:
                operators = [_find(name, f"{where}: chains[{number}]") for name in step.operators]
                # the first is the only one, where there are parameters
                check_draws(operators[0], step.parameters, f"{where}: chains[{number}]")
        for name in self.sub_policies.operators if self.sub_policies else []:
            magnitude(_find(name, f"{where}: sub_policies"))

    def draw(
        self, seed: int, sample_id: str, variant: int, face: Face | None = None, session: str | None = None
    ) -> tuple[dict[str, Any], list[Step]]:
        """Return what the row records of the policy, and the steps of this variant, drawn from hash words.

        A known `face` decides where an attack that is cut to a face lies, unless the policy itself does.
        Samples of one `session` share the chain and all draws but those of a shot (OF_A_SHOT); raises
        UsageError where the policy's form has no sessions.
        """
        if self.sub_policies is not None:
            if session is not None:
                raise UsageError(f"policy {self.name} has no sessions: its sub-policies are shared already")
            return self._draw_levels(self.sub_policies, seed, sample_id, variant, face)
        shared = (sample_id, variant) if session is None else ("session", session)
        words = Words.of(seed, *shared, "chain")
        chain = _weighted(self.chains or [], words.unit())
        steps: list[Step] = []
        for number, step in enumerate(chain.steps):
            operator = find(words.named(f"operator {number}").choice(step.operators))
            shot = Words.of(seed, sample_id, variant, number, operator.name)
            stage = shot if session is None else Words.of(seed, *shared, number, operator.name)
            if stage.named("probability").unit() < step.probability:
                given = {**placed(operator, face, steps), **step.parameters}
                steps.append(Step(operator, operator.sample(stage, given, shot)))
        return {"policy": self.name}, steps

    def _draw_levels(
        self, space: SubPolicies, seed: int, sample_id: str, variant: int, face: Face | None
    ) -> tuple[dict[str, Any], list[Step]]:
        epoch, domain = divmod(variant, space.domains)
        choice = Words.of(seed, sample_id, variant, "sub-policy").integer(0, space.choices - 1)
        # The sub-policies belong to the domain and the epoch: all pictures share them.
        shared = Words.of(seed, "sub-policies", domain, epoch, choice)
        steps: list[Step] = []
        for number in range(space.steps):
            operator = find(shared.choice(space.operators))
            level = shared.integer(0, space.levels - 1)
            low, high = magnitude(operator)
            strength = low + level / (space.levels - 1) * (high - low) if level else operator.neutral
            words = Words.of(seed, sample_id, variant, number, operator.name)
            given = {**placed(operator, face, steps), operator.strength: strength}
            steps.append(Step(operator, operator.sample(words, given), level))
        return {"policy": self.name, "extra_domain": domain + 1, "epoch": epoch}, steps


def placed(operator: Operator[Any], face: Face | None, before: Sequence[Step] = ()) -> dict[str, float]:
    """Return the parameters of an operator that a known face decides, where steps `before` leave it."""
    if face is None:
        return {}
    for step in before:
        face = face.moved(step.operator, step.parameters)
    return operator.placed(face)


def _find(name: str, where: str) -> Operator[Any]:
    try:
        return find(name)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _weighted(chains: list[Chain], unit: float) -> Chain:
    place = unit * sum(chain.weight for chain in chains)
    for chain in chains:
        place -= chain.weight
        if place < 0:
            return chain
    return chains[-1]


def check_draws(operator: Operator[Any], given: Mapping[str, Draw], where: str = "") -> None:
    """Raise UsageError where a parameter, or an end of its distribution, cannot be.

    A wrong range fails now and not at some sample later. `where` is put before every message.
    """
    words = Words.of("bounds")
    for name, draw in given.items():  # all of them first: what follows draws every parameter
        parse_draw(draw, f"{where}: {operator.name}: {name}" if where else f"{operator.name}: {name}")
    for name, draw in given.items():
        place = f"{where}: {operator.name}: {name}" if where else f"{operator.name}: {name}"
        kind, arguments = next(iter(draw.items())) if isinstance(draw, dict) else ("constant", [draw])
        # a normal distribution has no ends, and is cut where the parameter's range has them
        for end in arguments[:1] if kind == "normal" else arguments:
            try:
                operator.sample(words, {**given, name: end})
            except UsageError as error:
                raise UsageError(f"{place}: {error}" if where else str(error)) from None


@cache
def stock_policies() -> dict[str, str]:
    """Return the names of the policies that come with facedata, each with its description."""
    found = {}
    for entry in sorted(resources.files("facedata.augment").joinpath("policies").iterdir(), key=str):
        if entry.name.endswith(".yaml"):
            values = yaml.safe_load(entry.read_text("utf-8"))
            found[str(values["name"])] = str(values.get("description", ""))
    return found


def load_policy(reference: str) -> Policy:
    """Return a policy: a stock one by name, one of a YAML file by path, or one inside a file as `FILE:KEY`.

    What stands under a key is a policy, or the name of a stock one. Raises UsageError saying what is wrong.
    """
    try:
        policy = Policy.model_validate(_policy_values(reference))
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"])) or "top level"
        raise UsageError(f"{reference}: {field}: {problem['msg'].lower()}") from None
    policy.check(reference)
    return policy


def _policy_values(reference: str) -> Any:
    if reference in stock_policies():
        return _stock_values(reference)
    if is_keyed(reference):
        value = keyed_value(reference)
        if isinstance(value, dict):
            return value
        if value not in stock_policies():
            # No path: a pipeline that watches the key would not see the file behind it change.
            raise UsageError(
                f"{reference} is {value!r}, which is no policy; write one there, or name one of "
                f"{', '.join(stock_policies())}"
            )
        return _stock_values(value)
    if reference.endswith((".yaml", ".yml")):
        return read_yaml(Path(reference), "policy")
    raise UsageError(
        f"no policy {reference!r}; there are {', '.join(stock_policies())}, or give a .yaml file"
    )


def _stock_values(name: str) -> Any:
    file = resources.files("facedata.augment").joinpath("policies", f"{name}.yaml")
    return yaml.safe_load(file.read_text("utf-8"))
