"""The gates between the network and the dataset: a picture that one refuses is a failure with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import FacedataError, PictureError
from facedata.datasets.record import Failure
from facedata.datasets.sample import Sample
from facedata.datasets.task import Rendered
from facedata.synth.gates.base import GATES, Case, Score, refusals
from facedata.synth.gates.judge import Judge
from facedata.synth.pairs import LIVE

__all__ = ["KINDS", "Screen", "case_of", "counted", "judged"]

KINDS = tuple(f"gate-{gate}" for gate in GATES)
"""Kinds of failures that are refusals: what a gate is for, and no fault of the run."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What `Synthesis` hands its pictures to."""

    judge: Judge

    def settings(self) -> dict[str, Any]:
        """Return the judge and its limits, for the record."""
        return self.judge.settings()

    def __call__(
        self,
        samples: Sequence[Sample],
        numbers: NDArray[np.float32],
        contents: Sequence[NDArray[np.uint8]],
        styles: Sequence[NDArray[np.uint8]],
    ) -> list[Rendered | FacedataError]:
        """Judge pictures: `numbers` n x h x w x 3 as the network gave them, in [0, 1] if sound."""
        finite = np.asarray(np.isfinite(numbers).reshape(len(numbers), -1).all(axis=1))
        pictures = (np.nan_to_num(numbers).clip(0, 1) * 255).round().astype(np.uint8)
        found: list[Rendered | FacedataError] = []
        for place, sample in enumerate(samples):
            case = case_of(sample, pictures[place], contents[place], styles[place], bool(finite[place]))
            scores = self.judge.scores(case)
            if refused := refusals(scores):
                first, reason = next(iter(refused)), "; ".join(refused.values())
                found.append(PictureError(f"gate-{first}", f"{sample.sample_id[:12]}: {reason}"))
            else:
                found.append(Rendered(pictures[place], attributes=judged(self.judge, scores)))
        return found


def case_of(
    sample: Sample,
    made: NDArray[np.uint8],
    content: NDArray[np.uint8],
    style: NDArray[np.uint8] | None,
    finite: bool = True,
) -> Case:
    """Return what is to be judged of a row that was made."""
    kind = sample.attack or LIVE if sample.label == "spoof" else LIVE
    return Case(made, content, style, kind, sample.parent_id, sample.subject, finite)


def judged(judge: Judge, scores: Sequence[Score]) -> dict[str, Any]:
    """Return what a row keeps of its scores: by name, with their limits, and which judge gave them."""
    kept = {
        score.name if score.gate == "artefacts" else score.gate: score.to_json()
        for score in scores
        if score.gate != "finite"
    }
    return {"gates": {"judge": judge.version, **kept}}


def counted(failures: Iterable[Failure]) -> dict[str, int]:
    """Return how many pictures each gate refused, by the gate's name."""
    counts = Counter(failure.kind for failure in failures)
    return {gate: counts[f"gate-{gate}"] for gate in GATES if counts[f"gate-{gate}"]}
