"""What a user names as input: a dataset, a folder of pictures, or a list."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from facedata.datasets.dataset import Dataset, is_dataset
from facedata.datasets.engine import ItemSource
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.labels import FolderLabels, parse_label_map
from facedata.datasets.lists import LIST_SUFFIXES, list_source
from facedata.datasets.remote import Remote, remote_of
from facedata.datasets.remote_source import remote_source
from facedata.datasets.sample import LABELS
from facedata.datasets.sources import DatasetSource, folder_source

__all__ = ["Reading", "open_input", "refuse_overlap"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read an input that is no dataset yet.

    `label` is the label of pictures whose folder or list says nothing, `label_map` the meaning of the
    source's words (`live=1,spoof=0`), `name` the source dataset's name, and `domain` and `split` go into
    every row. `map` says which columns of a list are which fields (`path=filename,label=class`).
    """

    label: str | None = None
    label_map: str | None = None
    name: str | None = None
    domain: str | None = None
    split: str | None = None
    map: str | None = None
    follow_links: bool = False

    def __post_init__(self) -> None:
        if self.label is not None and self.label not in LABELS:
            raise UsageError(f"--label {self.label!r} is not live or spoof")

    def settings(self) -> dict[str, Any]:
        """Return the choices that were made, for the record."""
        chosen = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in chosen.items() if value}

    def values(self) -> dict[str, str]:
        """Return the fields that every row gets."""
        fixed = {"domain": self.domain, "split": self.split}
        return {name: value for name, value in fixed.items() if value}


def open_input(path: Path, reading: Reading, kind: str | None = None) -> ItemSource:
    """Return the source that `path` stands for; `kind` is `folder`, `list`, or None to see for oneself."""
    if kind is None and is_dataset(path):
        if stated := reading.settings():
            raise UsageError(
                f"{path} is a dataset and has its labels; leave out {', '.join(map(_flag, stated))}"
            )
        return DatasetSource(Dataset.open(path))
    if (remote := remote_of(path)) is not None:
        return _far(remote, reading, kind)
    if not path.exists():
        raise SourceError(f"{path} does not exist; give a folder of pictures, a CSV list or a dataset")
    words = parse_label_map(reading.label_map)
    if kind == "list" or (kind is None and path.suffix.lower() in LIST_SUFFIXES and path.is_file()):
        return list_source(
            path,
            words,
            default=reading.label,
            values=reading.values(),
            name=reading.name,
            columns=reading.map,
        )
    if path.is_file():
        raise SourceError(f"{path} is a file; give the folder it lies in, or a CSV list")
    if reading.map is not None:
        raise UsageError(f"{path} is a folder; --map is for the columns of a list")
    labels = FolderLabels(words, reading.label, reading.values())
    return folder_source(path, labels, name=reading.name, follow_links=reading.follow_links)


def _far(remote: Remote, reading: Reading, kind: str | None) -> ItemSource:
    if kind == "list" or PurePosixPath(remote.name).suffix.lower() in LIST_SUFFIXES:
        raise SourceError(
            f"{remote} is a list; copy it to this machine, or give a folder of pictures or a dataset"
        )
    if reading.map is not None or reading.follow_links:
        raise UsageError(f"{remote} is a folder without links; --map and --follow-links are for others")
    labels = FolderLabels(parse_label_map(reading.label_map), reading.label, reading.values())
    return remote_source(remote, labels, name=reading.name)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def refuse_overlap(source: Path, target: Path) -> None:
    """Raise UsageError where the output lies in the input, which would be read as input, or the reverse."""
    here, there = remote_of(source), remote_of(target)
    if here is not None or there is not None:
        if here is None or there is None:
            return
        inside, outside = f"{there}/", f"{here}/"
        if inside.startswith(outside) or outside.startswith(inside):
            raise UsageError(f"the output {there} and the input {here} are one place, or lie in one another")
        return
    inner, outer = Path(os.path.abspath(target)), source.resolve()  # noqa: PTH100 - the target may be a link
    if inner.resolve() == outer:
        raise UsageError(f"the output {target} is the input; choose another -o")
    if source.is_dir() and inner.resolve().is_relative_to(outer):
        raise UsageError(f"the output {target} lies in the input {source}; choose a place outside of it")
    if outer.is_relative_to(inner.resolve()):
        raise UsageError(f"the input {source} lies in the output {target}; choose another -o")
