"""`facedata audit`: from a dataset on disk to the answers of its audits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facedata.curate.audit.base import Rows
from facedata.curate.audit.catalogue import find_audits
from facedata.curate.audit.engine import Answer, Settings, run_audits
from facedata.curate.audit.rows import read_rows
from facedata.datasets.dataset import Dataset

__all__ = ["Audited", "Auditing", "audit_dataset"]


@dataclass(frozen=True, slots=True)
class Auditing:
    """What is asked for: the audits by name (all where there are none), and their thresholds."""

    only: Sequence[str] = ()
    settings: Settings = field(default_factory=dict)
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True, slots=True)
class Audited:
    """A dataset, its rows with what was measured of them, and the answers."""

    dataset: Dataset
    rows: Rows
    answers: Sequence[Answer]
    about: Mapping[str, Any]


def audit_dataset(path: str | Path, auditing: Auditing) -> Audited:
    """Run audits over the dataset at `path`."""
    audits = find_audits(auditing.only)
    dataset = Dataset.open(path)
    rows = read_rows(dataset)
    answers = run_audits(rows, audits, auditing.settings, {}, auditing.progress)
    about = {"dataset": dataset.root.resolve().name, "version": dataset.version, "rows": len(rows)}
    return Audited(dataset, rows, answers, about)
