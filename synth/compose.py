"""What physics adds to a picture that the network has made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from facedata.datasets.errors import FacedataError
from facedata.datasets.sample import derived_id
from facedata.datasets.task import Planned, Rendered, Task
from facedata.synth.pairs import Face

__all__ = ["Recipe", "composed"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The style; where the picture of the network is not all, what is done to it then."""

    style: Face
    task: Task | None = None
    planned: Planned | None = None

    def finish(self, made: Rendered | FacedataError) -> Rendered | FacedataError:
        """Return what becomes of a picture of the network; one that was refused stays so."""
        if self.task is None or self.planned is None or isinstance(made, FacedataError):
            return made
        done = self.task.render(self.planned, made.pixels)
        return replace(
            done, layers={**made.layers, **done.layers}, attributes={**made.attributes, **done.attributes}
        )


def composed(made: Planned, after: Sequence[tuple[str, Task]], side: int) -> Planned:
    """Plan what is done to an attack, `side` px a side, once it is made; its row says so.

    Of the tasks whose kind of attack is how the sample's begins, the one with the longest is taken. A live
    face stays as the network made it: no medium stands before it.
    """
    kind = made.sample.attack
    fitting = [(len(prefix), task) for prefix, task in after if kind and kind.startswith(prefix)]
    if not fitting:
        return made
    task = max(fitting, key=lambda one: one[0])[1]
    planned = task.plan(made.sample.replace(width=side, height=side))
    if not planned:
        return made
    then, sample = planned[0], made.sample
    parameters = {**(sample.parameters or {}), "compose": then.sample.parameters}
    operator = f"{sample.operator}+{then.sample.operator}"
    sample = sample.replace(
        sample_id=derived_id(sample.parent_id or "", operator, parameters, sample.seed, sample.variant),
        operator=operator,
        parameters=parameters,
        box=then.sample.box,
    )
    return Planned(sample, made.key, Recipe(made.recipe.style, task, then))
