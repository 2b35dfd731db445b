"""dataset.json: what a dataset is, what it was made from and how; enough to make it again.

Nothing here depends on the time, the machine's paths, the worker count or the order of work, so that the same
run gives the same bytes.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facedata.datasets.buckets import Buckets, by_text
from facedata.datasets.errors import DatasetError
from facedata.datasets.whole import whole

__all__ = [
    "RECORD_NAME",
    "SCHEMA_VERSION",
    "Ancestor",
    "Counts",
    "Failure",
    "Parent",
    "Record",
    "Tally",
    "library_versions",
    "read_record",
    "write_text",
]

RECORD_NAME = "dataset.json"
SCHEMA_VERSION = 2
"""2 knows ancestors and orphans; a record of version 1 is read as one that says nothing of them."""
Layout = Literal["files", "shards"]

# What pixels and encoded bytes depend on; the versions that made a dataset belong to its history.
_LIBRARIES = ("facedata", "numpy", "opencv-python-headless", "pillow", "numba", "pyarrow")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


Number = Annotated[int, Field(ge=0, le=2**53)]
"""How many of something: as many as every program that reads JSON can count."""


class Failure(_Model):
    """A sample that was not made: where it came from, a short stable kind, and the reason for people."""

    place: str
    kind: str
    reason: str


class Parent(_Model):
    """A dataset this one was made from; `lineage` is its key among the record's ancestors."""

    name: str
    version: str
    lineage: str | None = None


class Ancestor(_Model):
    """What the record keeps of a dataset further up; see lineage.py for what bounds it."""

    version: str
    verb: str
    seed: int | None = None
    parameters: dict[str, Any] | None = None
    parameters_hash: str
    parents: list[Parent] = Field(default_factory=list)
    rows: Number
    by_label: dict[str, Number] = Field(default_factory=dict)
    libraries: dict[str, str] = Field(default_factory=dict)


class Counts(_Model):
    """Rows by what they are; a null label counts as `unlabelled`, and each operator of a chain for itself.

    A sample that an operator was applied to twice counts once for it. `orphans` are the rows whose parent is
    no row of the dataset: verbs that leave rows out do not cut the lineage of those that stay. `instructions`
    counts the records of each task by status.
    """

    rows: Number = 0
    by_label: dict[str, Number] = Field(default_factory=dict)
    by_attack: dict[str, Number] = Field(default_factory=dict)
    by_domain: dict[str, Number] = Field(default_factory=dict)
    by_split: dict[str, Number] = Field(default_factory=dict)
    by_operator: dict[str, Number] = Field(default_factory=dict)
    subjects: Number = 0
    orphans: Number | None = None
    instructions: dict[str, dict[str, Number]] = Field(default_factory=dict)


_BUCKETS = 256
_SUBJECTS = 100_000  # distinct ones that stay in memory


class Tally:
    """Counts in the making. Ids and many subjects wait in scratch files under `where`, see Buckets."""

    _COLUMNS = ("label", "attack", "domain", "split", "operator")

    def __init__(self, where: Path | None = None) -> None:
        self._rows = 0
        self._values: dict[str, Counter[str | None]] = {column: Counter() for column in self._COLUMNS}
        self._subjects: set[str] = set()
        self._more_subjects, self._ids, self._parents = (Buckets(_BUCKETS, where) for _ in range(3))

    def add_table(self, rows: pa.Table) -> None:
        """Add the rows of a table that has the counted columns."""
        self._rows += rows.num_rows
        for column in self._COLUMNS:
            counted = rows[column].value_counts()
            values, numbers = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
            self._values[column].update(dict(zip(values, numbers, strict=True)))
        self._subjects.update(
            subject for subject in rows["subject"].unique().to_pylist() if subject is not None
        )
        if len(self._subjects) > _SUBJECTS:
            _keep(self._more_subjects, pa.chunked_array([list(self._subjects)], pa.string()))
            self._subjects.clear()
        _keep(self._ids, rows["sample_id"])
        _keep(self._parents, rows["parent_id"].drop_null())

    def counts(self) -> Counts:
        """Return the counts, each table sorted by name."""
        label, split = (
            self._named(name, null) for name, null in (("label", "unlabelled"), ("split", "none"))
        )
        operators: Counter[str] = Counter()
        for chain, number in self._values["operator"].items():
            operators.update(dict.fromkeys(chain.split("+"), number) if chain else {})
        return Counts(
            rows=self._rows,
            by_label=label,
            by_attack=self._named("attack"),
            by_domain=self._named("domain"),
            by_split=split,
            by_operator=dict(sorted(operators.items())),
            subjects=self._distinct_subjects(),
            orphans=self._orphans(),
        )

    def _distinct_subjects(self) -> int:
        _keep(self._more_subjects, pa.chunked_array([list(self._subjects)], pa.string()))
        with self._more_subjects as kept:
            found = (kept.whole(number) for number in range(_BUCKETS))
            return sum(len(one["key"].unique()) for one in found if one is not None)

    def _orphans(self) -> int:
        orphans = 0
        with self._ids, self._parents:
            for number in range(_BUCKETS):
                if (parents := self._parents.whole(number)) is not None:
                    ids = self._ids.whole(number)
                    inside = 0 if ids is None else pc.sum(pc.is_in(parents["key"], ids["key"])).as_py()
                    orphans += parents.num_rows - inside
        return orphans

    def _named(self, column: str, null: str | None = None) -> dict[str, int]:
        named = {value if value is not None else null: n for value, n in self._values[column].items()}
        return dict(sorted((name, number) for name, number in named.items() if name is not None))


def _keep(kept: Buckets, texts: pa.ChunkedArray) -> None:
    kept.add(pa.table({"key": texts}), by_text(texts, _BUCKETS))


class Record(_Model):
    """The content of dataset.json."""

    schema_version: int = SCHEMA_VERSION
    version: str
    verb: str
    parents: list[Parent] = Field(default_factory=list)
    ancestors: dict[str, Ancestor] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    layout: Layout
    libraries: dict[str, str] = Field(default_factory=dict)
    counts: Counts
    notes: list[str] = Field(default_factory=list)
    failures: list[Failure] = Field(default_factory=list)


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that pixels and bytes depend on."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_record(root: Path) -> Record:
    """Read `root`/dataset.json, or raise DatasetError saying what is wrong with it and what to do."""
    path = root / RECORD_NAME
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device might never end
            raise OSError("it is not a regular file")
        values = json.loads(path.read_text("utf-8"))
        # A ValueError for what is no number, and for half a character.
        json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
    except FileNotFoundError:
        raise DatasetError(
            f"{root} is not a facedata dataset: it has no {RECORD_NAME}; make one with `facedata ingest`"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); restore it or make the dataset again") from None
    found = values.get("schema_version") if isinstance(values, dict) else None
    if isinstance(found, int) and found > SCHEMA_VERSION:
        raise DatasetError(
            f"{path} has schema version {found}, newer than {SCHEMA_VERSION}; upgrade facedata to read it"
        )
    try:
        return Record.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "top level"
        raise DatasetError(
            f"{path}: {place}: {problem['msg'].lower()}; restore it or make the dataset again"
        ) from None


def write_text(path: Path, text: str, *, flush: bool = True) -> None:
    """Write `text` under a temporary name, flush it to disk, then rename: never half a file."""
    with whole(path) as hidden, hidden.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        if flush:
            file.flush()
            os.fsync(file.fileno())
