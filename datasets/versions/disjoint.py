"""What must not stand in two splits: a person, a picture, a video, or a parent and what was made from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facedata.datasets.versions.groups import codes, source_key

__all__ = ["Disjoint", "Leak"]

_MOST = 20  # leaks of a kind that are named
_KINDS = {"subject": "person", "video": "video", "picture": "content_hash"}


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that stands in two splits: `kind` is `subject`, `video`, `picture` or `family`."""

    kind: str
    message: str


class Disjoint:
    """Collects the rows of a dataset and says what its splits share.

    The names of subjects hold within their source dataset: person 1 of one is not person 1 of another. A
    video and a family may not be half in a split and half in none; a person and a picture may.
    """

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []

    def add_table(self, rows: pa.Table) -> None:
        """Add rows; a few columns of them are kept."""
        kept = ("sample_id", "parent_id", "split", "subject", "content_hash")
        columns = {name: rows[name] for name in kept}
        source = rows["source"].combine_chunks()
        dataset = pc.fill_null(pc.struct_field(source, "dataset"), "")
        columns["person"] = pc.binary_join_element_wise(dataset, rows["subject"], "\0")
        framed = pc.struct_field(source, "frame").is_valid()
        columns["video"] = pc.if_else(framed, source_key(rows), pa.scalar(None, pa.string()))
        columns["file"] = pc.struct_field(source, "file")
        self._tables.append(pa.table(columns))

    def leaks(self) -> list[Leak]:
        """Return what stands in two splits, one leak for each thing."""
        rows = pa.concat_tables(self._tables) if self._tables else None
        self._tables = []
        if rows is None or len(rows["split"].unique()) < 2:
            return []
        (split,) = codes([rows["split"]])  # -1 for none
        leaks = []
        for kind, column in _KINDS.items():
            (thing,) = codes([rows[column]])
            chosen = thing >= 0 if kind == "video" else (thing >= 0) & (split >= 0)
            for first, other in _apart(thing, split, chosen):
                leaks.append(Leak(kind, _shared(kind, rows, first, other)))
        return leaks + self._families(rows, split)

    def _families(self, rows: pa.Table, split: NDArray[np.int64]) -> list[Leak]:
        ids, parents = codes([rows["sample_id"], rows["parent_id"]])
        row_of = np.full(int(max(ids.max(), parents.max())) + 1, -1)
        row_of[ids] = np.arange(len(ids))
        parent = np.where(parents >= 0, row_of[parents], -1)
        apart = np.flatnonzero((parent >= 0) & (split != split[parent]))
        return [
            Leak("family", f"{_place(rows, child)}, its parent {_place(rows, int(parent[child]))}")
            for child in apart[:_MOST].tolist()
        ]


def _apart(
    thing: NDArray[np.int64], split: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Return, of each thing that has rows in two splits, one row in each."""
    rows = np.flatnonzero(chosen)
    first = np.full(int(thing.max(initial=-1)) + 1, -1)
    first[thing[rows][::-1]] = rows[::-1]
    others = rows[split[rows] != split[first[thing[rows]]]]
    _, once = np.unique(thing[others], return_index=True)
    return [(int(first[thing[row]]), int(row)) for row in others[np.sort(once)][:_MOST]]


def _shared(kind: str, rows: pa.Table, first: int, other: int) -> str:
    name = {"picture": "one picture", "video": f"video {rows['file'][first].as_py()!r}"}.get(kind)
    if name is None:
        dataset = rows["person"][first].as_py().partition("\0")[0]
        name = f"subject {rows['subject'][first].as_py()!r}" + (f" of {dataset}" if dataset else "")
    return f"{name}: {_place(rows, first)}, {_place(rows, other)}"


def _place(rows: pa.Table, number: int) -> str:
    split = rows["split"][number].as_py()
    where = "in no split" if split is None else f"in {split!r}"
    return f"{rows['sample_id'][number].as_py()} is {where}"
