"""Whether a table read from a file is of the columns and types that it should be.

A Parquet file says of itself what it holds, and anybody may have written it: a column of another type, text
that is no UTF-8, offsets that lead nowhere, a megabyte that unpacks to a terabyte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facedata.datasets.errors import DatasetError

__all__ = ["checked_batches", "checked_groups"]

_MOST_BYTES = 2 << 30
"""A row group that unpacks to more is not read: ours hold 64 MB at most, and a reader unpacks it whole."""
_JSON = ("parameters", "attributes")


def checked_groups(file: pq.ParquetFile, path: object) -> None:
    """Raise DatasetError where a row group says that it unpacks to more than memory should take."""
    for number in range(file.num_row_groups):
        if (size := file.metadata.row_group(number).total_byte_size) > _MOST_BYTES:
            raise DatasetError(
                f"{path}: row group {number} unpacks to {size / 1e9:.1f} GB, which no dataset of facedata "
                "holds; do not read it, or write it anew in smaller row groups"
            )


def checked_batches(
    file: pq.ParquetFile, path: Path, schema: pa.Schema, rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Yield `columns` of an open file, or all of `schema`, in tables of up to `rows` rows, typed as `schema`.

    Raises DatasetError naming the column that is missing, of another type or damaged.
    """
    names = list(columns or schema.names)
    if missing := set(schema.names) - set(file.schema_arrow.names):
        raise DatasetError(f"{path} lacks the columns {sorted(missing)}; make the dataset again")
    for name in names:
        found, wanted = file.schema_arrow.field(name).type, schema.field(name).type
        if not _alike(found, wanted):
            kinds = f"{found}, not {wanted}"
            raise DatasetError(f"{path}: the column {name!r} is {kinds}; make the dataset again")
    checked_groups(file, path)
    target = pa.schema([schema.field(name) for name in names])
    for batch in file.iter_batches(rows, columns=names, use_threads=False):
        batch.validate(full=True)
        table = pa.Table.from_batches([batch]).select(names).cast(target)
        _check_values(table, path)
        yield table


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
    for name in _JSON:
        if name in table.column_names and pc.any(pc.invert(pc.starts_with(table[name], "{"))).as_py():
            raise DatasetError(f"{path}: the column {name!r} holds what is no JSON object; run validate")
