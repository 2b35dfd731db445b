"""What must not stand in two splits: a person, a picture, a video, or a parent and what was made from it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Disjoint", "Leak"]


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that stands in two splits: `kind` is `subject`, `picture`, `video` or `family`."""

    kind: str
    message: str


class Disjoint:
    """Collects the rows of a dataset and says what its splits share; a null split is a split of its own.

    The names of subjects hold within their source dataset: person 1 of one is not person 1 of another.
    """

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []

    def add_table(self, rows: pa.Table) -> None:
        """Add rows; a few columns of them are kept."""
        source = rows["source"].combine_chunks()
        columns = {
            name: rows[name] for name in ("sample_id", "parent_id", "split", "subject", "content_hash")
        }
        columns |= {name: pc.struct_field(source, name) for name in ("dataset", "file", "frame")}
        self._tables.append(pa.table(columns))

    def leaks(self) -> list[Leak]:
        """Return what stands in two splits, one leak for each thing."""
        if not self._tables:
            return []
        rows = pa.concat_tables(self._tables)
        if len(rows["split"].unique()) < 2:
            return []
        coded = rows["split"].fill_null("\0").dictionary_encode().combine_chunks()
        names = [None if name == "\0" else name for name in coded.dictionary.to_pylist()]
        frame = pd.DataFrame({"split": coded.indices.to_numpy()})
        frame["id"], frame["parent"] = _codes(rows["sample_id"], rows["parent_id"])
        leaks = self._shared(rows, frame, names, "subject", ["dataset", "subject"], "subject")
        leaks += self._shared(rows, frame, names, "picture", ["content_hash"], "content_hash")
        leaks += self._shared(rows, frame, names, "video", ["dataset", "file"], "frame")
        return leaks + self._families(rows, frame, names)

    def _shared(
        self,
        rows: pa.Table,
        frame: pd.DataFrame,
        names: list[str | None],
        kind: str,
        by: list[str],
        need: str,
    ) -> list[Leak]:
        stated = rows[need].is_valid().to_numpy()
        if kind != "video":  # null is where a row was left out of the splits: only of a video is that a leak
            stated = stated & rows["split"].is_valid().to_numpy()
        keys = [_code(rows[name]) for name in by]
        table = pd.DataFrame({**dict(enumerate(keys)), "split": frame["split"]})[stated]
        splits = table.groupby(list(range(len(by))), sort=False)["split"].agg(["min", "max"])
        leaks = []
        for key in splits.index[splits["min"] != splits["max"]]:
            key = key if isinstance(key, tuple) else (key,)
            inside = stated.copy()
            for codes, wanted in zip(keys, key, strict=True):
                inside &= codes == wanted
            leaks.append(_leak(kind, rows, inside, frame["split"].to_numpy(), names, by))
            if len(leaks) >= 20:
                break
        return leaks

    def _families(self, rows: pa.Table, frame: pd.DataFrame, names: list[str | None]) -> list[Leak]:
        split_of = pd.Series(frame["split"].to_numpy(), index=frame["id"].to_numpy())
        children = frame[frame["parent"].isin(split_of.index)]
        parents = split_of[~split_of.index.duplicated()].reindex(children["parent"]).to_numpy()
        apart = children[children["split"].to_numpy() != parents]
        leaks = []
        for number in apart.index[:20]:
            child, parent = rows["sample_id"][number], rows["parent_id"][number]
            there = names[int(split_of[frame["parent"][number]])]
            here = names[int(frame["split"][number])]
            message = f"{child} is in split {here!r}, its parent {parent} in {there!r}"
            leaks.append(Leak("family", message))
        return leaks


def _leak(
    kind: str, rows: pa.Table, inside: object, split: object, names: list[str | None], by: list[str]
) -> Leak:
    chosen = rows.filter(pa.array(inside))
    codes = pd.Series(split)[inside]  # type: ignore[call-overload]
    examples = []
    for code in sorted(codes.unique())[:2]:
        place = int((codes == code).to_numpy().argmax())
        examples.append(f"{names[code]!r} ({chosen['sample_id'][place]})")
    thing = "the same picture"
    if kind != "picture":
        dataset, name = (chosen[column][0].as_py() for column in by)
        thing = f"{kind} {name!r}" + (f" of {dataset}" if dataset else "")
    return Leak(kind, f"{thing} stands in the splits {' and '.join(examples)}")


def _code(column: pa.ChunkedArray) -> object:
    indices = column.dictionary_encode().combine_chunks().indices
    return indices.fill_null(-1).to_numpy()


def _codes(ids: pa.ChunkedArray, parents: pa.ChunkedArray) -> tuple[object, object]:
    """Return ids and parents as numbers that are equal where the texts are; -1 for no parent."""
    both = pa.chunked_array([*ids.chunks, *parents.chunks], pa.string())
    codes = both.dictionary_encode().combine_chunks().indices.fill_null(-1).to_numpy()
    return codes[: len(ids)], codes[len(ids) :]
