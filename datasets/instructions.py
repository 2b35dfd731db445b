"""Instruction records: one conversation about one sample, with all that it rests on.

The structured labels stand beside the text, so that no trainer has to parse prose to know what was said, and
every record says which evidence it had, who answered, what was checked and what became of it. They lie in
`instructions.parquet`, sorted by record id; nested columns are canonical JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facedata.datasets.canonical import canonical_json, content_hash, identifier
from facedata.datasets.conform import checked_batches
from facedata.datasets.errors import DatasetError

__all__ = [
    "INSTRUCTIONS_NAME",
    "SCHEMA",
    "Check",
    "Part",
    "Provenance",
    "Record",
    "Status",
    "Turn",
    "Usage",
    "read_records",
    "record_id",
    "rows_to_table",
    "to_table",
]

INSTRUCTIONS_NAME = "instructions.parquet"
_BATCH = 1024

Status = Literal["accept", "review", "reject", "blocked"]
"""`blocked`: the provider refused; the record keeps the reason and no answer."""

SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("sample_id", pa.string()),
        ("task", pa.string()),
        ("status", pa.string()),
        ("messages", pa.string()),
        ("structured", pa.string()),
        ("evidence", pa.string()),
        ("provenance", pa.string()),
        (
            "checks",
            pa.list_(pa.struct([("rule", pa.string()), ("status", pa.string()), ("detail", pa.string())])),
        ),
    ],
    metadata={b"facedata.instructions_version": b"1"},
)
"""Columns of instructions.parquet; messages, structured, evidence and provenance are canonical JSON."""

_SPELLED = ("messages", "structured", "evidence", "provenance")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageReference(_Model):
    """A picture by what it is and where it lies: `path` is the reference in the dataset; sizes in pixels."""

    sha256: str
    path: str
    width: int
    height: int


class Part(_Model):
    """A content part of a message, typed as in the OpenAI chat format; an image is a reference, not bytes."""

    type: Literal["text", "image"]
    text: str | None = None
    image: ImageReference | None = None


class Turn(_Model):
    """One message."""

    role: Literal["system", "user", "assistant"]
    content: tuple[Part, ...]

    def text(self) -> str:
        """Return the message's text parts, a line each."""
        return "\n".join(part.text for part in self.content if part.text is not None)


class Check(_Model):
    """What one rule found.

    `fail` is sent back once to be mended, `flag` is not; `skip` says why the rule does not apply.
    """

    rule: str
    status: Literal["pass", "flag", "fail", "skip"]
    detail: str = ""


class Usage(_Model):
    """Tokens of one request; `cached` are among the prompt's, `thoughts` among the output's."""

    prompt: int = 0
    output: int = 0
    cached: int = 0
    thoughts: int = 0


class Provenance(_Model):
    """How the answer came about: `template`, `response_schema` and `request` are hashes.

    Nothing here depends on when or how often the answer was fetched, so that a run from the journal gives the
    same records.
    """

    task_version: int
    template: str
    response_schema: str
    provider: str
    model: str
    answered_by: str | None = None
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    request: str
    response_id: str | None = None
    usage: Usage = Usage()
    cost: float | None = None
    """US dollars, None where the price is not known."""
    outcome: str = "ok"


class Record(_Model):
    """One instruction record; see the module."""

    record_id: str
    sample_id: str
    task: str
    messages: tuple[Turn, ...]
    structured: Mapping[str, Any]
    evidence: Mapping[str, Any]
    provenance: Provenance
    checks: tuple[Check, ...] = ()
    status: Status

    def to_row(self) -> dict[str, Any]:
        """Return the record as Arrow takes it."""
        return self.spelled()[0]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Record:
        """Return the record of a row, or raise DatasetError."""
        try:
            values = dict(row)
            for name in _SPELLED:
                values[name] = json.loads(row[name])
            return cls.model_validate(values)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else repr(error)
            raise DatasetError(
                f"instruction record {row.get('record_id')!r} cannot be read: {problem}"
            ) from None

    def record_hash(self) -> str:
        """Return the SHA-256 of the record without the storage references of its images."""
        return self.spelled()[1]

    def spelled(self) -> tuple[dict[str, Any], str]:
        """Return (`to_row`, `record_hash`): both spell the same values, which is most of their cost."""
        plain = self.model_dump(mode="json", exclude_none=True)
        row = {**plain, **{name: canonical_json(plain[name]) for name in _SPELLED}}
        for turn in plain["messages"]:
            for part in turn["content"]:
                if "image" in part:
                    del part["image"]["path"]
        # Canonical JSON of an object is that of its values, put together.
        same = [name for name in _SPELLED if name != "messages"]
        texts = {name: row[name] if name in same else canonical_json(plain[name]) for name in sorted(plain)}
        text = ",".join(f'"{name}":{value}' for name, value in texts.items())
        return row, content_hash(f"{{{text}}}".encode("utf-8", "surrogatepass"))


def record_id(sample_id: str, task: str, task_version: int, request: str) -> str:
    """Return the id of a record: of its sample, its task and exactly what was asked."""
    return identifier("instruction", sample_id, task, task_version, request)


def to_table(records: Iterable[Record]) -> pa.Table:
    """Return the records as an Arrow table of `SCHEMA`."""
    return rows_to_table([record.to_row() for record in records])


def rows_to_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows, as `Record.to_row` gives them, as an Arrow table of `SCHEMA`."""
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def read_records(root: Path) -> Iterator[Record]:
    """Stream the records of the dataset at `root`, sorted by id; none where it has no instructions."""
    path = root / INSTRUCTIONS_NAME
    if not path.is_file():
        return
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for table in checked_batches(file, path, SCHEMA, _BATCH):
                for row in table.to_pylist():
                    yield Record.from_row(row)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path} cannot be read ({error}); restore it or make it again") from None
