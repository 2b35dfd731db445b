"""Splits: no subject and no picture in two of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facedata.datasets.buckets import Buckets, by_text, enough_for
from facedata.datasets.validation.finding import Finding, Found

__all__ = ["SPLIT_COLUMNS", "first_like", "leaks"]

SPLIT_COLUMNS = ("sample_id", "split", "subject", "content_hash", "source")
_RANK = 1 << 41  # after all that is found of a row alone


def leaks(tables: Iterable[tuple[int, pa.Table]], rows: int) -> Iterator[Found]:
    """Yield the rows whose subject or picture stood in another split before.

    `tables` are tables of SPLIT_COLUMNS, each with the number of its first row, of some `rows` rows together.
    """
    with Buckets(enough_for(rows)) as subjects, Buckets(enough_for(rows)) as pictures:
        for start, table in tables:
            numbers = pa.array(np.arange(start, start + table.num_rows))
            # Person 1 of one source dataset is not person 1 of another.
            dataset = pc.fill_null(pc.struct_field(table["source"], "dataset"), "")
            person = pc.binary_join_element_wise(dataset, table["subject"], "\0")  # null without a subject
            shared = {"row": numbers, "split": table["split"], "sample_id": table["sample_id"]}
            named = {"name": table["subject"], **shared}
            for buckets, kept in (
                (subjects, pa.table({"key": person, **named})),
                (pictures, pa.table({"key": table["content_hash"], **named})),
            ):
                kept = kept.filter(pc.and_(kept["split"].is_valid(), kept["key"].is_valid()))
                buckets.add(kept, by_text(kept["key"], len(buckets)))
        for rank, buckets in ((_RANK, subjects), (_RANK + 1, pictures)):
            for number in range(len(buckets)):
                if (kept := buckets.whole(number)) is not None:
                    yield from _in_two(kept, rank)


def _in_two(rows: pa.Table, rank: int) -> Iterator[Found]:
    first = first_like(rows["key"])
    before = rows["split"].take(pa.array(first))
    for number in np.flatnonzero(pc.not_equal(rows["split"], before)).tolist():
        row, origin = rows.slice(number, 1).to_pylist()[0], rows.slice(first[number], 1).to_pylist()[0]
        name = f"subject {row['name']!r}" if rank == _RANK else "the same picture"
        places = f"{origin['split']!r} ({origin['sample_id']}) and {row['split']!r} ({row['sample_id']})"
        finding = Finding("split-leak", f"{name} stands in the splits {places}", row["sample_id"])
        yield row["row"], rank, finding


def first_like(texts: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return, for each row, the number of the first row of the same text; there are no nulls."""
    codes = texts.combine_chunks().dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    return np.asarray(first[codes], np.int64)
