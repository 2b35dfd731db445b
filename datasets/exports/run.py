"""`facedata export`: a dataset into a folder of some kind, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from facedata.datasets.card import CARD_NAME, card_text
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import TargetError, UsageError
from facedata.datasets.exports.base import Choices, Exporter, Picks, Progress, record_of
from facedata.datasets.exports.catalogue import find_kind
from facedata.datasets.inputs import refuse_overlap
from facedata.datasets.record import RECORD_NAME, library_versions, write_text
from facedata.datasets.remote_place import workplace
from facedata.datasets.workplace import Workplace

__all__ = ["EXPORT_NAME", "Exported", "export", "read_choices"]

EXPORT_NAME = "export.json"
"""What a finished export says of itself; a folder that holds it may be replaced by another export."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: rows by split, the version of the dataset they are from, and notes for people."""

    root: Path
    kind: str
    version: str
    rows: Mapping[str, int]
    notes: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return the same, JSON-ready."""
        return {
            "path": str(self.root),
            "kind": self.kind,
            "version": self.version,
            "rows": sum(self.rows.values()),
            "by_split": dict(self.rows),
            "notes": list(self.notes),
        }


def export(
    dataset: str | Path,
    target: Path,
    kind: str,
    *,
    splits: Sequence[str] = (),
    choices: Mapping[str, str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write the dataset's rows, or those of some `splits`, into the folder `target` as `kind` has it.

    The folder appears under its name once it is whole. Raises UsageError for choices that cannot be,
    TargetError where the target is occupied by anything else than an export, and DatasetError where a picture
    is missing or is not that of its row.
    """
    exporter = find_kind(kind)
    chosen = read_choices(exporter, choices or {})
    picks = Picks(Dataset.open(dataset), tuple(splits), progress)
    refuse_overlap(picks.dataset.root, target)
    if not picks.counts.rows:
        raise UsageError(f"{picks.dataset.root} has no rows, so there is nothing to export")
    place = workplace(target)
    with place.held():
        _check_target(place, overwrite=overwrite)
        try:
            place.tree.mkdir(parents=True)
            written = exporter.write(picks, place.tree, chosen)
            exported = Exported(place.target, kind, picks.dataset.version, written.rows, written.notes)
            card = exporter.card(picks, written, chosen)
            record = record_of(picks)
            text = card_text(record, place.target.name, front=card.front, loading=card.loading)
            write_text(place.tree / CARD_NAME, text)
            write_text(place.tree / EXPORT_NAME, _record(exported, picks, chosen))
        except OSError as error:
            place.discard()
            raise TargetError(
                f"cannot write {target}: {error.strerror or error}; free some space or check the rights of "
                "the folder, and export again"
            ) from None
        except BaseException:
            place.discard()  # a copy is not worth going on with
            raise
        place.publish(EXPORT_NAME)
    return exported


def read_choices(exporter: Exporter, given: Mapping[str, str]) -> Choices:
    """Return the choices of a kind, checked; raise UsageError naming those there are."""
    try:
        return exporter.choices.model_validate(dict(given))
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            known = ", ".join(exporter.choices.model_fields) or "none"
            raise UsageError(f"{exporter.name} has no choice {name!r}; there are: {known}") from None
        raise UsageError(f"--choose {name}={given[name]}: {problem['msg'].lower()}") from None


def _check_target(place: Workplace, *, overwrite: bool) -> None:
    target = place.target
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise TargetError(f"{target} is no folder; choose another -o")
    names = place.names()
    if RECORD_NAME in names:
        raise TargetError(f"{target} is a dataset, which no export replaces; choose another -o")
    if names:
        if EXPORT_NAME not in names:
            raise TargetError(f"{target} is a folder with other things in it; choose another -o or empty it")
        if not overwrite:
            raise TargetError(
                f"{target} already holds an export; choose another -o, or replace it with --overwrite"
            )
    if place.begun():
        raise TargetError(f"{target} was begun as a dataset and not finished; finish it or choose another -o")
    place.discard()  # left by an export that was killed: the lock is ours


def _record(exported: Exported, picks: Picks, chosen: Choices) -> str:
    values = {
        "schema_version": 1,
        "kind": exported.kind,
        "choices": chosen.model_dump(mode="json"),
        "splits": list(picks.splits) or None,
        "dataset": {"name": picks.dataset.root.resolve().name, "version": exported.version},
        "rows": sum(exported.rows.values()),
        "by_split": dict(exported.rows),
        "notes": list(exported.notes),
        "libraries": library_versions(),
    }
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"
