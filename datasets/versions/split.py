"""`facedata split`: rows into train, val, test, ..., so that nothing that belongs together is parted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.versions.carry import with_column
from facedata.datasets.versions.derive import TABLE_ROWS, Derivation, Derived, Told, Writing, derive
from facedata.datasets.versions.edits_log import carried_edits
from facedata.datasets.versions.groups import Keys
from facedata.datasets.versions.protocol import Protocol
from facedata.datasets.versions.strata import STRATA, Strata
from facedata.datasets.words import Words

__all__ = ["parse_ratios", "split_by_protocol", "split_by_ratios"]


def parse_ratios(text: str) -> dict[str, float]:
    """Return the shares of `train=0.7,val=0.1,test=0.2`, which add up to one.

    >>> parse_ratios("train=0.75,test=0.25")
    {'train': 0.75, 'test': 0.25}
    """
    ratios: dict[str, float] = {}
    for pair in text.split(","):
        name, _, share = (part.strip() for part in pair.partition("="))
        try:
            number = float(share)
        except ValueError:
            number = -1.0
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or not 0 < number <= 1 or name in ratios:
            raise UsageError(f"--ratios {pair.strip()!r} is not of the form train=0.7, each name once")
        ratios[name] = number
    if abs(sum(ratios.values()) - 1) > 1e-6:
        raise UsageError(f"--ratios {text!r} add up to {sum(ratios.values()):g}, not to 1")
    return ratios


def split_by_ratios(
    source: Path,
    target: Path,
    *,
    by: str = "subject",
    ratios: Mapping[str, float],
    stratify: Sequence[str] = (),
    seed: int = 0,
    writing: Writing | None = None,
) -> Derived:
    """Give each group of rows a split, so that the splits have about the shares of `ratios`.

    Groups are as groups.py says for `by`. With `stratify` the shares hold for each combination of the named
    columns too, as far as whole groups allow. The result has, in `details`, what was asked and what came out.
    """
    dataset = Dataset.open(source)
    if odd := [name for name in stratify if name not in STRATA]:
        raise UsageError(f"--stratify {odd[0]!r} is not one of {', '.join(STRATA)}")
    names = list(ratios)

    def rows(told: Told) -> Iterator[pa.Table]:
        keys, strata = Keys(by), Strata(stratify)
        for table in dataset.tables(most=TABLE_ROWS):
            keys.add_table(table)
            strata.add_table(table)
        groups = keys.groups()
        found = assign(groups, strata.codes(), list(ratios.values()), seed)
        if empty := [name for number, name in enumerate(names) if not (found == number).any()]:
            raise UsageError(
                f"split {empty[0]!r} would be empty: there are {len(np.unique(groups))} groups by {by}; take "
                "fewer splits, a larger share, or another --by"
            )
        told.details |= _outcome(found, groups, names, ratios)
        yield from _with_splits(dataset, found, names)

    parameters = {"by": by, "ratios": dict(ratios), "stratify": list(stratify)}
    files = carried_edits([dataset])
    what = Derivation("split", [dataset], parameters, rows, seed=seed, leaks="refuse", files=files)
    return derive(what, target, writing)


def split_by_protocol(
    source: Path, target: Path, protocol: Protocol, *, seed: int = 0, writing: Writing | None = None
) -> Derived:
    """Give each row the split whose condition holds of it; `seed` counts where a share is held out.

    Raises UsageError where a row fits two splits, a split would be empty, a needed domain is absent, or
    splits would share a person, a picture, a video or a family.
    """
    dataset = Dataset.open(source)
    hold = protocol.hold_out
    names = [*protocol.splits, *([hold.split] if hold else [])]

    def rows(told: Told) -> Iterator[pa.Table]:
        found, domains = _by_condition(dataset, protocol)
        if missing := [name for name in protocol.needs if name not in domains]:
            there = ", ".join(sorted(filter(None, domains))) or "none"
            raise UsageError(
                f"protocol {protocol.name} needs rows of the domain {missing[0]!r}; the dataset has {there}"
            )
        if hold:
            keys = Keys(hold.by)
            for table in dataset.tables(most=TABLE_ROWS):
                keys.add_table(table)
            inside = np.flatnonzero(found == names.index(hold.of))
            shares = [1 - hold.share, hold.share]
            held = assign(keys.groups()[inside], np.zeros(len(inside), np.int64), shares, seed)
            found[inside[held == 1]] = len(names) - 1
        if empty := [name for number, name in enumerate(names) if not (found == number).any()]:
            raise UsageError(f"protocol {protocol.name}: no row is of the split {empty[0]!r}")
        others = int((found < 0).sum())
        told.details |= {"splits": _sizes(found, names), "others": others}
        if others:
            told.notes.append(f"{others} rows are of no split ({protocol.others})")
        yield from _with_splits(dataset, found, names, drop=protocol.others == "drop")

    parameters: dict[str, Any] = {"protocol": protocol.model_dump(mode="json", exclude_none=True)}
    files = carried_edits([dataset])
    what = Derivation(
        "split", [dataset], parameters, rows, seed=seed if hold else None, leaks="refuse", files=files
    )
    return derive(what, target, writing)


def assign(
    groups: NDArray[np.int64], strata: NDArray[np.int64], shares: Sequence[float], seed: int
) -> NDArray[np.int8]:
    """Return the number of each row's split; rows of a group get the same.

    Groups are taken from the largest down, equal ones in an order of hash words, and each goes where it is
    least over its due: the split with the least (2 c + v) / share, c being what the split has and v what the
    group brings, summed over strata. For groups of one size that is Sainte-Lague's rule of proportion.
    """
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    count = int(strata.max(initial=0)) + 1
    pairs, numbers = np.unique(member * count + strata, return_counts=True)
    totals = np.bincount(strata, minlength=count).tolist()
    bounds = np.searchsorted(pairs, np.arange(len(first) + 1) * count).tolist()
    strata_of, rows_of = (pairs % count).tolist(), numbers.tolist()
    sizes = np.bincount(member).tolist()
    names = groups[first].tolist()
    ties = [Words.of(seed, "split", name).word() for name in names]
    taken = [[0.0] * (count + 1) for _ in shares]  # the last counts all rows
    result = np.zeros(len(first), np.int8)
    whole = len(groups)
    for group in sorted(range(len(first)), key=lambda g: (-sizes[g], ties[g], names[g])):
        brought = [
            (strata_of[n], rows_of[n], totals[strata_of[n]]) for n in range(*bounds[group : group + 2])
        ]
        brought.append((count, sizes[group], whole))
        costs = [
            sum(v / total * (2 * has[k] + v) / (share * total) for k, v, total in brought)
            for has, share in zip(taken, shares, strict=True)
        ]
        chosen = costs.index(min(costs))
        for k, v, _ in brought:
            taken[chosen][k] += v
        result[group] = chosen
    return result[member]


def _by_condition(dataset: Dataset, protocol: Protocol) -> tuple[NDArray[np.int8], set[str | None]]:
    found, domains = [], set()
    for table in dataset.tables(most=TABLE_ROWS):
        domains.update(table["domain"].unique().to_pylist())
        split = np.full(table.num_rows, -1, np.int8)
        for number, (name, condition) in enumerate(protocol.conditions().items()):
            mask = condition.mask(table).to_numpy(zero_copy_only=False)
            if (both := np.flatnonzero(mask & (split >= 0))).size:
                other = list(protocol.splits)[split[both[0]]]
                sample = table["sample_id"][int(both[0])].as_py()
                raise UsageError(f"protocol {protocol.name}: {sample} is of {other!r} and of {name!r}")
            split[mask] = number
        found.append(split)
    return np.concatenate([*found, np.zeros(0, np.int8)]), domains


def _with_splits(
    dataset: Dataset, found: NDArray[np.int8], names: Sequence[str], drop: bool = False
) -> Iterator[pa.Table]:
    start = 0
    values = pa.array(names, pa.string())
    for table in dataset.tables(most=TABLE_ROWS):
        numbers = found[start : start + table.num_rows]
        start += table.num_rows
        indices = pa.array(numbers.astype(np.int32), mask=numbers < 0)
        table = with_column(table, "split", values.take(indices))
        yield table.filter(table["split"].is_valid()) if drop else table


def _sizes(found: NDArray[np.int8], names: Sequence[str]) -> dict[str, int]:
    counts = Counter(found.tolist())
    return {name: counts[number] for number, name in enumerate(names)}


def _outcome(
    found: NDArray[np.int8], groups: NDArray[np.int64], names: Sequence[str], ratios: Mapping[str, float]
) -> dict[str, Any]:
    sizes = _sizes(found, names)
    return {
        "splits": sizes,
        "groups": {name: len(np.unique(groups[found == number])) for number, name in enumerate(names)},
        "asked": dict(ratios),
        "got": {name: round(size / len(found), 4) for name, size in sizes.items()},
    }
