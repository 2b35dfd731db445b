"""`facedata audit`: from a dataset on disk to the answers of its audits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facedata.annotate.votes import gather
from facedata.curate.audit.base import Audit, Need, Rows
from facedata.curate.audit.catalogue import find_audits
from facedata.curate.audit.engine import Answer, Settings, run_audits, thresholds_of
from facedata.curate.audit.neighbours import find_neighbours
from facedata.curate.audit.rows import read_rows
from facedata.curate.audit.trials import read_trials, trials_of
from facedata.datasets.dataset import Dataset
from facedata.datasets.embed.base import Embedder
from facedata.datasets.embed.catalogue import open_embedder
from facedata.datasets.embed.given import read_embeddings
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import read_records
from facedata.datasets.measuring import Measure, Measuring, measure_pictures
from facedata.datasets.pixel_hash import PixelHash
from facedata.datasets.pose import POSE_NAMES, pose_of
from facedata.datasets.quality import LookMeasure
from facedata.datasets.spectra import SpectrumMeasure

__all__ = ["NO_EMBEDDER", "Audited", "Auditing", "audit_dataset"]

NO_EMBEDDER = "none"
_AT_ONCE = 65_536

Tell = Callable[[int, int], None]


@contextmanager
def _silent(stage: str) -> Iterator[Tell]:
    del stage
    yield lambda done, total: None


@dataclass(frozen=True, slots=True)
class Auditing:
    """What is asked for.

    `only` names the audits, all where there are none; `settings` gives thresholds by audit. Embeddings come
    from the file `embeddings`, or from the embedder of that name (`none` for none). `trials` is a file of
    what annotators answered; without one, what labels, detectors and models say in the dataset is taken.
    Without `pictures` none is opened, and what needs them is skipped. `progress` opens a stage's progress.
    """

    only: Sequence[str] = ()
    settings: Settings = field(default_factory=dict)
    embeddings: Path | None = None
    embedder: str = "plain"
    trials: Path | None = None
    pictures: bool = True
    measuring: Measuring = field(default_factory=Measuring)
    progress: Callable[[str], AbstractContextManager[Tell]] = _silent


@dataclass(frozen=True, slots=True)
class Audited:
    """A dataset, its rows with what was measured of them, and the answers; `about` is JSON on all of it."""

    dataset: Dataset
    rows: Rows
    answers: Sequence[Answer]
    about: Mapping[str, Any]


def audit_dataset(path: str | Path, auditing: Auditing) -> Audited:
    """Run audits over the dataset at `path`.

    Raises UsageError for an unknown audit, embedder or threshold and for embeddings of other samples, before
    any picture is opened, and DatasetError where the dataset cannot be read. Single pictures that cannot be
    read are findings.
    """
    audits = find_audits(auditing.only)
    for name in auditing.settings:
        find_audits([name])
    for audit in audits:
        thresholds_of(audit, auditing.settings)
    dataset = Dataset.open(path)
    prepared = _Preparation(dataset, read_rows(dataset), audits, auditing)
    prepared.ask()
    prepared.measure()
    prepared.search()
    with auditing.progress("audits") as tell:
        answers = run_audits(prepared.rows, audits, prepared.settings, prepared.absent, tell)
    about = {"dataset": dataset.root.resolve().name, "version": dataset.version, "rows": len(prepared.rows)}
    return Audited(dataset, prepared.rows, answers, {**about, **prepared.about})


class _Preparation:
    """The rows, and what of the needs of the audits can be had."""

    def __init__(
        self, dataset: Dataset, rows: Rows, audits: Sequence[Audit[Any]], auditing: Auditing
    ) -> None:
        self.dataset, self.rows, self.auditing = dataset, rows, auditing
        self.audits = audits
        self.needs = {need for audit in audits for need in audit.needs} if len(rows) else set()
        self.wants = {want for audit in audits for want in audit.wants} if len(rows) else set()
        self.settings: dict[str, Mapping[str, Any]] = dict(auditing.settings)
        self.absent: dict[Need, str] = {}
        self.about: dict[str, Any] = {}
        self.embedder: Embedder | None = None

    def ask(self) -> None:
        """Find out who answered what of the samples."""
        if "trials" not in self.needs:
            return
        if self.auditing.trials is not None:
            self.rows = replace(self.rows, trials=read_trials(self.auditing.trials))
            return
        several = self.dataset.record.counts.instructions or any(
            one is not None and "detected" in one for one in self.rows.frame["attributes"]
        )
        if not several:
            self.absent["trials"] = "nobody but the labels says anything of the samples; give --trials"
            return
        answers = gather(read_records(self.dataset.root))
        self.rows = replace(self.rows, trials=trials_of(self.dataset, answers))

    def measure(self) -> None:
        """Take what is needed of the pictures, in one pass, and read embeddings that are given."""
        measures: list[Measure] = []
        if {"embeddings", "neighbours"} & self.needs:
            measures += self._embedder()
        if not self.auditing.pictures:
            self.absent["quality"] = self.absent["spectra"] = "pictures were not opened (--no-pictures)"
            return
        if "quality" in self.needs:
            measures.append(LookMeasure())
        if "spectra" in self.needs:
            measures.append(SpectrumMeasure())
        if "pixels" in self.wants:
            measures.append(PixelHash())
        if measures:
            self._measure(measures)

    def search(self) -> None:
        """Find neighbours, at the widest cosine that an audit asks for."""
        if "neighbours" not in self.needs:
            return
        if self.rows.embeddings is None:
            self.absent["neighbours"] = self.absent["embeddings"]
            return
        seekers = [audit for audit in self.audits if "neighbours" in audit.needs]
        if self.embedder is not None:
            for audit in seekers:
                self.settings[audit.name] = {
                    "cosine": self.embedder.near,
                    **self.settings.get(audit.name, {}),
                }
        floor = min(thresholds_of(audit, self.settings).model_dump()["cosine"] for audit in seekers)
        with self.auditing.progress("neighbours") as tell:
            try:
                found = find_neighbours(self.rows.embeddings, floor, tell)
            except UsageError as error:  # faiss is not installed: the other audits can do without
                self.absent["neighbours"] = str(error)
            else:
                self.rows = replace(self.rows, neighbours=found)

    def _embedder(self) -> list[Measure]:
        """Read the given embeddings, or return the embedder that is to make them."""
        auditing = self.auditing
        if auditing.embeddings is not None:
            ids = self.rows.frame["sample_id"].tolist()
            self._embedded(read_embeddings(auditing.embeddings, ids), auditing.embeddings.name)
            return []
        if auditing.embedder == NO_EMBEDDER or not auditing.pictures:
            why = "--embedder none" if auditing.pictures else "--no-pictures"
            self.absent["embeddings"] = f"there are no embeddings ({why}); give --embeddings"
            return []
        self.embedder = open_embedder(auditing.embedder)
        return [self.embedder]

    def _embedded(self, embeddings: NDArray[np.float32], origin: str) -> None:
        missing = int(np.isnan(embeddings).any(axis=1).sum())
        self.about["embeddings"] = {"from": origin, "width": embeddings.shape[1], "missing": missing}
        if missing == len(embeddings):
            self.absent["embeddings"] = "no picture could be read"
        else:
            self.rows = replace(self.rows, embeddings=embeddings)

    def _measure(self, measures: list[Measure]) -> None:
        references, landmarks = [], []
        for table in self.dataset.tables(["image", "landmarks"], _AT_ONCE):
            references += table["image"].to_pylist()
            landmarks += [pose_of(one) for one in table["landmarks"].to_pylist()]
        frame = self.rows.frame
        with self.auditing.progress("pictures") as tell:
            measured = measure_pictures(
                self.dataset.root,
                references,
                frame["content_hash"].tolist(),
                measures,
                replace(self.auditing.measuring, progress=tell),
            )
        frame = frame.assign(
            unreadable=pd.Series([measured.unreadable.get(row) for row in range(len(frame))], dtype=object)
        )
        for measure in measures:
            values = measured.values[measure.key]
            if isinstance(measure, PixelHash):
                words = [None if not one.any() else one.tobytes().hex() for one in values]
                frame = frame.assign(pixel_hash=pd.Series(words, dtype=object))
            elif isinstance(measure, LookMeasure):
                looks = pd.DataFrame(values, columns=list(measure.names))
                pose = pd.DataFrame(landmarks, columns=list(POSE_NAMES))
                self.rows = replace(self.rows, quality=pd.concat([looks, pose], axis=1))
            elif isinstance(measure, SpectrumMeasure):
                self.rows = replace(self.rows, spectra=values)
            else:
                self._embedded(values, self.auditing.embedder)
        self.rows = replace(self.rows, frame=frame)
        self.about["pictures"] = {"read": len(frame) - len(measured.unreadable)}
