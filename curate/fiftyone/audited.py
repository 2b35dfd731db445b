"""What an audit found (the folder that `facedata audit -o` wrote), as fields and tags of samples."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from facedata.curate.fiftyone.shown import OURS
from facedata.datasets.canonical import content_hash
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.parquet import read_table

__all__ = ["NO_AUDIT", "Audited", "read_audit"]

_JSON, _TABLE = "audit.json", "audit.parquet"


@dataclass(frozen=True, slots=True)
class Audited:
    """Kinds of the fields by their path under `audit`, and, by sample, their values and its tags.

    `titles` names the audits that found something; `sha256` tells one audit from another.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, list[str]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None
    _table: pa.Table | None = None

    def of(self, ids: pa.Array) -> list[dict[str, Any]]:
        """Return the documents of the fields of some samples, nested as their paths are."""
        if self._table is None or not self.kinds:
            return [{} for _ in ids]
        import pyarrow.compute as pc

        rows = self._table.take(pc.index_in(ids, value_set=self._table["sample_id"]))
        columns = {path: rows[name].to_pylist() for name, path in _paths(self._table).items()}
        found: list[dict[str, Any]] = [{} for _ in ids]
        for path, values in columns.items():
            *above, name = path.split(".")
            for one, value in zip(found, values, strict=True):
                if value is not None:
                    place = one
                    for step in above:
                        place = place.setdefault(step, {"_cls": "DynamicEmbeddedDocument"})
                    place[name] = value
        return found


NO_AUDIT = Audited()


def read_audit(folder: Path, version: str) -> Audited:
    """Read the audit in `folder` of the dataset of that version.

    Raises SourceError where it cannot be read, and UsageError where it is of another version.
    """
    try:
        text = (folder / _JSON).read_bytes()
        told = json.loads(text)
        table = read_table(folder / _TABLE)
        audits = told["audits"]
        tags: dict[str, list[str]] = defaultdict(list)
        titles = {}
        for name, audit in audits.items():
            if audit["findings"]:
                titles[name] = audit["title"]
            for sample in sorted({one for finding in audit["findings"] for one in finding["samples"]}):
                tags[sample].append(f"{OURS}{name}")
        ids = table["sample_id"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise SourceError(
            f"{folder} is no folder that facedata audit -o wrote ({error!r}); write it again"
        ) from None
    if told.get("version") != version:
        raise UsageError(
            f"{folder} is an audit of version {told.get('version')}, and {version} is pushed; audit that one"
        )
    del ids
    kinds = {path: _kind(table.schema.field(name).type) for name, path in _paths(table).items()}
    return Audited(kinds, dict(tags), titles, content_hash(text), table)


def _paths(table: pa.Table) -> dict[str, str]:
    """Return the path of each column: `near-duplicates.group` is near_duplicates.group."""
    names = [name for name in table.column_names if name != "sample_id"]
    return {name: ".".join(re.sub(r"\W", "_", part) for part in name.split(".")) for name in names}


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_boolean(type_):
        return "bool"
    return "float" if pa.types.is_floating(type_) or pa.types.is_integer(type_) else "str"
