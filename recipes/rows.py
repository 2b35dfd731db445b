"""The rows that a detector of attacks learns from, and those that it is watched by: never those of a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.items import printable
from facedata.datasets.sample import LABELS
from facedata.datasets.versions.groups import Keys
from facedata.datasets.versions.protocol import Protocol
from facedata.datasets.versions.split import assign
from facedata.recipes.config import RowsConfig

__all__ = ["Chosen", "Row", "choose_parts", "choose_rows", "refuse_unbalanced"]

_COLUMNS = (
    "sample_id",
    "image",
    "label",
    "attack",
    "domain",
    "split",
    "subject",
    "width",
    "height",
    "box",
    "landmarks",
    "layers",
)


@dataclass(frozen=True, slots=True)
class Row:
    """What a recipe needs of a row; `mask` is the reference of its truth mask."""

    sample_id: str
    image: str
    label: str
    attack: str | None
    domain: str | None
    subject: str | None
    width: int
    height: int
    box: tuple[float, ...] | None
    landmarks: tuple[tuple[float, float], ...] | None
    mask: str | None

    @property
    def spoof(self) -> bool:
        """Whether it is an attack."""
        return self.label == "spoof"


@dataclass(frozen=True)
class Chosen:
    """Rows to learn from and rows for development; `of` says in words where the latter come from."""

    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    of: str


def choose_rows(
    dataset: Dataset, config: RowsConfig, protocol: Protocol | None, seed: int, *, faces: bool = False
) -> Chosen:
    """Return the rows to learn from and the rows for development.

    With a protocol they are of its splits `train` and `val`. Without one, of the dataset's own splits of
    these names, or of all rows where it names no splits. Domains in `hold_out` are left out of both. Where
    there is no `val`, `dev_share` of the people of each domain are kept for it, whole families at a time.
    Boxes and landmarks, which take most of a row's memory, are kept where `faces` asks for them.

    Raises SourceError where a label is missing or a class is absent, UsageError where a domain is unknown.
    """
    name = dataset.root.resolve().name
    train, dev, of = choose_parts(dataset, config.hold_out, config.dev_share, protocol, seed)
    found: dict[str, list[Row]] = {"train": [], "development": []}
    for row, learned, watched in zip(dataset.rows(_COLUMNS), train, dev, strict=True):
        if learned or watched:
            found["train" if learned else "development"].append(_row(row, name, faces=faces))
    for part, rows in found.items():
        _refuse_one_class(part, rows, name)
    return Chosen(tuple(found["train"]), tuple(found["development"]), of)


def choose_parts(
    dataset: Dataset,
    hold_out: Sequence[str],
    dev_share: float,
    protocol: Protocol | None,
    seed: int,
    usable: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], str]:
    """Return which rows are learned from, which are watched, and in words where the latter come from.

    `usable` says which rows hold anything to learn, all where it is None: no other is in either.

    Raises UsageError where a domain of `hold_out` is unknown, or no row is to be learned from.
    """
    name = dataset.root.resolve().name
    domains = {row["domain"] for row in dataset.rows(("domain",))}
    _refuse_unknown(hold_out, domains, name)
    train, dev = _masks(dataset, protocol)
    held = np.array([row["domain"] in hold_out for row in dataset.rows(("domain",))], bool)
    if usable is not None:
        held |= ~usable
    train, dev = train & ~held, dev & ~held
    of = f"split val of {name}" if protocol is None else f"split val of {protocol.name} in {name}"
    if not dev.any() and train.any():
        share = protocol.hold_out.share if protocol and protocol.hold_out else dev_share
        dev = _held_out(dataset, train, share, protocol, seed)
        train = train & ~dev
        of = f"{100 * share:g} % of the people that {name} trains on, kept out of training"
    return train, dev, of


def refuse_unbalanced(rows: Sequence[Row], name: str, why: str) -> None:
    """Raise SourceError where a row has no domain, which `why` needs."""
    if absent := [row for row in rows if row.domain is None]:
        raise SourceError(
            f"{name}: {len(absent)} of {len(rows)} rows to train on have no domain (first "
            f"{absent[0].sample_id}), which {why} needs; give them one (facedata ingest --domain, or "
            "facedata edit), or train without: rows.balance: label, losses.risk_variance: 0"
        )


def _refuse_unknown(wanted: Sequence[str], domains: set[str | None], name: str) -> None:
    if unknown := [one for one in wanted if one not in domains]:
        there = ", ".join(sorted(map(printable, filter(None, domains)))) or "none"
        raise UsageError(f"rows.hold_out: no domain {unknown[0]!r} in {name}; its domains are {there}")


def _masks(dataset: Dataset, protocol: Protocol | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if protocol is not None:
        conditions = protocol.conditions()
        if "train" not in conditions:
            raise UsageError(f"protocol {protocol.name} names no split train; it has {', '.join(conditions)}")
        parts: dict[str, list[Any]] = {"train": [], "val": []}
        for table in dataset.tables():
            for split, masks in parts.items():
                held = np.zeros(table.num_rows, bool)
                if split in conditions:
                    held = conditions[split].mask(table).to_numpy(zero_copy_only=False).astype(bool)
                masks.append(held)
        return _joined(parts["train"]), _joined(parts["val"])
    splits = np.array([row["split"] for row in dataset.rows(("split",))], object)
    if all(one is None for one in splits):
        return np.ones(len(splits), bool), np.zeros(len(splits), bool)
    if not (splits == "train").any():
        there = ", ".join(sorted({str(one) for one in splits if one is not None}))
        raise UsageError(f"{dataset.root} has no rows of the split train; it has {there}: see facedata split")
    return splits == "train", splits == "val"


def _joined(parts: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.concatenate([*parts, np.zeros(0, bool)])


def _held_out(
    dataset: Dataset, train: NDArray[np.bool_], share: float, protocol: Protocol | None, seed: int
) -> NDArray[np.bool_]:
    """Return which rows of `train` are kept for development: people whole, of each domain and label alike."""
    hold = protocol.hold_out if protocol else None
    rows = list(dataset.rows(("domain", "label", "subject")))
    by = hold.by if hold else ("subject" if any(row["subject"] for row in rows) else "source")
    keys = Keys(by)
    for table in dataset.tables():
        keys.add_table(table)
    inside = np.flatnonzero(train)
    names = [f"{rows[number]['domain']}\0{rows[number]['label']}" for number in inside]
    strata = np.unique(np.array(names, object).astype(str), return_inverse=True)[1].astype(np.int64)
    dev = np.zeros(len(train), bool)
    dev[inside[assign(keys.groups()[inside], strata, [1 - share, share], seed) == 1]] = True
    return dev


def _row(row: dict[str, Any], name: str, *, faces: bool) -> Row:
    if row["label"] not in LABELS:
        raise SourceError(
            f"{name}: {row['sample_id']} has the label {row['label']!r}, which is not live or spoof; leave "
            'such rows out (facedata filter DS \'label in ["live", "spoof"]\') or label them (facedata edit)'
        )
    masks = [layer["ref"] for layer in row["layers"] or () if layer["name"] == "mask"]
    told = {key: row[key] for key in _COLUMNS if key not in ("layers", "split", "box", "landmarks")}
    return Row(
        **told,
        box=None if row["box"] is None or not faces else tuple(row["box"]),
        landmarks=None
        if row["landmarks"] is None or not faces
        else tuple((x, y) for x, y in row["landmarks"]),
        mask=masks[0] if masks else None,
    )


def _refuse_one_class(part: str, rows: Sequence[Row], name: str) -> None:
    spoofs = sum(row.spoof for row in rows)
    if not rows:
        raise SourceError(
            f"{name}: no rows for {part} are left; see rows.hold_out, rows.dev_share and splits"
        )
    if spoofs in (0, len(rows)):
        kind, absent = ("live", "spoof") if not spoofs else ("spoof", "live")
        raise SourceError(
            f"{name}: all {len(rows)} rows for {part} are {kind}; {part} needs {absent} ones too: merge some "
            "in (facedata merge), or split otherwise (facedata split)"
        )
