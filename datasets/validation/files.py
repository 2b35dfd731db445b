"""Files that no row knows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from facedata.datasets.buckets import Buckets, by_text

__all__ = ["files_in", "unknown"]

_BATCH = 16_384


def files_in(root: Path, buckets: Buckets, known: frozenset[str]) -> None:
    """Put the names of all files under `root` into buckets, as bytes, but those that are `known`."""
    batch: list[bytes] = []

    def add() -> None:
        names = pa.array(batch, pa.binary())
        buckets.add(pa.table({"file": names}), by_text(names, len(buckets)))
        batch.clear()

    for name in _names(root, ""):
        if name not in known:
            batch.append(os.fsencode(name))
        if len(batch) == _BATCH:
            add()
    add()


def _names(root: Path, folder: str) -> Iterator[str]:
    """Yield the names of files relative to `root`; links to folders are not followed."""
    try:
        with os.scandir(root / folder) as entries:  # streamed: one folder may hold a million
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    yield from _names(root, name)
                elif os.path.isfile(entry.path):  # noqa: PTH113 - false for a link to itself, and no Path each
                    yield name
    except PermissionError:
        return  # what cannot be listed is missing where a row needs it


def unknown(files: pa.Table | None, references: pa.Table | None) -> list[str]:
    """Return the names among `files` of a bucket that no reference of the same bucket is to."""
    if files is None:
        return []
    referred = set() if references is None else {*references["file"].cast(pa.binary()).unique().to_pylist()}
    return [os.fsdecode(name) for name in files["file"].to_pylist() if name not in referred]
