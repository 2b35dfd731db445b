"""What is true of the samples that were scored, from a dataset or from a table that stands alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.items import printable
from facedata.datasets.sample import LABELS
from facedata.datasets.tables import open_table
from facedata.datasets.versions.protocol import Protocol
from facedata.recipes.metrics.predictions import Predictions, read_predictions
from facedata.recipes.metrics.presentations import UNNAMED

__all__ = ["NO_DOMAIN", "Truth", "read_truth"]

_COLUMNS = ("sample_id", "label", "attack", "subject", "domain", "split", "operator", "variant", "source")
_STATED = ("attack", "subject", "domain", "split", "clip")
NO_DOMAIN = "no domain"


@dataclass(frozen=True)
class Truth:
    """Rows of a dataset, or of a table.

    `table` is indexed by sample id and has the columns that Presentations has but the score, and `split`.
    `dataset` is None where the truth is a table of its own.
    """

    table: pd.DataFrame
    name: str
    dataset: Dataset | None = None

    def splits(self) -> dict[str, int]:
        """Return how many rows each split has; rows without one are not counted."""
        return {str(name): int(count) for name, count in self.table["split"].value_counts().items()}

    def masks(self, protocol: Protocol) -> dict[str, NDArray[np.bool_]]:
        """Return, for each split of a protocol, which rows fit its condition."""
        if self.dataset is None:
            raise UsageError(f"--protocol needs a dataset with domains; {self.name} is a table")
        domains = set(self.table["domain"])
        if absent := [name for name in protocol.needs if name not in domains]:
            raise UsageError(
                f"protocol {protocol.name} needs rows of the domain {absent[0]!r}; {self.name} has "
                f"{', '.join(sorted(domains))}"
            )
        conditions = protocol.conditions()
        found: dict[str, list[Any]] = {name: [] for name in conditions}
        for rows in self.dataset.tables():
            for name, condition in conditions.items():
                found[name].append(condition.mask(rows).to_numpy(zero_copy_only=False).astype(bool))
        return {name: np.concatenate([*parts, np.zeros(0, bool)]) for name, parts in found.items()}


def read_truth(path: Path) -> tuple[Truth, Predictions | None]:
    """Read a dataset's folder, or a table with the columns sample_id, score and label.

    A table may say attack, subject, domain, split and clip too; its scores are the second value returned.
    """
    if path.is_file():
        return Truth(_of_table(path), path.name), read_predictions(path)
    dataset = Dataset.open(path)
    return Truth(_of_dataset(dataset), str(path), dataset), None


def _of_dataset(dataset: Dataset) -> pd.DataFrame:
    rows = []
    for row in dataset.rows(_COLUMNS):
        source = row["source"] or {}
        origin, person = source.get("dataset") or "", row["subject"]
        file = f"{origin}\0{source.get('file') or row['sample_id']}"
        # What is made of a clip is another presentation than the clip, and each variant one of its own.
        made = (row["label"], row["attack"], row["operator"], row["variant"])
        rows.append(
            {
                **{name: row[name] for name in ("sample_id", "label", "attack", "domain", "split")},
                "cluster": file if person is None else f"{origin}\0\0{person}",
                "named": person is not None,
                "clip": "\0".join([file, *map(str, made)]),
            }
        )
    columns = ["sample_id", "label", "attack", "domain", "split", "cluster", "named", "clip"]
    return _finished(pd.DataFrame(rows, columns=columns))


def _of_table(path: Path) -> pd.DataFrame:
    table = open_table(path)
    rows: list[dict[str, Any]] = []
    for found in table.rows():
        if not isinstance(found, tuple):
            raise SourceError(found.reason)
        where, cells = found
        label = cells.get("label")
        if label not in LABELS:
            raise SourceError(
                f"{where}: label {label!r} is not live or spoof; a table that stands alone says so of each "
                "sample, or give a dataset and --scores"
            )
        stated = {name: str(cells[name]) if cells.get(name) not in (None, "") else None for name in _STATED}
        if label == "live" and stated["attack"] is not None:
            raise SourceError(f"{where}: a live sample with the attack {stated['attack']!r}; mend the line")
        one, person = str(cells.get("sample_id")).strip(), stated.pop("subject")
        clip = stated["clip"] or one
        stated["clip"] = "\0".join([clip, label, *map(str, (stated["attack"], person, stated["domain"]))])
        cluster = clip if person is None else f"\0{person}"
        rows.append(
            {"sample_id": one, "label": label, **stated, "cluster": cluster, "named": person is not None}
        )
    if not rows:
        raise SourceError(f"{path.name} has no rows; it needs one for each sample that was scored")
    return _finished(pd.DataFrame(rows))


def _finished(table: pd.DataFrame) -> pd.DataFrame:
    table = table.set_index("sample_id")
    table["domain"] = table["domain"].map(lambda name: NO_DOMAIN if pd.isna(name) else printable(name))
    species = table["attack"].map(lambda name: UNNAMED if pd.isna(name) else printable(name))
    table["species"] = species.where(table["label"] == "spoof", None)
    return table.drop(columns="attack")
