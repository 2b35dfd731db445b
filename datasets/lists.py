"""A list as a source: a row a picture, in CSV, TSV, JSON lines or Parquet, columns that name sample fields.

`path` (or `file`, `image`, `filename`) is relative to the list; columns that have the name of a field go
into that field, others too where a map says so (`label=class`), and every column left goes into `attributes`:
nothing that the list says is lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

from facedata.datasets.canonical import canonical_json, identifier
from facedata.datasets.errors import PictureError, SourceError, UsageError
from facedata.datasets.items import FileItem, Loaded, place_of, printable
from facedata.datasets.list_values import PATHS, ListRow, parse_columns, thawed
from facedata.datasets.record import Failure
from facedata.datasets.sources import FileSource
from facedata.datasets.tables import TABLE_SUFFIXES, Table, open_table

__all__ = ["LIST_SUFFIXES", "ListItem", "list_source"]

LIST_SUFFIXES = TABLE_SUFFIXES


def list_source(
    path: Path,
    label_map: Mapping[str, str],
    *,
    default: str | None = None,
    values: Mapping[str, Any] | None = None,
    name: str | None = None,
    columns: str | None = None,
) -> FileSource:
    """Read the list at `path`; `values` are fields of every row that does not state its own.

    `columns` (`path=filename,label=class`) says which column a field is in. A row that cannot be used is a
    failure that names its line, and so is a picture's second row. Raises SourceError where the list cannot be
    read or has no column of paths, and UsageError where a mapped column is not there, or where no row can be
    used, with the first one's reason.
    """
    mapping = parse_columns(columns)
    table = open_table(path)
    _check_columns(table, mapping)
    rows = _Rows()
    failures: list[Failure] = []
    seen: dict[str, str] = {}
    for found in table.rows():
        if isinstance(found, Failure):
            failures.append(found)
            continue
        where, cells = found
        try:
            file, fields = ListRow(cells, mapping).read(label_map, default)
        except ValueError as error:
            failures.append(Failure(place=where, kind="bad-line", reason=f"{where}: {error}"))
            continue
        file = os.path.normpath(file)
        place = place_of(file)
        if seen.setdefault(place, where) != where:
            reason = f"{where}: {printable(place)} is listed at {seen[place]} already"
            failures.append(Failure(place=where, kind="listed-twice", reason=reason))
        else:
            rows.add(file, {**(values or {}), **fields}, where)
    if not rows.paths:
        if failures:
            raise UsageError(failures[0].reason)
        raise SourceError(f"{path} lists no pictures; give it a line for each")
    notes = [f"{path.name}: passed over, of bytes: {', '.join(over)}"] if (over := table.passed_over) else []
    return FileSource(_ListItems(str(path.parent), rows, name), notes, failures)


def _check_columns(table: Table, mapping: Mapping[str, str]) -> None:
    name, columns = table.path.name, table.columns
    if columns is None:  # JSON lines: each line has names of its own
        return
    if missing := sorted(f"{field}={column}" for field, column in mapping.items() if column not in columns):
        raise UsageError(f"--map {missing[0]}: {name} has no such column; it has {', '.join(columns)}")
    if "path" not in mapping and not set(columns) & set(PATHS):
        raise SourceError(
            f"{name}:1: no column of paths (path, file or image) in {list(columns)}; add a header line, or "
            "name the column with --map path=COLUMN"
        )


@dataclass(frozen=True, slots=True)
class ListItem(FileItem):
    """A picture that a list names at `where`, its file and line."""

    where: str = ""

    def stamp(self) -> str:
        """Return the file's stamp and a hash of what the list says of it."""
        stated = self.values if isinstance(self.values, Mapping) else {}
        return f"{FileItem.stamp(self)} {identifier(canonical_json(dict(stated)))}"

    def load(self, max_pixels: int) -> Iterator[Loaded | Failure]:
        """Yield the picture; a message begins with the list's line."""
        try:
            yield self.read(max_pixels)
        except PictureError as error:
            raise PictureError(error.kind, f"{self.where}: {error}") from None


class _Rows:
    """What a list says, in three columns; fields are JSON text, so that a million rows stay small."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.fields: list[str] = []
        self.where: list[str] = []
        self._texts: dict[str, str] = {}

    def add(self, path: str, fields: Mapping[str, Any], where: str) -> None:
        text = canonical_json(fields)
        self.paths.append(path)
        self.fields.append(self._texts.setdefault(text, text) if len(self._texts) < 1000 else text)
        self.where.append(where)


@dataclass(frozen=True)
class _ListItems(Sequence[FileItem]):
    """The items of a list, made from its rows when they are asked for."""

    root: str
    rows: _Rows
    name: str | None
    numbers: range | None = None

    def __len__(self) -> int:
        return len(self.rows.paths if self.numbers is None else self.numbers)

    @overload
    def __getitem__(self, number: int) -> FileItem: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[FileItem]: ...

    def __getitem__(self, number: int | slice) -> FileItem | Sequence[FileItem]:
        numbers = self.numbers if self.numbers is not None else range(len(self.rows.paths))
        if isinstance(number, slice):
            return replace(self, numbers=numbers[number])
        row = numbers[number]
        fields = thawed(json.loads(self.rows.fields[row]))
        # A list names each of its pictures, so a place outside its folder is what its author asked for.
        return ListItem(self.root, self.rows.paths[row], fields, True, self.name, self.rows.where[row])
