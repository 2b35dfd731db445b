"""Whether a table read from a file is of the columns and types that it should be.

A Parquet file says of itself what it holds, and anybody may have written it: a column of another type, text
that is no UTF-8, offsets that lead nowhere, a megabyte that unpacks to a terabyte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from facedata.datasets.errors import DatasetError
from facedata.datasets.parquet import ParquetFile

__all__ = ["checked_batches", "open_shard"]

_MOST_BYTES, _MOST_OF_ROW = 64 << 20, 64 << 10
"""A table of rows that takes more than both is not read: as Python's objects it takes ten times as much."""
_JSON = ("parameters", "attributes")
_NAMING = ("sample_id", "content_hash", "label")
"""Columns that files are named by: none may lead anywhere."""


def checked_batches(
    file: ParquetFile, path: Path, schema: pa.Schema, rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Yield `columns` of an open file, or all of `schema`, in tables of up to `rows` rows, typed as `schema`.

    Raises DatasetError naming the column that is missing, of another type or damaged.
    """
    names = list(columns or schema.names)
    if missing := set(schema.names) - set(file.schema_arrow.names):
        raise DatasetError(f"{path} lacks the columns {sorted(missing)}; make the dataset again")
    if len(set(file.schema_arrow.names)) < len(file.schema_arrow.names):
        raise DatasetError(f"{path} has columns of one name; make the dataset again")
    for name in names:
        found, wanted = file.schema_arrow.field(name).type, schema.field(name).type
        if not _alike(found, wanted):
            kinds = f"{found}, not {wanted}"
            raise DatasetError(f"{path}: the column {name!r} is {kinds}; make the dataset again")
    target = pa.schema([schema.field(name) for name in names])
    for batch in file.iter_batches(rows, columns=names, use_threads=False):
        batch.validate(full=True)
        if batch.nbytes > max(_MOST_BYTES, _MOST_OF_ROW * batch.num_rows):
            raise DatasetError(
                f"{path}: {batch.num_rows} rows take {batch.nbytes / 1e9:.1f} GB, which no dataset of "
                "facedata has; do not read it, or make the dataset again"
            )
        table = pa.Table.from_batches([batch]).select(names).cast(target)
        _check_values(table, path)
        yield table


def open_shard(path: object, opened: BinaryIO | None = None) -> ParquetFile:
    """Open a shard of pictures; raise DatasetError where it has not the columns of one.

    Of a file that is `opened` the path is what messages call it.
    """
    file = ParquetFile(path, opened)
    names = file.schema_arrow.names
    kinds = {field.name: field.type for field in file.schema_arrow}
    known = {"bytes": (pa.binary(), pa.large_binary()), "content_hash": (pa.string(), pa.large_string())}
    if len(names) > len(kinds) or any(kinds.get(name) not in wanted for name, wanted in known.items()):
        file.close()
        raise DatasetError(f"{path} is no shard of pictures; restore it or make the dataset again")
    return file


def _alike(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether one type is the other, or holds the same in another way, as other writers have it."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_string(wanted):
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    if pa.types.is_list(wanted):
        lists = pa.types.is_list(found) or pa.types.is_large_list(found)
        return bool(lists and _alike(found.value_type, wanted.value_type))
    if pa.types.is_struct(wanted):
        names = [field.name for field in wanted]
        same = pa.types.is_struct(found) and [field.name for field in found] == names
        return bool(same and all(_alike(found.field(name).type, wanted.field(name).type) for name in names))
    return bool(found == wanted)


def _check_values(table: pa.Table, path: Path) -> None:
    if "sample_id" in table.column_names and table["sample_id"].null_count:
        raise DatasetError(f"{path}: a row has no sample_id; make the dataset again")
    for name in _NAMING:
        if name in table.column_names:
            _refuse(table, path, name, pc.match_substring_regex(table[name], r"^[0-9A-Za-z_-]{1,128}$"))
    for name in _JSON:
        if name in table.column_names and pc.any(pc.invert(pc.starts_with(table[name], "{"))).as_py():
            raise DatasetError(f"{path}: the column {name!r} holds what is no JSON object; run validate")


def _refuse(table: pa.Table, path: Path, name: str, good: pa.ChunkedArray) -> None:
    """Raise DatasetError, with the first value that is not as it should be."""
    if pc.all(good, skip_nulls=True).as_py() is False:
        value = table[name].filter(pc.invert(good))[0].as_py()
        raise DatasetError(f"{path}: the column {name!r} holds {value!r:.80}; make the dataset again")
