"""What can be told of instruction records from a dataset's own files: is each whole, and of its sample."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from facedata.datasets.errors import DatasetError
from facedata.datasets.instructions import INSTRUCTIONS_NAME, Record, read_records, record_id
from facedata.datasets.versions.carry_records import InstructionsHash, Places

__all__ = ["CheckedRecords", "check_records"]

_Problem = tuple[str, str, str | None]  # the check, the message, the sample


@dataclass(slots=True)
class CheckedRecords:
    """The version that covers rows and records, records by task and status, and what is wrong."""

    version: str
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[_Problem] = field(default_factory=list)


def check_records(root: Path, rows_version: str) -> CheckedRecords:
    """Check the instruction records of the dataset at `root`, whose rows can be read."""
    result, version, places, last = (
        CheckedRecords(rows_version),
        InstructionsHash(rows_version),
        Places(root),
        "",
    )
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    try:
        for record in read_records(root):
            if record.record_id <= last:
                message = f"{record.record_id} stands after {last}: records are sorted by id, each id once"
                result.problems.append(("instruction-order", message, record.sample_id))
            last = record.record_id
            result.problems += _problems(record, places)
            counts[record.task][record.status] += 1
            version.add(record.record_hash())
    except DatasetError as error:
        result.problems.append(("instructions", str(error), None))
    result.version = version.result()
    result.counts = {task: dict(sorted(by.items())) for task, by in sorted(counts.items())}
    return result


def _problems(record: Record, places: Places) -> Iterator[_Problem]:
    name, sample = f"{INSTRUCTIONS_NAME}: {record.record_id}", record.sample_id
    made = record.provenance
    if record_id(sample, record.task, made.task_version, made.request) != record.record_id:
        message = f"{name} is not the id of its record: its sample, task or request was changed; restore it"
        yield "instruction-id", message, sample
    found = places.find(sample)
    if found is None:
        yield (
            "instruction-sample",
            f"{name} is about {sample}, which is no sample here; restore its row",
            sample,
        )
        return
    for picture in (part.image for turn in record.messages for part in turn.content if part.image):
        if picture.sha256 != found[1]:
            yield (
                "instruction-image",
                f"{name} is about another picture than its sample has; restore it",
                sample,
            )
        elif picture.path != found[0]:
            message = f"{name} has its picture at {picture.path}, its sample at {found[0]}; make it again"
            yield "instruction-image", message, sample
