"""`facedata sample`: fewer rows, chosen by hash words, so the same seed chooses the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.versions.derive import TABLE_ROWS, Derivation, Derived, Told, Writing, derive
from facedata.datasets.versions.edits_log import carried_edits
from facedata.datasets.versions.groups import Keys
from facedata.datasets.versions.strata import STRATA, Strata
from facedata.datasets.words import Words

__all__ = ["sample_rows"]


def sample_rows(
    source: Path,
    count: int,
    target: Path,
    *,
    seed: int = 0,
    by: Sequence[str] = (),
    per_group: bool = False,
    families: bool = False,
    writing: Writing | None = None,
) -> Derived:
    """Keep `count` rows, each as likely as the others.

    With `by` each combination of the named columns gets its share of `count`, in proportion to its rows; with
    `per_group` each gets `count` (all it has, where that is fewer). With `families` not rows are chosen but
    families, a parent with all that was made from it, and `count` counts them. Raises UsageError where there
    are fewer than `count`.
    """
    dataset = Dataset.open(source)
    if count < 1:
        raise UsageError(f"{count} is not a positive number of samples")
    if odd := [name for name in by if name not in STRATA]:
        raise UsageError(f"--by {odd[0]!r} is not one of {', '.join(STRATA)}")
    if per_group and not by:
        raise UsageError("--per-group needs --by: the columns that make the groups")

    def rows(told: Told) -> Iterator[pa.Table]:
        keys, strata, words = Keys("family"), Strata(by), _Words(seed)
        for table in dataset.tables(most=TABLE_ROWS):
            keys.add_table(table)
            strata.add_table(table)
            words.add_table(table)
        groups = keys.groups() if families else np.arange(len(dataset))
        units, first, member = np.unique(groups, return_index=True, return_inverse=True)
        of_unit = strata.codes()[first]
        if not per_group and count > len(units):
            kind = "families" if families else "rows"
            raise UsageError(f"{count} {kind} are asked for, and there are {len(units)}")
        quota = _quota(np.bincount(of_unit), count, per_group)
        kept = _smallest(words.drawn()[first], of_unit, quota)[member]
        told.details |= {"units": int(quota.sum()), "groups": len(quota)}
        if per_group and (short := int((quota < count).sum())):
            told.notes.append(
                f"{short} of {len(quota)} groups have fewer than {count}: all of them were taken"
            )
        start = 0
        for table in dataset.tables(most=TABLE_ROWS):
            yield table.filter(pa.array(kept[start : start + table.num_rows]))
            start += table.num_rows

    parameters = {"count": count, "by": list(by), "per_group": per_group, "families": families}
    files = carried_edits([dataset])
    return derive(Derivation("sample", [dataset], parameters, rows, seed=seed, files=files), target, writing)


class _Words:
    """A hash word for each row: it depends on the seed and the row's id alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._words: list[NDArray[np.uint64]] = []

    def add_table(self, rows: pa.Table) -> None:
        words = [Words.of(self.seed, "sample", sid).word() for sid in rows["sample_id"].to_pylist()]
        self._words.append(np.array(words, np.uint64))

    def drawn(self) -> NDArray[np.uint64]:
        return np.concatenate(self._words)


def _quota(sizes: NDArray[np.int64], count: int, per_group: bool) -> NDArray[np.int64]:
    """Return how many each group gives: `count`, or its share by largest remainder."""
    if per_group:
        return np.minimum(sizes, count)
    share, rest = np.divmod(sizes * count, sizes.sum())
    largest = np.argsort(-rest, kind="stable")[: count - int(share.sum())]
    share[largest] += 1
    return share


def _smallest(
    words: NDArray[np.uint64], group: NDArray[np.int64], quota: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which units are among the `quota` smallest words of their group."""
    order = np.lexsort([words, group])
    start = np.searchsorted(group[order], np.arange(len(quota)))
    rank = np.arange(len(order)) - start[group[order]]
    kept = np.zeros(len(order), bool)
    kept[order] = rank < quota[group[order]]
    return kept
