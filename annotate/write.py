"""Finished records on disk: a folder with `instructions.parquet`, sorted by record id, renamed into place."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from facedata.annotate.run import Tally
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, Result
from facedata.datasets.errors import TargetError
from facedata.datasets.instructions import INSTRUCTIONS_NAME, SCHEMA, Record, to_table

__all__ = ["check_target", "write_annotated"]

_GROUP = 1024


def check_target(target: Path, options: Options) -> None:
    """Raise TargetError where the target is occupied: before anything is asked and paid for."""
    if target.exists() and not options.overwrite and (not target.is_dir() or any(target.iterdir())):
        raise TargetError(f"{target} exists already; choose another -o, or replace it with --overwrite")


def write_annotated(
    dataset: Dataset,
    records: Iterable[Record],
    target: Path,
    settings: Mapping[str, Any],
    seed: int,
    options: Options,
    tally: Tally,
) -> Result:
    """Write `records`, sorted by id, as the dataset `target`."""
    del settings, seed, tally
    check_target(target, options)
    work = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        work.mkdir(parents=True)
        with pq.ParquetWriter(work / INSTRUCTIONS_NAME, SCHEMA, compression="zstd") as writer:
            for group in _groups(records):
                writer.write_table(to_table(group))
        if target.exists():
            shutil.rmtree(target)
        work.rename(target)
    except OSError as error:
        shutil.rmtree(work, ignore_errors=True)
        raise TargetError(f"cannot write to {target}: {error.strerror or error}; choose another -o") from None
    return Result(dataset.record, target)


def _groups(records: Iterable[Record]) -> Iterator[list[Record]]:
    waiting = iter(records)
    while group := list(itertools.islice(waiting, _GROUP)):
        yield group
