"""Shards: named by their content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from facedata.datasets.errors import DatasetError, FacedataError
from facedata.datasets.shared_out import Sharing
from facedata.datasets.storage import shard_hashes, shard_name
from facedata.datasets.validation.finding import Finding

__all__ = ["SHARDS", "Shards"]

Shards = tuple[Path, Sequence[str]]
"""A dataset's folder, and names in it."""


def _look(shards: Shards) -> list[Finding]:
    root, names = shards
    return [finding for name in names if (finding := _of_shard(root, name)) is not None]


def _of_shard(root: Path, name: str) -> Finding | None:
    try:
        hashes = shard_hashes(root, name)
    except (OSError, ValueError, KeyError, DatasetError, pa.ArrowException) as error:
        message = f"{name} cannot be read ({error}); restore it or make the dataset again"
        return Finding("shard", message)
    if shard_name(hashes) != name:
        return Finding("shard", f"{name} is not named by its content; restore it or make the dataset again")
    return None


def _one_by_one(shards: Shards) -> Sequence[Shards]:
    root, names = shards
    return [(root, [name]) for name in names]


def _died(shards: Shards) -> list[Finding]:
    raise FacedataError(f"a worker died on {shards[1][0]}, twice; is there enough memory?")


SHARDS = Sharing(_look, _one_by_one, _died, (__name__,))
