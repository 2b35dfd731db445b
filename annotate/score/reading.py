"""The two sides of a comparison, read from disk: what is true, and what was answered.

Rows are streamed and only the columns that are compared are decoded; of the truth, the samples that were
answered are kept in memory (about a kilobyte each), of the answers one at a time.
"""

from __future__ import annotations

import functools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from sys import intern
from typing import Any, Literal

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facedata.annotate.evidence import region_of
from facedata.annotate.score.facts import Box, Facts, facts_of_answer, facts_of_evidence, facts_of_sample
from facedata.datasets.dataset import Dataset, is_dataset
from facedata.datasets.errors import DatasetError, SourceError
from facedata.datasets.instructions import INSTRUCTIONS_NAME
from facedata.datasets.sample import SCHEMA, Sample

__all__ = ["Answered", "Side", "Truth", "TruthKind", "answers", "read_truth", "survey"]

TruthKind = Literal["labels", "answers"]
"""Whether the truth is what the rows (or the evidence) say, or what the truth's own answers say."""

_BATCH = 1024
_LABELS = ("expression", "au", "au_domain", "label", "attack", "parameters")
# Without `attributes`: a detector's output, which lies there, is evidence but never the truth.
_NEEDED = ("sample_id", "image", "content_hash", "width", "height", "subject", "layers", *_LABELS)


@dataclass(frozen=True, slots=True)
class Side:
    """A side of the comparison: a dataset, its records, or both; `name` is how messages call it."""

    path: Path
    dataset: Dataset | None
    records: Path | None

    @classmethod
    def open(cls, path: str | Path) -> Side:
        """Open a dataset's folder, or a file of records; raise SourceError where it is neither."""
        root = Path(path)
        if root.is_file():
            return cls(root, None, root)
        records = root / INSTRUCTIONS_NAME
        found = records if records.is_file() else None
        if is_dataset(root):
            return cls(root, Dataset.open(root), found)
        if found is None:
            raise SourceError(
                f"{root} is neither a dataset nor a file of records; give a dataset's folder or its "
                f"{INSTRUCTIONS_NAME}"
            )
        return cls(root, None, found)

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield `columns` of the records."""
        path = self.records
        if path is None:
            return
        try:
            with pq.ParquetFile(path) as file:
                if missing := set(columns) - set(file.schema_arrow.names):
                    raise DatasetError(
                        f"{path} lacks the columns {sorted(missing)}; is it a file of records?"
                    )
                for batch in file.iter_batches(_BATCH, columns=list(columns)):
                    yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{path} cannot be read ({error}); restore it or make it again") from None


@dataclass(slots=True)
class Answered:
    """One answer: `said` is None where none could be read, and `failure` says why (`blocked`, `invalid`)."""

    sample_id: str
    task: str
    said: Facts | None
    text: str
    failure: str = ""


@dataclass(slots=True)
class Truth:
    """What is true of the samples that were answered.

    `texts` holds reference texts by (sample id, task).
    """

    facts: dict[str, Facts] = field(default_factory=dict)
    subjects: dict[str, str | None] = field(default_factory=dict)
    texts: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _masks: dict[str, str] = field(default_factory=dict)
    _dataset: Dataset | None = None

    def boxes(self, sample_id: str) -> tuple[Box, ...] | None:
        """Return the true boxes of a sample: from its mask, which is read when it is asked for."""
        stated = self.facts[sample_id].boxes
        reference = self._masks.get(sample_id)
        if stated is not None or reference is None or self._dataset is None:
            return stated
        data = np.frombuffer(self._dataset.read(reference), np.uint8)
        mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        region = None if mask is None else region_of(np.asarray(mask, np.uint8))
        return None if region is None else tuple((x, y, w, h) for x, y, w, h in region["boxes"])


def survey(side: Side, tasks: Sequence[str] = ()) -> tuple[Counter[tuple[str, str]], dict[str, set[str]]]:
    """Return how many records a side has of each (sample id, task), and what answers to each task speak of.

    A field that any answer to a task states is asked for by the task: to leave it out is an answer, too.
    """
    places: Counter[tuple[str, str]] = Counter()
    asked: dict[str, set[str]] = defaultdict(set)
    for row in side.rows(("sample_id", "task", "structured")):
        if not tasks or row["task"] in tasks:
            places[intern(row["sample_id"]), intern(row["task"])] += 1
            asked[row["task"]] |= facts_of_answer(_decoded(row, "structured")).stated()
    return places, asked


def answers(side: Side, tasks: Sequence[str] = ()) -> Iterator[Answered]:
    """Yield the answers in a side's records, of `tasks` or of all, as they lie there."""
    for row in side.rows(("sample_id", "task", "status", "structured", "messages")):
        if tasks and row["task"] not in tasks:
            continue
        structured = _decoded(row, "structured")
        text = _assistant(_decoded(row, "messages"))
        failure = ""
        if row["status"] == "blocked":
            failure = "blocked"
        elif not structured and not text:
            failure = "invalid"
        said = None if failure else facts_of_answer(structured)
        yield Answered(intern(row["sample_id"]), intern(row["task"]), said, text, failure)


def read_truth(side: Side, wanted: set[str], kind: TruthKind, references: bool) -> Truth:
    """Return the truth of the samples in `wanted`; `references` takes the side's own texts as well."""
    truth = Truth(_dataset=side.dataset)
    if side.dataset is not None:
        for row in side.dataset.rows(_NEEDED):
            if row["sample_id"] in wanted:
                _take_row(truth, row)
    from_records = kind == "answers" or side.dataset is None
    if from_records or references:
        columns = ("sample_id", "task", "status", "structured", "messages", "evidence")
        for row in side.rows(columns):
            if row["sample_id"] in wanted:
                _take_record(truth, row, kind if from_records else None, references)
    return truth


def _take_row(truth: Truth, row: Mapping[str, Any]) -> None:
    sample = Sample.from_row({**dict.fromkeys(SCHEMA.names), **row})
    name = intern(sample.sample_id)
    truth.facts[name] = _shared(facts_of_sample(sample))
    truth.subjects[name] = None if sample.subject is None else intern(sample.subject)
    if sample.label == "spoof":
        mask = next((layer.ref for layer in sample.layers if layer.name == "mask"), None)
        if mask is not None:
            truth._masks[name] = mask


def _take_record(truth: Truth, row: Mapping[str, Any], kind: TruthKind | None, references: bool) -> None:
    name, task = intern(row["sample_id"]), intern(row["task"])
    if references and (text := _assistant(_decoded(row, "messages"))):
        truth.texts[name, task] = (*truth.texts.get((name, task), ()), text)
    if kind is None:
        return
    known = facts_of_evidence(_decoded(row, "evidence"))
    if kind == "answers":
        said = facts_of_answer(_decoded(row, "structured"))
        # Which units were looked at is known from the coding, where the answer does not list the absent ones.
        coded = said.coded if said.coded is not None else known.coded
        known = replace(said, coded=coded)
    earlier = truth.facts.get(name)
    truth.facts[name] = _shared(known if earlier is None else _joined(earlier, known, kind))
    truth.subjects.setdefault(name, None)


def _shared(facts: Facts) -> Facts:
    """Return the facts with one set of coded units for all that have the same."""
    return facts if facts.coded is None else replace(facts, coded=_same(facts.coded))


@functools.lru_cache(maxsize=1024)
def _same(coded: frozenset[int]) -> frozenset[int]:
    return coded


def _joined(earlier: Facts, later: Facts, kind: TruthKind) -> Facts:
    """Return facts of one sample from two records: answers replace labels, else the first one stands."""
    first, second = (later, earlier) if kind == "answers" else (earlier, later)
    names = ("expression", "label", "attack", "attack_class", "boxes")
    kept = {name: getattr(first if getattr(first, name) is not None else second, name) for name in names}
    units = first if first.aus is not None and first.coded is not None else second
    return Facts(**kept, aus=units.aus, coded=units.coded)


def _decoded(row: Mapping[str, Any], column: str) -> Any:
    try:
        return json.loads(row[column])
    except (TypeError, ValueError):
        raise DatasetError(f"record of sample {row['sample_id']!r}: {column} is not JSON") from None


def _assistant(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return what the answer says in words, a line a part."""
    return "\n".join(
        part["text"]
        for turn in messages
        if turn["role"] == "assistant"
        for part in turn["content"]
        if part.get("text")
    )
