"""From the rows of a dataset to the columns that audits look at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facedata.curate.audit.base import Rows
from facedata.datasets.dataset import Dataset
from facedata.datasets.sample import json_object
from facedata.datasets.versions.groups import codes, source_key

__all__ = ["COLUMNS", "frame_of", "read_rows"]

_TEXT = (
    *("sample_id", "content_hash", "split", "subject", "domain", "label", "attack", "parent_id"),
    *("operator", "expression"),
)
_NUMBERS = ("variant", "valence", "arousal", "confidence")
COLUMNS = (*_TEXT, *_NUMBERS, "width", "height", "au", "au_domain", "attributes", "source")
"""The columns of samples.parquet that `frame_of` reads."""

_READ_AT_ONCE = 65_536


def read_rows(dataset: Dataset) -> Rows:
    """Return the rows of a dataset, without anything that is measured of its pictures."""
    return Rows(frame_of(pa.concat_tables(dataset.tables(COLUMNS, _READ_AT_ONCE))))


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return rows of samples.parquet (at least `COLUMNS`) as the frame of `Rows`."""
    source = table["source"].combine_chunks()
    dataset = pc.fill_null(pc.struct_field(source, "dataset"), "")
    columns: dict[str, Any] = {name: _objects(table[name]) for name in _TEXT}
    columns |= {name: table[name].to_numpy() for name in ("width", "height")}
    columns |= {name: _floats(table[name]) for name in _NUMBERS}
    columns["family"] = _families(table)
    columns["au"] = _filled(_units(one) for one in table["au"].to_pylist())
    columns["au_domain"] = _filled(
        None if one is None else tuple(one) for one in table["au_domain"].to_pylist()
    )
    columns["attributes"] = _filled(json_object(one) for one in table["attributes"].to_pylist())
    for name in ("dataset", "file"):
        columns[f"source_{name}"] = _objects(pc.struct_field(source, name))
    columns["source_frame"] = _floats(pc.struct_field(source, "frame"))
    columns["source_key"] = _objects(source_key(table))
    columns["person"] = _objects(pc.binary_join_element_wise(dataset, table["subject"], "\0"))
    for name in ("pixel_hash", "unreadable"):
        columns[name] = np.full(table.num_rows, None, object)
    # A Series of objects: a frame made of bare arrays would turn text with gaps into pandas' own type.
    return pd.DataFrame(
        {
            name: pd.Series(values, dtype=object if values.dtype == object else None)
            for name, values in columns.items()
        }
    )


def _families(table: pa.Table) -> NDArray[Any]:
    """Return the id at the top of each row's descent; a parent that is not in the dataset is such a top."""
    ids, parents = codes([table["sample_id"], table["parent_id"]])
    names = np.full(int(max(ids.max(initial=-1), parents.max(initial=-1))) + 1, None, object)
    names[ids] = _objects(table["sample_id"])
    above = parents >= 0
    names[parents[above]] = _objects(table["parent_id"])[above]
    top = np.arange(len(names))
    top[ids[above]] = parents[above]
    for _ in range(64):  # the way up halves with each round; a circle, which no honest id gives, ends too
        higher = top[top]
        if (higher == top).all():
            break
        top = higher
    return np.asarray(names[top[ids]], object)


def _units(pairs: list[dict[str, Any]] | None) -> dict[int, float | None] | None:
    return None if pairs is None else {pair["au"]: pair["intensity"] for pair in pairs}


def _objects(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    return _filled(column.to_pylist())


def _filled(values: Iterable[Any]) -> NDArray[Any]:
    """Return an array of objects; np.array would make a matrix of tuples of one length."""
    return np.fromiter(values, object)


def _floats(column: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    return np.array(column.cast(pa.float64()).to_pylist(), np.float64)
