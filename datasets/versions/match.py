"""Which rows of two versions stand for the same thing though their ids differ.

An id covers the seed and the parameters, so a dataset that was made again on another seed has other ids
throughout. What was made of the same parent as the same variant by a policy of the same name is still the
same place in the dataset, and a source file that was replaced is the same place in the source.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facedata.datasets.versions.groups import codes

__all__ = ["KEPT", "kept_columns", "matched"]

KEPT = ("sample_id", "parent_id", "variant", "policy", "place", "bytes")
"""Columns that `matched` needs; `kept_columns` makes them."""


def kept_columns(rows: pa.Table) -> dict[str, pa.Array]:
    """Return the columns that matching needs, of a table of SCHEMA."""
    source = rows["source"].combine_chunks()
    frame = pc.fill_null(pc.struct_field(source, "frame").cast(pa.string()), "")
    dataset = pc.fill_null(pc.struct_field(source, "dataset"), "")
    ingested = rows["parent_id"].combine_chunks().is_null()  # the others are matched by their parents
    none = pa.scalar(None, pa.string())
    place = pc.binary_join_element_wise(dataset, pc.struct_field(source, "file"), frame, "\0")
    data = pc.binary_join_element_wise(pc.struct_field(source, "sha256"), frame, "\0")
    found = pc.extract_regex(rows["parameters"].combine_chunks(), r'"policy":"(?P<name>[^"]*)"')
    return {
        "sample_id": rows["sample_id"].combine_chunks(),
        "parent_id": rows["parent_id"].combine_chunks(),
        "variant": rows["variant"].combine_chunks(),
        "policy": pc.struct_field(found, "name").dictionary_encode(),
        "place": pc.if_else(ingested, place, none),
        "bytes": pc.if_else(ingested, data, none),
    }


def matched(a: pa.Table, b: pa.Table) -> NDArray[np.int64]:
    """Return pairs of row numbers, n x 2, of tables with the columns KEPT; each row is in one pair at most.

    Ingested pictures are matched by their place in the source, then by their bytes; what was made, by its
    parent (or what that was matched with), variant and policy, then without the policy.
    """
    left, right = _frames(a, b)
    became = pd.Series(np.zeros(0, np.int64), index=np.zeros(0, np.int64))  # id in a -> id in b
    pairs = [np.zeros((0, 2), np.int64)]

    def match(by: list[str], only: str) -> int:
        nonlocal left, right, became
        sides = []
        for side in (left, right):
            known = (side[by] >= 0).all(axis=1) & (
                (side["parent_id"] < 0) if only == "ingested" else (side["parent_id"] >= 0)
            )
            chosen = side[known].copy()
            if only == "made" and side is left:
                chosen["parent_id"] = (
                    chosen["parent_id"].map(became).fillna(chosen["parent_id"]).astype(np.int64)
                )
            chosen["rank"] = chosen.groupby(by, sort=False).cumcount()
            sides.append(chosen)
        both = sides[0].merge(sides[1], on=[*by, "rank"], suffixes=("_a", "_b"))
        if len(both):
            pairs.append(both[["row_a", "row_b"]].to_numpy(np.int64))
            became = pd.concat(
                [became, pd.Series(both["sample_id_b"].to_numpy(), both["sample_id_a"].to_numpy())]
            )
            left = left[~left["row"].isin(both["row_a"])]
            right = right[~right["row"].isin(both["row_b"])]
        return len(both)

    match(["place"], "ingested")
    match(["bytes"], "ingested")
    while match(["parent_id", "variant", "policy"], "made"):  # a level of descent each
        pass
    while match(["parent_id", "variant"], "made"):
        pass
    return np.concatenate(pairs)


def _frames(a: pa.Table, b: pa.Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables as numbers that are equal where the texts are; a row without a policy has -2."""
    ids = codes([table[name] for table in (a, b) for name in ("sample_id", "parent_id")])
    columns: list[dict[str, NDArray[np.int64]]] = [
        {"sample_id": ids[0], "parent_id": ids[1]},
        {"sample_id": ids[2], "parent_id": ids[3]},
    ]
    for name in ("policy", "place", "bytes"):
        texts = [table[name].cast(pa.string()) for table in (a, b)]
        for side, numbers in zip(columns, codes(texts), strict=True):
            side[name] = numbers
    for side, table in zip(columns, (a, b), strict=True):
        side["variant"] = pc.fill_null(table["variant"], -1).to_numpy().astype(np.int64)
        side["row"] = np.arange(table.num_rows)
    left, right = (pd.DataFrame(side) for side in columns)
    return left, right
