"""What a gate is given and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["GATES", "Case", "Limits", "Score", "refusals"]

GATES = ("finite", "artefacts", "face", "identity", "kind", "quality", "memory")
"""The gates in the order in which they are asked; the first that refuses gives a failure its kind."""


class Limits(BaseModel):
    """How strict the gates are. What is measured on real pictures when the gates are fitted is theirs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: float = Field(
        0.99, ge=0, le=1, description="share of other people's live faces that must be less alike"
    )
    overlap: float = Field(0.25, ge=0, le=1, description="least overlap (IoU) of the face with its parent's")
    refuse: float = Field(
        0.05, gt=0, lt=0.5, description="share of real pictures that kind and quality may refuse"
    )
    copies: float = Field(
        0.01, gt=0, lt=0.5, description="share of real pictures that pass for copies of another"
    )
    wider: float = Field(
        0.25, ge=0, description="how much wider than that of real pictures a range is, on either side"
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A picture to judge, with all that it was made of, uint8 RGB at the network's size.

    `kind` is the species that it is to show, or `live`; `parent` and `subject` are the live face's id and
    person. `style` is None where it is not at hand. `finite` is whether the network's numbers were.
    """

    made: NDArray[np.uint8]
    content: NDArray[np.uint8]
    style: NDArray[np.uint8] | None
    kind: str
    parent: str | None = None
    subject: str | None = None
    finite: bool = True


@dataclass(frozen=True, slots=True)
class Score:
    """What a gate measured: `value` must lie in [`low`, `high`]; NaN is what could not be measured.

    What cannot be measured refuses nothing, but it stands in the row: null is not a pass.
    """

    gate: str
    name: str
    value: float
    low: float = -np.inf
    high: float = np.inf

    @property
    def passed(self) -> bool:
        """Whether it is within its limits, or not measured."""
        return bool(np.isnan(self.value) or self.low <= self.value <= self.high)

    def to_json(self) -> dict[str, Any]:
        """Return the score with its limits, to four digits: what a row keeps."""
        limits = {"low": self.low, "high": self.high}
        return {
            "score": None if np.isnan(self.value) else _short(self.value),
            **{name: _short(limit) for name, limit in limits.items() if np.isfinite(limit)},
        }

    def told(self) -> str:
        """Return the score and the limit that it misses, for people."""
        if self.value < self.low:
            return f"{self.name} {_short(self.value)} is under {_short(self.low)}"
        return f"{self.name} {_short(self.value)} is over {_short(self.high)}"


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def refusals(scores: Sequence[Score]) -> Mapping[str, str]:
    """Return the gates that refuse a picture with the reason, in the order of GATES."""
    return {
        gate: "; ".join(score.told() for score in scores if score.gate == gate and not score.passed)
        for gate in GATES
        if any(score.gate == gate and not score.passed for score in scores)
    }
