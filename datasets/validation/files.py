"""Files that no row knows."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pyarrow as pa

from facedata.datasets.buckets import Buckets, by_text

__all__ = ["add_files", "unknown"]

_BATCH = 16_384


def add_files(buckets: Buckets, names: Iterable[str]) -> None:
    """Put the names of files into buckets, as bytes: one need not be text."""
    batch: list[bytes] = []

    def add() -> None:
        files = pa.array(batch, pa.binary())
        buckets.add(pa.table({"file": files}), by_text(files, len(buckets)))
        batch.clear()

    for name in names:
        batch.append(os.fsencode(name))
        if len(batch) == _BATCH:
            add()
    add()


def unknown(files: pa.Table | None, references: pa.Table | None) -> list[str]:
    """Return the names among `files` of a bucket that no reference of the same bucket is to."""
    if files is None:
        return []
    referred = set() if references is None else {*references["file"].cast(pa.binary()).unique().to_pylist()}
    return [os.fsdecode(name) for name in files["file"].to_pylist() if name not in referred]
