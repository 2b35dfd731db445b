"""`facedata log`: where a dataset comes from, up to the files of its sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facedata.datasets.dataset import Dataset
from facedata.datasets.record import Ancestor, Record
from facedata.datasets.versions.derive import TABLE_ROWS
from facedata.datasets.versions.groups import source_key

__all__ = ["SourceFiles", "in_words", "log", "source_files"]


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files of one source dataset, of one licence, that the rows go back to."""

    dataset: str | None
    licence: str | None
    files: int
    examples: tuple[str, ...]


def log(path: Path) -> dict[str, Any]:
    """Return the history of the dataset at `path`, JSON-ready.

    `parents` name their entry in `ancestors` by `lineage`, which is null for a dataset that was written
    before records kept their history; an ancestor that is not there was left out of a long one. `parameters`
    is null where only `parameters_hash` was kept.
    """
    dataset = Dataset.open(path)
    record = dataset.record
    return {
        "name": dataset.root.resolve().name,
        "version": record.version,
        "verb": record.verb,
        "seed": record.seed,
        "parameters": record.parameters,
        "rows": record.counts.rows,
        "by_label": record.counts.by_label,
        "parents": [parent.model_dump() for parent in record.parents],
        "ancestors": {key: ancestor.model_dump() for key, ancestor in record.ancestors.items()},
        "sources": [
            {"dataset": s.dataset, "licence": s.licence, "files": s.files, "examples": list(s.examples)}
            for s in source_files(dataset)
        ],
    }


def source_files(dataset: Dataset) -> list[SourceFiles]:
    """Return the source files that the rows go back to, by source dataset and licence."""
    tables = []
    for rows in dataset.tables(["source"], TABLE_ROWS):
        source = rows["source"].combine_chunks()
        columns = {name: pc.struct_field(source, name) for name in ("dataset", "licence", "file")}
        columns = {"key": source_key(rows), **columns}
        tables.append(pa.table(columns).group_by(["key", "dataset", "licence"]).aggregate([("file", "min")]))
    if not tables:
        return []
    files = pa.concat_tables(tables).group_by(["key", "dataset", "licence"]).aggregate([("file_min", "min")])
    found = []
    groups = files.group_by(["dataset", "licence"]).aggregate([([], "count_all")]).to_pylist()
    for group in groups:
        chosen = files
        for name in ("dataset", "licence"):
            value = group[name]
            column = chosen[name]
            chosen = chosen.filter(column.is_null() if value is None else pc.equal(column, value))
        names = sorted(filter(None, chosen["file_min_min"].to_pylist()))[:3]
        found.append(SourceFiles(group["dataset"], group["licence"], group["count_all"], tuple(names)))
    return sorted(found, key=lambda source: (source.dataset or "", source.licence or ""))


def in_words(made: Record | Ancestor) -> str:
    """Return in a few words how a dataset was made: the verb, its seed, and what it was told."""
    words = [made.verb]
    if made.seed is not None:
        words.append(f"--seed {made.seed}")
    told = _short(made.parameters or {})
    if made.parameters is None:
        told = f"parameters {made.parameters_hash}" if isinstance(made, Ancestor) else ""
    return " ".join(words) + (f": {told}" if told else "")


def _short(parameters: Mapping[str, Any], most: int = 100) -> str:
    parts = []
    for name, value in parameters.items():
        if isinstance(value, Mapping) and "name" in value:  # a policy, a protocol
            value = value["name"]
        if isinstance(value, Mapping):
            value = ",".join(f"{key}={one}" for key, one in value.items())
        if isinstance(value, list):  # of tasks, their names
            value = ",".join(
                str(one["name"] if isinstance(one, Mapping) and "name" in one else one) for one in value
            )
        if value not in (None, "", False) and name != "sha256":
            parts.append(f"{name} {value}")
    text = ", ".join(parts)
    return text if len(text) <= most else text[: most - 3] + "..."
