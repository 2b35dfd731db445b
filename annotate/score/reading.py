"""The two sides of a comparison, read from disk: what is true, and what was answered.

Only the columns that are compared are read. Both sides are laid out in parts by sample (`parts`); of a part
the truth of the samples that were answered is kept in memory, of the answers one at a time.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facedata.annotate.evidence import region_of
from facedata.annotate.score.answers import OTHER, Question, yes_or_no
from facedata.annotate.score.facts import (
    Box,
    Facts,
    facts_of_answer,
    facts_of_evidence,
    facts_of_sample,
    stated_in,
)
from facedata.datasets.dataset import Dataset, is_dataset
from facedata.datasets.errors import DatasetError, SourceError
from facedata.datasets.instructions import INSTRUCTIONS_NAME
from facedata.datasets.parquet import ParquetFile
from facedata.datasets.sample import SCHEMA, Sample

__all__ = [
    "ANSWER_COLUMNS",
    "ROW_COLUMNS",
    "TRUTH_COLUMNS",
    "Answered",
    "Side",
    "Truth",
    "TruthKind",
    "answered",
    "asked_in",
    "read_truth",
    "said_in",
]

TruthKind = Literal["labels", "answers"]
"""Whether the truth is what the rows (or the evidence) say, or what the truth's own answers say."""

_BATCH = 1024
_LABELS = ("expression", "au", "au_domain", "label", "attack", "parameters", "attributes", "landmarks")
ROW_COLUMNS = ("sample_id", "image", "content_hash", "width", "height", "subject", "layers", *_LABELS)
ANSWER_COLUMNS = ("sample_id", "task", "status", "structured", "messages")
TRUTH_COLUMNS = (*ANSWER_COLUMNS, "evidence")


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

    def batches(self, columns: Sequence[str], tasks: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield `columns` of the records, of `tasks` or of all."""
        path = self.records
        if path is None:
            return
        try:
            with ParquetFile(path) as file:
                if missing := set(columns) - set(file.schema_arrow.names):
                    raise DatasetError(
                        f"{path} lacks the columns {sorted(missing)}; is it a file of records?"
                    )
                for batch in file.iter_batches(_BATCH, columns=list(columns), use_threads=False):
                    yield batch.filter(pc.is_in(batch["task"], pa.array(tasks))) if tasks else batch
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{path} cannot be read ({error}); restore it or make it again") from None

    def samples(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield `columns` of the dataset's rows."""
        if self.dataset is not None:
            for table in self.dataset.tables(columns):
                yield from table.to_batches()

    def length(self) -> int:
        """Return the number of records, or of rows where there are more."""
        records = 0
        if self.records is not None:
            try:
                with ParquetFile(self.records) as file:
                    records = file.metadata.num_rows
            except (OSError, pa.ArrowException) as error:
                raise DatasetError(
                    f"{self.records} cannot be read ({error}); restore it or make it again"
                ) from None
        rows = 0 if self.dataset is None else self.dataset.record.counts.rows
        return max(records, rows)


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


def asked_in(row: Mapping[str, Any]) -> tuple[set[str], int]:
    """Return what a record's structured part speaks of, and how many questions it answers."""
    structured = _decoded(row, "structured")
    found = stated_in(structured)
    return found, len(structured["answers"]) if "answers" in found else 0


def said_in(row: Mapping[str, Any]) -> str:
    """Return what a record's answers say in words, a line a part."""
    return _assistant(_decoded(row, "messages"))


def answered(row: Mapping[str, Any]) -> Answered:
    """Return the answer in a record."""
    structured = _decoded(row, "structured")
    text = said_in(row)
    failure = ""
    if row["status"] == "blocked":
        failure = "blocked"
    elif not structured and not text:
        failure = "invalid"
    said = None if failure else facts_of_answer(structured)
    return Answered(row["sample_id"], row["task"], said, text, failure)


def read_truth(
    rows: Iterable[Mapping[str, Any]],
    records: Iterable[Mapping[str, Any]],
    wanted: Collection[str],
    kind: TruthKind,
    *,
    dataset: Dataset | None = None,
    references: bool = False,
    asked: frozenset[str] = frozenset(),
) -> Truth:
    """Return the truth of the samples in `wanted`, from a dataset's rows and from records.

    `references` takes the records' texts as well; `asked` is what answers to any of the tasks speak of.
    """
    truth = Truth(_dataset=dataset)
    for row in rows:
        if row["sample_id"] in wanted:
            _take_row(truth, row, asked)
    from_records = kind == "answers" or dataset is None
    for row in records:
        if row["sample_id"] in wanted:
            _take_record(truth, row, kind if from_records else None, references)
    return truth


def _take_row(truth: Truth, row: Mapping[str, Any], asked: frozenset[str]) -> None:
    sample = Sample.from_row({**dict.fromkeys(SCHEMA.names), **row})
    name = sample.sample_id
    truth.facts[name] = _shared(facts_of_sample(sample, asked))
    truth.subjects[name] = sample.subject
    if sample.label == "spoof":
        mask = next((layer.ref for layer in sample.layers if layer.name == "mask"), None)
        if mask is not None:
            truth._masks[name] = mask


def _take_record(truth: Truth, row: Mapping[str, Any], kind: TruthKind | None, references: bool) -> None:
    name, task = row["sample_id"], row["task"]
    if references and (text := said_in(row)):
        truth.texts[name, task] = (*truth.texts.get((name, task), ()), text)
    if kind is None:
        return
    known = facts_of_evidence(_decoded(row, "evidence"))
    if kind == "answers":
        said = facts_of_answer(_decoded(row, "structured"))
        # Which units were looked at is known from the coding, where the answer does not list the absent ones.
        coded = said.coded if said.coded is not None else known.coded
        known = replace(said, coded=coded, questions=_corrected(said, known))
    earlier = truth.facts.get(name)
    truth.facts[name] = _shared(known if earlier is None else _joined(earlier, known, kind))
    truth.subjects.setdefault(name, None)


def _corrected(said: Facts, known: Facts) -> dict[str, Question] | None:
    """Return the answers of a record as what is true of its questions."""
    if said.answers is None:
        return None
    kinds = {name: one.kind for name, one in (known.questions or {}).items()}
    return {
        question: Question(kinds.get(question, OTHER), yes_or_no(text) or text.strip(" .").lower())
        for question, text in said.answers
    }


def _shared(facts: Facts) -> Facts:
    """Return the facts with one set of coded units for all that have the same."""
    return facts if facts.coded is None else replace(facts, coded=_same(facts.coded))


@functools.lru_cache(maxsize=1024)
def _same(coded: frozenset[int]) -> frozenset[int]:
    return coded


def _joined(earlier: Facts, later: Facts, kind: TruthKind) -> Facts:
    """Return facts of one sample from two records: answers replace labels, else the first one stands."""
    first, second = (later, earlier) if kind == "answers" else (earlier, later)
    names = ("expression", "label", "attack", "attack_class", "boxes", "parts", "questions")
    kept = {name: getattr(first if getattr(first, name) is not None else second, name) for name in names}
    units = first if first.aus is not None and first.coded is not None else second
    return Facts(**kept, aus=units.aus, coded=units.coded, sides=units.sides)


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
