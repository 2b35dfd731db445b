"""The instruction records that a report shows: picture, words, evidence and checks side by side."""

from __future__ import annotations

import base64
import heapq
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import FacedataError
from facedata.datasets.exports.instructions import boxes_of
from facedata.datasets.instructions import Record, read_records
from facedata.datasets.items import printable
from facedata.datasets.pictures import read_picture
from facedata.datasets.words import Words

__all__ = ["ShownRecord", "ShownRecords", "show_records"]

_SIDE = 256  # pixels of a thumbnail's longer side
_BOXED = "#ffd400"
_WORDINGS = ("says", "positive", "negative")  # of the rules, which prove nothing


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """One record; `picture` is a data address, `turns` are role and text, `evidence` has a line a label."""

    record_id: str
    sample_id: str
    task: str
    status: str
    by: str
    picture: str | None
    turns: Sequence[tuple[str, str]]
    evidence: str
    checks: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class ShownRecords:
    """The records of a page, of `total`, and the tasks and statuses among them."""

    records: Sequence[ShownRecord]
    total: int

    @property
    def tasks(self) -> list[str]:
        """The tasks, sorted."""
        return sorted({record.task for record in self.records})

    @property
    def statuses(self) -> list[str]:
        """The statuses, sorted."""
        return sorted({record.status for record in self.records})


def show_records(dataset: Dataset, most: int, seed: int = 0) -> ShownRecords:
    """Return up to `most` records, each as likely as the others, by task and id."""
    total = sum(sum(by.values()) for by in dataset.record.counts.instructions.values())
    drawn = heapq.nsmallest(
        most,
        read_records(dataset.root),
        key=lambda record: (Words.of(seed, "report", record.record_id).word(), record.record_id),
    )
    drawn.sort(key=lambda record: (record.task, record.record_id))
    return ShownRecords([_shown(dataset, record) for record in drawn], total)


def _shown(dataset: Dataset, record: Record) -> ShownRecord:
    made = record.provenance
    return ShownRecord(
        record_id=record.record_id,
        sample_id=record.sample_id,
        task=printable(record.task),
        status=record.status,
        by=printable(f"{made.provider} {made.answered_by or made.model}"),
        picture=_thumbnail(dataset, record),
        turns=[(turn.role, "\n".join(map(printable, turn.text().split("\n")))) for turn in record.messages],
        evidence="\n".join(_line(name, value) for name, value in record.evidence.items()),
        checks=[(check.rule, check.status, printable(check.detail)) for check in record.checks],
    )


def _line(name: str, value: Any) -> str:
    """Return a label of the evidence in a line, or in one for each thing that it lists."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "\n".join([f"{name}:", *(f"  {_told(one)}" for one in value)])
    return f"{name}: {_told(value) or '-'}"


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(one)}" for key, one in value.items() if key not in _WORDINGS)
    if isinstance(value, list):
        return ", ".join(f"[{_told(one)}]" if isinstance(one, list) else _told(one) for one in value)
    return printable(str(value))


def _thumbnail(dataset: Dataset, record: Record) -> str | None:
    references = [
        part.image.path for turn in record.messages for part in turn.content if part.image is not None
    ]
    if not references:  # a blocked record has no conversation
        return None
    try:
        pixels = read_picture(dataset.read(references[0]), references[0]).pixels
    except FacedataError:
        return None
    picture = Image.fromarray(pixels)
    scale = min(1.0, _SIDE / max(picture.size))
    picture.thumbnail((_SIDE, _SIDE))
    canvas = ImageDraw.Draw(picture)
    for x, y, width, height in sorted(boxes_of(record.structured)):
        if width >= 1 and height >= 1:  # what a model answers need not be a box
            corners = [one * scale for one in (x, y, x + width - 1, y + height - 1)]
            canvas.rectangle(corners, outline=_BOXED, width=2)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
