"""What an audit is given and what it answers.

An audit is a pure function from `Rows` and its thresholds to an `Outcome`: it opens no file, draws nothing
at random but from a seed that is one of its thresholds, and prints nothing. Reading, plotting, storing and
showing are done by its callers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

__all__ = ["Audit", "Finding", "Need", "Neighbours", "Outcome", "Rows", "Thresholds", "Verdict"]

Verdict = Literal["pass", "warn", "fail", "skipped"]
Need = Literal["embeddings", "neighbours", "quality", "spectra", "trials"]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Pairs of rows whose embeddings are near: int64 `first` < `second`, each pair once, float32 `cosine`.

    `floor` is the least cosine that was looked for. `recall` is the share of all such pairs that was found,
    `{"value", "low", "high", "n"}`, counted on rows that were compared with every other one; 1 and n = 0
    where the search is exact.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    cosine: NDArray[np.float32]
    floor: float
    recall: Mapping[str, float] = field(
        default_factory=lambda: {"value": 1.0, "low": 1.0, "high": 1.0, "n": 0}
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a dataset as columns, and what was measured of them, all in the order of `frame`.

    `frame` has a RangeIndex and the columns of samples.parquet that are not pictures (sample_id,
    content_hash, width, height, split, subject, domain, label, attack, parent_id, operator, variant,
    expression, valence, arousal, confidence), and
    - `family`: the id of the first ancestor that is known, the sample's own where it has no parent;
    - `au` and `au_domain`: a dictionary from unit to intensity (None: present, not graded) or None, and a
      tuple of the units that were coded or None;
    - `attributes`: a dictionary or None;
    - `source_dataset`, `source_file`, `source_frame`: where the first ancestor came from, and `source_key`,
      equal where two rows came from one file (by its hash, or its name within its dataset);
    - `person`: the subject together with its source dataset, within which the subject's name holds;
    - `pixel_hash`: a hash of the decoded pixels and their size, None where they were not looked at;
    - `unreadable`: why the picture could not be read, None where it could, or was not looked at.
    Text columns hold str or None; variant, source_frame, valence, arousal and confidence are float64, NaN for
    none.

    `embeddings` is float32, n x d, not normalised; a row of a picture that could not be read is all NaN.
    `neighbours` are pairs that are near in them.
    `quality` has one row of numbers a picture (Look of datasets/quality.py, and datasets/pose.py), NaN where
    there is none.
    `spectra` is float32, n x bands: log power by radial frequency (datasets/spectra.py). `trials` has one row
    a judgement of one sample by one annotator: sample_id, annotator, question, answer, confidence.
    """

    frame: pd.DataFrame
    embeddings: NDArray[np.float32] | None = None
    quality: pd.DataFrame | None = None
    spectra: NDArray[np.float32] | None = None
    trials: pd.DataFrame | None = None
    neighbours: Neighbours | None = None

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth a look: which samples, how much, and what to do, in one sentence.

    `score` orders the findings of one audit, most urgent first; its meaning is the audit's.
    """

    samples: tuple[str, ...]
    detail: str
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audit found.

    `said` is one sentence for people, with the figure that the verdict rests on. `numbers` is JSON for
    machines: an estimate with an interval is `{"value": v, "low": l, "high": h, "n": n}`. `fields` gives a
    value to every row (float, str or bool arrays of n; NaN or None where there is none), which become fields
    of samples where people look at them. `tables` are small frames that a report shows.
    """

    verdict: Verdict
    said: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    fields: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


class Thresholds(BaseModel):
    """The thresholds of an audit; each is a pydantic Field with its unit in the description."""

    model_config = ConfigDict(frozen=True, extra="forbid")


T = TypeVar("T", bound=Thresholds)


@dataclass(frozen=True, slots=True)
class Audit(Generic[T]):
    """An audit by its name.

    `about` says in one or two sentences what it looks for and why that matters, and `source` which
    publication it is after. Where something of `needs` is absent it is not run: its verdict is "skipped".
    `wants` is what it uses where it is there; `pixels` stands for the frame's `pixel_hash`.
    """

    name: str
    title: str
    about: str
    run: Callable[[Rows, T], Outcome]
    thresholds: type[T]
    needs: tuple[Need, ...] = ()
    wants: tuple[Literal["pixels"], ...] = ()
    source: str = ""
