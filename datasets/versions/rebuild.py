"""What `facedata rebuild` needs of any verb: its inputs, by version, and the first difference, named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facedata.datasets.dataset import Dataset, is_dataset
from facedata.datasets.errors import DatasetError, SourceError, UsageError
from facedata.datasets.record import Parent, Record, library_versions
from facedata.datasets.versions.diff import Diff

__all__ = ["Inputs", "first_difference"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where to look for what a dataset was made from: `given` places, then beside the dataset."""

    root: Path
    given: Sequence[Path] = ()

    def dataset(self, parent: Parent) -> Path:
        """Return the folder of a parent: a dataset of that very version.

        Raises UsageError, with the name to look for, where there is none.
        """
        others = []
        for place in self._datasets():
            try:
                version = Dataset.open(place).version
            except DatasetError:
                continue
            if version == parent.version:
                return place
            if place.name == parent.name:
                others.append(f"{place} is version {version}")
        seen = f" ({'; '.join(others[:3])})" if others else ""
        raise UsageError(
            f"it was made from {parent.name}, version {parent.version}, which was not found{seen}; give that "
            "dataset with --input"
        )

    def source(self, name: str) -> Path:
        """Return the folder or file that a dataset was read from, by its name or as the one that is given."""
        given = [path for path in self.given if path.exists() and not is_dataset(path)]
        beside = self.root.resolve().parent / name
        for path in (*given, beside):
            if path.name == name and path.exists():
                return path
        if len(given) == 1:
            return given[0]
        raise UsageError(
            f"it was read from {name!r}, which was not found; give its folder or list with --input"
        )

    def _datasets(self) -> list[Path]:
        places = []
        for path in self.given:
            if not path.exists() and not is_dataset(path):
                raise SourceError(
                    f"{path} does not exist; give the folder of a dataset, or one that holds some"
                )
            inside = [] if is_dataset(path) or not path.is_dir() else sorted(path.iterdir())
            places += [path, *inside]
        places += sorted(self.root.resolve().parent.iterdir())
        mine = self.root.resolve()
        return [path for path in places if is_dataset(path) and path.resolve() != mine]


def first_difference(record: Record, found: Diff) -> str:
    """Return in one line where a rebuilt dataset differs first: a library, then a sample and its fields.

    A library of another version is named with what it did, for it alone changes nothing.
    """
    here = library_versions()
    libraries = [
        f"{name} {version} made it, {here.get(name, 'none')} is here"
        for name, version in record.libraries.items()
        if here.get(name) != version
    ]
    why = f" ({'; '.join(libraries)})" if libraries else ""
    for kind, change in found.changes.items():
        if change.samples:
            fields = ", ".join(change.fields)
            before, after = change.examples[0]
            name = before if before == after else f"{before}, now {after}"
            return f"{change.samples} samples are {kind}, the first {name}: {fields} differ{why}"
    for kind, counts in (("missing", found.removed), ("new", found.added)):
        if counts:
            side = "removed" if kind == "missing" else "added"
            return f"{counts.total()} samples are {kind}, the first {found.examples[side][0]}{why}"
    if not found.instructions.same:
        kind, names = next(iter(found.instructions.examples.items()))
        return f"instruction records differ: the first {kind} is {names[0]}{why}"
    if record.version not in found.versions or found.same:
        return f"the rows are the same, but the record states another version: run facedata validate{why}"
    return f"no sample differs{why}"
