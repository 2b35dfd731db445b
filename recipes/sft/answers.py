"""The answers that a model learns: each with all that was said before it, and the pictures of its record.

A conversation of several answers gives a row for each. Its last turn alone is learned; those before it are
what it follows from. So the tokens that count are those of the answers, each once, whatever chat template a
model has.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.exports.chat import Trl
from facedata.datasets.instructions import Record, read_records
from facedata.datasets.pictures import read_picture
from facedata.datasets.storage import is_stored
from facedata.datasets.versions.groups import Keys
from facedata.recipes.rows import choose_parts
from facedata.recipes.sft.config import AnswersConfig

if TYPE_CHECKING:
    import datasets

__all__ = ["Answers", "Chosen", "choose_answers"]

_Mask = NDArray[np.bool_]


@dataclass
class Answers:
    """Of one part: `rows` are (sample id, prompt, completion, pictures' references); texts are JSON."""

    records: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    """Of each record."""
    rows: list[tuple[str, str, str, tuple[str, ...]]] = field(default_factory=list)

    def take(self, record: Record, root: Path) -> None:
        """Add a record, if it has answers; raise SourceError where it has no picture, or `root` lacks it."""
        references = tuple(
            part.image.path for turn in record.messages for part in turn.content if part.image is not None
        )
        if not references:
            raise SourceError(
                f"the record {record.record_id} has no picture, and a vision-language model learns from "
                "pictures; leave its task out with rows.task"
            )
        for reference in references:
            if not is_stored(root, reference):
                raise SourceError(
                    f"the picture {reference} of the record {record.record_id} is missing; restore it, or "
                    f"see all damage with facedata validate {root}"
                )
        messages = Trl().conversation(record, references)["messages"]
        places = [number for number, turn in enumerate(messages) if turn["role"] == "assistant"]
        for place in places:
            seen = sum(part["type"] == "image" for turn in messages[:place] for part in turn["content"])
            told = json.dumps(messages[:place]), json.dumps([messages[place]])
            self.rows.append((record.sample_id, *told, references[:seen]))
        if places:
            self.records.append(record.record_id)
            self.samples.append(record.sample_id)

    def table(self, dataset: Dataset, order: Sequence[int] | None = None) -> datasets.Dataset:
        """Return the rows, in an order, as TRL reads them; pictures are decoded when a row is looked at."""
        import datasets

        made = datasets.Dataset.from_dict({"row": range(len(self.rows)) if order is None else order})

        def look(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
            rows = [self.rows[number] for number in batch["row"]]
            return {
                "prompt": [json.loads(prompt) for _, prompt, _, _ in rows],
                "completion": [json.loads(completion) for _, _, completion, _ in rows],
                "images": [[_picture(dataset, one) for one in references] for *_, references in rows],
            }

        return made.with_transform(look)


@dataclass(frozen=True)
class Chosen:
    """Answers to learn from and answers to watch; `of` says in words where the latter come from."""

    train: Answers
    dev: Answers
    of: str


def choose_answers(dataset: Dataset, config: AnswersConfig, seed: int) -> Chosen:
    """Return the answers of the records that are learned from, and of those that are watched.

    Records are of their sample's part, as `facedata.recipes.rows.choose_parts` chooses it: never of a test.
    Raises UsageError where there are no such records, SourceError where a person, or a family of pictures, is
    in both parts, where a record's sample or picture is missing, or a part has no records.
    """
    name = dataset.root.resolve().name
    _refuse_without(dataset, config, name)
    train, dev, of = choose_parts(dataset, config.hold_out, config.dev_share, None, seed)
    _refuse_shared(dataset, train, dev, name)
    samples = (row["sample_id"] for row in dataset.rows(("sample_id",)))
    parts = {one: (taken, watched) for one, taken, watched in zip(samples, train, dev, strict=True)}
    found = Answers(), Answers()
    for record in read_records(dataset.root):
        if record.status not in config.status or (config.task and record.task not in config.task):
            continue
        if record.sample_id not in parts:
            raise SourceError(
                f"{name}: the record {record.record_id} is of the sample {record.sample_id}, which is not "
                f"there; run facedata validate {dataset.root}"
            )
        for answers, inside in zip(found, parts[record.sample_id], strict=True):
            if inside:
                answers.take(record, dataset.root)
    for answers, told in zip(found, ("to learn from", "for development"), strict=True):
        if not answers.rows:
            raise SourceError(
                f"{name}: no records {told} are left; see rows.task, rows.hold_out, rows.dev_share and splits"
            )
    return Chosen(*found, of)


def _refuse_without(dataset: Dataset, config: AnswersConfig, name: str) -> None:
    """Raise UsageError where no record has the task and the status that are asked for."""
    known = dataset.record.counts.instructions
    if not known:
        raise UsageError(f"{name} has no instructions; write some with facedata annotate")
    if unknown := sorted(set(config.task) - set(known)):
        raise UsageError(
            f"rows.task: no records of {unknown[0]!r} in {name}; its tasks are {', '.join(known)}"
        )
    statuses: Counter[str] = Counter()
    for task in config.task or known:
        statuses.update(known[task])
    if not any(statuses[status] for status in config.status):
        there = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
        raise UsageError(
            f"rows.status: no record of {name} has the status {' or '.join(config.status)}; there are {there}"
        )


def _refuse_shared(dataset: Dataset, train: _Mask, dev: _Mask, name: str) -> None:
    """Raise SourceError where rows of both parts are of one person, or of one picture."""
    by = "subject" if any(row["subject"] for row in dataset.rows(("subject",))) else "source"
    keys = Keys(by)
    for table in dataset.tables():
        keys.add_table(table)
    groups = keys.groups()
    both = np.intersect1d(groups[train], groups[dev])
    if not len(both):
        return
    samples = [row["sample_id"] for row in dataset.rows(("sample_id",))]
    first, second = (samples[int(np.flatnonzero(part & (groups == both[0]))[0])] for part in (train, dev))
    what = "one person" if by == "subject" else "one picture"
    raise SourceError(
        f"{name}: {first} of the split train and {second} of the split val are of {what}; split otherwise: "
        f"facedata split {name} --by {by}"
    )


def _picture(dataset: Dataset, reference: str) -> Image.Image:
    try:
        return Image.fromarray(read_picture(dataset.read(reference), reference).pixels)
    except SourceError as error:
        raise SourceError(f"{error}; run facedata validate {dataset.root}") from None
