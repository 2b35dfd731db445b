"""Rows of a table, whatever it is written as: CSV, TSV, JSON lines, Parquet.

A row is a dictionary by column name, in lower case; of CSV and TSV its values are text, of the others what
JSON can hold. Every row comes with its place, `list.csv:17` (a line, or a row of a Parquet file, from 1).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from facedata.datasets.errors import SourceError
from facedata.datasets.record import Failure

__all__ = ["TABLE_SUFFIXES", "Table", "open_table"]

TABLE_SUFFIXES = frozenset([".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"])
"""File name endings that are taken for tables; a file of another ending is read as CSV."""

Row = tuple[str, dict[str, Any]]


class Table:
    """An open table: `columns` are its names, None where each row has its own (JSON lines)."""

    def __init__(
        self, path: Path, columns: tuple[str, ...] | None, passed_over: tuple[str, ...] = ()
    ) -> None:
        """`passed_over` are the columns that hold bytes, which are no label."""
        self.path = path
        self.columns = columns
        self.passed_over = passed_over

    def rows(self) -> Iterator[Row | Failure]:
        """Yield (place, row), or the failure of a line that cannot be used; the lines after it are read."""
        reader = {".jsonl": _json_rows, ".ndjson": _json_rows, ".parquet": _parquet_rows}
        yield from reader.get(self.path.suffix.lower(), _csv_rows)(self.path, self.columns or ())


def open_table(path: Path) -> Table:
    """Open a table and read its column names.

    Raises SourceError where it cannot be read, or where two columns have one name.
    """
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return Table(path, None)
    if suffix == ".parquet":
        return _open_parquet(path)
    with _open_text(path) as file:
        try:
            names = next(csv.reader(file, delimiter=_separator(path), strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            _unreadable(path, error)
    return Table(path, _unique([_name(name) for name in names], path))


def _open_parquet(path: Path) -> Table:
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        _unreadable(path, error)
    passed_over = tuple(_name(field.name) for field in schema if _holds_bytes(field.type))
    return Table(path, _unique([_name(name) for name in schema.names], path), passed_over)


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return True
    return any(_holds_bytes(kind.field(number).type) for number in range(kind.num_fields))


def _name(name: str | None) -> str:
    return (name or "").strip().lower()


def _unique(names: list[str], path: Path) -> tuple[str, ...]:
    if twice := {name for name in names if names.count(name) > 1}:
        raise SourceError(f"{path.name}:1: the columns {sorted(twice)} stand twice; rename one")
    return tuple(names)


def _separator(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _open_text(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        _unreadable(path, error)


def _unreadable(path: Path, error: Exception) -> NoReturn:
    kind = {".parquet": "Parquet", ".jsonl": "UTF-8 JSON lines", ".ndjson": "UTF-8 JSON lines"}
    form = kind.get(path.suffix.lower(), "a UTF-8 list")
    raise SourceError(f"{path} cannot be read as {form} ({error}); save it as CSV") from None


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row | Failure]:
    with _open_text(path) as file:
        try:
            reader = csv.reader(file, delimiter=_separator(path), strict=True)
            next(reader, None)
            for cells in reader:
                where = f"{path.name}:{reader.line_num}"
                if not cells:
                    continue
                if len(cells) != len(columns):
                    reason = (
                        f"{where}: {len(columns)} columns expected as in the header, and {len(cells)} found; "
                        "mend the line (quote values that hold the separator)"
                    )
                    yield Failure(place=where, kind="ragged", reason=reason)
                else:
                    yield where, dict(zip(columns, (cell.strip() for cell in cells), strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            _unreadable(path, error)


def _json_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row | Failure]:
    del columns
    with _open_text(path) as file:
        try:
            for number, line in enumerate(file, 1):
                where = f"{path.name}:{number}"
                if not line.strip():
                    continue
                try:
                    found = json.loads(line, parse_constant=_no_number)
                    if not isinstance(found, dict):
                        raise ValueError("not an object")
                    row = {_name(name): value for name, value in found.items()}
                    if len(row) != len(found):
                        raise ValueError("two names differ in case alone")
                except (ValueError, RecursionError) as error:
                    reason = f"{where}: no JSON object ({error}); mend the line"
                    yield Failure(place=where, kind="bad-line", reason=reason)
                else:
                    yield where, row
        except UnicodeDecodeError as error:
            _unreadable(path, error)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _parquet_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row | Failure]:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            fields = zip(columns, file.schema_arrow, strict=True)
            kept = {field.name: column for column, field in fields if not _holds_bytes(field.type)}
            number = 0
            for batch in file.iter_batches(batch_size=4096, columns=list(kept)):
                for values in batch.to_pylist():
                    number += 1
                    row = {kept[name]: _plain(value) for name, value in values.items() if name in kept}
                    yield f"{path.name}:{number}", row
    except (OSError, pa.ArrowException) as error:
        _unreadable(path, error)


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; what is no number is null."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Decimal):
        return _plain(float(value))
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)
