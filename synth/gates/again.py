"""`facedata synth gates`: a sampled dataset judged again, into a version without what the gates refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import PictureError, SourceError, UsageError
from facedata.datasets.inputs import refuse_overlap
from facedata.datasets.pictures import read_picture
from facedata.datasets.record import Failure
from facedata.datasets.sample import Sample, to_table
from facedata.datasets.versions.derive import TABLE_ROWS, Derivation, Derived, Told, Writing, derive
from facedata.synth.gates.base import refusals
from facedata.synth.gates.distances import frechet_distance, kernel_distance
from facedata.synth.gates.judge import Judge, embedded
from facedata.synth.gates.screen import case_of, counted, judged
from facedata.synth.pictures import fitted

__all__ = ["Kept", "judge_again"]

OPERATOR = "synth-diffusion"
Pixels = NDArray[np.uint8]


@dataclass
class Kept:
    """The made pictures that passed: rows and embeddings, for figures of them all together."""

    samples: list[Sample] = field(default_factory=list)
    embeddings: list[NDArray[np.float32]] = field(default_factory=list)


def judge_again(
    source: Path,
    judge: Judge,
    target: Path,
    *,
    read: Sequence[Path] = (),
    writing: Writing | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Derived, Kept]:
    """Judge the rows of `source` that a network made; keep those that pass, and all other rows.

    A row's live parent and its style are looked for in `source` and in the datasets of `read`; a style that
    is nowhere leaves its gate unmeasured. Raises SourceError where no row was made by a network, and
    UsageError where live parents are nowhere.
    """
    for one in read:
        refuse_overlap(one, target)
    dataset = Dataset.open(source)
    others = [Dataset.open(path) for path in read]
    shelves = _Shelves([dataset, *others], judge.about.side)
    made = [sample for sample in dataset if sample.operator == OPERATOR]
    if not made:
        raise SourceError(f"{source} has no row that synth sample made, so there is nothing to judge")
    lost = [sample for sample in made if sample.parent_id not in shelves]
    if lost:
        raise UsageError(
            f"the live parents of {len(lost)} of {len(made)} rows ({lost[0].parent_id}, ...) are in none of "
            f"{', '.join(shelves.names)}; give their dataset with --content"
        )
    kept = Kept()

    def rows(told: Told) -> Iterator[pa.Table]:
        done = 0
        for table in dataset.tables(most=TABLE_ROWS):
            left = []
            for sample in map(Sample.from_row, table.to_pylist()):
                if sample.operator != OPERATOR:
                    left.append(sample)
                    continue
                left += _judged(sample, judge, shelves, told, kept)
                done += 1
                if progress:
                    progress(done, len(made))
            yield to_table(left)
        told.details["judged"] = len(made)
        told.details["refused"] = counted(told.failures)
        told.details |= _together(kept, judge)

    parameters = {"gates": judge.settings()}
    result = derive(Derivation("synth gates", [dataset], parameters, rows, read=others), target, writing)
    return result, kept


def _judged(sample: Sample, judge: Judge, shelves: _Shelves, told: Told, kept: Kept) -> list[Sample]:
    """Return the row with its scores, or nothing where a gate refuses it."""
    style = (sample.parameters or {}).get("style", {}).get("sample_id")
    try:
        made = shelves.get(sample.sample_id)
        content = shelves.get(sample.parent_id or "")
        case = case_of(sample, made, content, shelves.get(style) if style in shelves else None)
    except PictureError as error:
        told.failures.append(Failure(place=sample.sample_id, kind=error.kind, reason=str(error)))
        return []
    scores = judge.scores(case)
    if refused := refusals(scores):
        first, reason = next(iter(refused)), "; ".join(refused.values())
        told.failures.append(
            Failure(
                place=f"{sample.parent_id} variant {sample.variant}",
                kind=f"gate-{first}",
                reason=f"{sample.sample_id[:12]}: {reason}",
            )
        )
        return []
    kept.samples.append(sample)
    kept.embeddings.append(embedded(judge.embedder, [made])[0])
    return [sample.replace(attributes={**(sample.attributes or {}), **judged(judge, scores)})]


def _together(kept: Kept, judge: Judge) -> dict[str, Any]:
    """Return how far the attacks that passed are, together, from those that the model was trained on."""
    attacks = [
        vector
        for sample, vector in zip(kept.samples, kept.embeddings, strict=True)
        if sample.label == "spoof"
    ]
    real = judge.arrays["training"].astype(np.float32)
    if len(attacks) < 2 or len(real) < 2:
        return {"fid": None, "kid": None}
    found = np.stack(attacks)
    mean, error = kernel_distance(found, real)
    return {
        "fid": round(frechet_distance(found, real), 5),
        "kid": {"value": round(mean, 8), "error": round(error, 8)},
        "features": judge.about.embedder_key,
    }


class _Shelves:
    """Pictures of several datasets by the row's id, at one size; the last few are kept."""

    def __init__(self, datasets: Sequence[Dataset], side: int) -> None:
        self.names = [dataset.root.name for dataset in datasets]
        self._side = side
        self._places = {
            row["sample_id"]: (dataset, row["image"])
            for dataset in reversed(datasets)
            for row in dataset.rows(["sample_id", "image"])
        }

    def __contains__(self, sample_id: str | None) -> bool:
        return sample_id in self._places

    def get(self, sample_id: str) -> Pixels:
        """Return the middle square of a picture; raise PictureError where it cannot be read."""
        dataset, image = self._places[sample_id]
        return fitted(read_picture(dataset.read(image), image).pixels, self._side)
