"""The tables of a dataset on object storage, at hand on this machine.

Record, rows, instruction records, card and sheet are fetched when a dataset is opened, and stay; pictures are
read where they lie, one by one (storage.py). A mirror's folder is named by what the storage says of these
files, so a dataset that was written anew has another, and two processes never see half of one.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from facedata.datasets.canonical import identifier
from facedata.datasets.errors import DatasetError, StorageError
from facedata.datasets.record import RECORD_NAME
from facedata.datasets.remote import Remote, Stored, mirror_of, remote_of
from facedata.datasets.storage import PICTURE_FOLDERS, checked_name

__all__ = ["at_hand"]

_ATTEMPTS = 3


def at_hand(path: Path) -> Path:
    """Return the folder where a dataset's tables lie on this machine: `path` itself unless it is a place.

    Raises DatasetError where the place holds no dataset, and StorageError where the storage does not answer.
    """
    remote = remote_of(path)
    if remote is None or (path / RECORD_NAME).is_file():
        return path
    for _ in range(_ATTEMPTS):
        found = _tables(remote)
        if not any(one.name == RECORD_NAME for one in found):
            raise DatasetError(
                f"{remote} is not a facedata dataset: it has no {RECORD_NAME}; make one with facedata ingest"
            )
        mirror = mirror_of(remote, identifier([(one.name, one.stamp) for one in found])[:16])
        if mirror.is_dir() or _fetched(remote, found, mirror):
            return mirror
    raise StorageError(f"{remote} is being written at this moment; wait for that, and try again")


def _tables(remote: Remote) -> list[Stored]:
    """Return all objects of a dataset but its pictures."""
    files, folders = remote.children()
    for folder in folders:
        if folder not in PICTURE_FOLDERS and not folder.startswith("."):
            inside = (remote / folder).objects()
            files += [Stored(f"{folder}/{one.name}", one.size, one.stamp) for one in inside]
    return sorted(files, key=lambda one: one.name)


def _fetched(remote: Remote, tables: list[Stored], mirror: Path) -> bool:
    """Fetch the tables, and return whether they were let alone meanwhile; the folder appears whole."""
    work = mirror.with_name(f".{mirror.name}.{uuid.uuid4().hex}")
    try:
        work.mkdir(parents=True)
        try:
            remote.fetch([checked_name(one.name) for one in tables], work)
        except FileNotFoundError:
            return False
        if _tables(remote) != tables:
            return False
        try:
            os.rename(work, mirror)  # noqa: PTH104 - another process may have been first: same files
        except OSError:
            if not mirror.is_dir():
                raise
        return True
    except OSError as error:
        raise StorageError(
            f"cannot write to {error.filename or mirror}: {error.strerror or error}; free some space, or "
            "name another folder in FACEDATA_REMOTE"
        ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
