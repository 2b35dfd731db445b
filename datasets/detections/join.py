"""`facedata join`: a detector's output onto a dataset, as a new version of it.

What a detector says goes to `attributes.detected.NAME`, with its origin and its line. `au`, `expression`,
`box` and `landmarks` of the rows are what their source states, and stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facedata.datasets.canonical import canonical_json
from facedata.datasets.dataset import Dataset
from facedata.datasets.detections.base import Detection, best_faces, named_runs
from facedata.datasets.detections.matching import Index
from facedata.datasets.detections.openface import read_openface
from facedata.datasets.detections.pyfeat import read_pyfeat
from facedata.datasets.engine import Options, Result, run
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.inputs import refuse_overlap
from facedata.datasets.items import Item, Loaded
from facedata.datasets.over import OverItem, OverSource
from facedata.datasets.readers.text import failure
from facedata.datasets.record import Failure
from facedata.datasets.sample import Sample
from facedata.datasets.sources import DatasetSource
from facedata.datasets.task import Ingest

__all__ = ["DETECTORS", "join"]

DETECTORS = {"openface": read_openface, "py-feat": read_pyfeat}
"""Readers of detectors' outputs, by the tool's name."""


def join(
    dataset: Path,
    output: Path,
    target: Path,
    kind: str,
    options: Options,
    *,
    name: str | None = None,
    tool_version: str | None = None,
) -> Result:
    """Write the dataset with what `kind` (see DETECTORS) found: `output` is a CSV file, or a folder of them.

    It goes to `attributes.detected` under `name`, by default the tool's. A line that cannot be joined is a
    failure that names it; rows of which no line speaks are kept as they are. Raises UsageError where rows
    have detections of that name already, and SourceError where no line could be joined.
    """
    if kind not in DETECTORS:
        raise UsageError(f"--kind {kind!r} is not one of {', '.join(DETECTORS)}")
    refuse_overlap(dataset, target)
    opened = Dataset.open(dataset)
    known = name or kind
    said = _read(output, kind)
    found = _match(opened, said, known, {"origin": "detector", "tool": kind, "version": tool_version})
    settings = {"kind": kind, "input": output.resolve().name, "name": known}
    if tool_version:
        settings["tool_version"] = tool_version
    return run("join", Ingest(settings), found, target, None, options)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a tool's output says: a face a picture, what could not be read, and what was passed over."""

    faces: Sequence[Detection]
    failures: Sequence[Failure]
    notes: Sequence[str]


def _read(output: Path, kind: str) -> _Said:
    if not output.exists():
        raise SourceError(f"{output} does not exist; give the CSV file of {kind}, or a folder of them")
    root = output if output.is_dir() else output.parent
    files = sorted(output.rglob("*.csv")) if output.is_dir() else [output]
    if not files:
        raise SourceError(f"{output} holds no CSV file of {kind}")
    others: list[str] = []
    lines = best_faces((one for path in files for one in DETECTORS[kind](root, path)), others)
    faces: list[Detection] = []
    failures: list[Failure] = []
    for line in lines:
        if isinstance(line, Failure):
            failures.append(line)
        else:
            faces.append(line)
    notes = []
    if others:
        runs = list(named_runs(others))
        shown = ", ".join(runs[:3]) + (", ..." if runs[3:] else "")
        notes.append(f"{kind}: faces passed over for a more certain one: {len(others)} ({shown})")
    return _Said(faces, failures, notes)


def _match(dataset: Dataset, said: _Said, name: str, origin: dict[str, str | None]) -> OverSource:
    index = Index(_without_detections(dataset, name))
    failures = list(said.failures)
    stated = {key: value for key, value in origin.items() if value}
    texts: dict[str, str] = {}
    taken: dict[str, str] = {}
    for face in said.faces:
        try:
            sample_id = index.find(face)
        except ValueError as error:
            failures.append(failure(face.where, "no-picture", str(error)))
            continue
        if taken.setdefault(sample_id, face.where) != face.where:
            reason = f"the picture is described at {taken[sample_id]} already, which counts; remove one"
            failures.append(failure(face.where, "doubled-frame", reason))
            continue
        texts[sample_id] = canonical_json({**stated, "where": face.where, **face.values})
    if not texts:
        reason = f": {failures[0].reason}" if failures else ""
        raise SourceError(f"no line could be joined{reason}")
    notes = [f"{name}: joined onto {len(texts)} of {index.count} rows", *said.notes]

    def over(item: Item) -> _JoinItem:
        return _JoinItem(item, name, texts.get(item.key))

    return OverSource(DatasetSource(dataset), over, notes, failures)


def _without_detections(dataset: Dataset, name: str) -> Iterator[Sample]:
    """Yield the samples; raise UsageError where one has detections of that name."""
    for sample in dataset:
        if name in ((sample.attributes or {}).get("detected") or {}):
            raise UsageError(
                f"{sample.sample_id} has detections of {name!r} already; give these another name with --as"
            )
        yield sample


@dataclass(frozen=True, slots=True)
class _JoinItem(OverItem):
    """A sample, and the JSON text of what was found in its picture."""

    name: str
    text: str | None

    def stamp(self) -> str:
        """Return the dataset's version, and what was found."""
        return f"{self.item.stamp()} {self.text}"

    def load(self, max_pixels: int) -> Iterator[Loaded | Failure]:
        """Yield the sample with its detection."""
        for loaded in self.item.load(max_pixels):
            if self.text is None or isinstance(loaded, Failure):
                yield loaded
            else:
                yield replace(loaded, sample=self._joined(loaded.sample, json.loads(self.text)))

    def _joined(self, sample: Sample, found: dict[str, Any]) -> Sample:
        before = sample.attributes or {}
        detected = {**(before.get("detected") or {}), self.name: found}
        return sample.replace(attributes={**before, "detected": detected})
