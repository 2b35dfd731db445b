"""Where encoded bytes lie: a file each (`files`), or rows of Parquet shards (`shards`).

A reference is a path relative to the dataset's root, `images/live/ada-1f0c.jpg`, or a row of a shard,
`shards/5e884898.parquet#17`. Shards are immutable and named by their content. What does not lie under the
root lies, where that is the mirror of a place on object storage, there.
"""

from __future__ import annotations

import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from facedata.datasets.canonical import content_hash, identifier
from facedata.datasets.conform import open_shard
from facedata.datasets.errors import DatasetError
from facedata.datasets.parquet import ParquetFile
from facedata.datasets.reading import read_bytes, steadily
from facedata.datasets.remote import Remote, remote_of, shown

__all__ = [
    "LAYOUTS",
    "PICTURE_FOLDERS",
    "ShardsWriter",
    "Writer",
    "checked_name",
    "is_stored",
    "open_writer",
    "read_reference",
    "shard_at_hand",
    "shard_hashes",
    "shard_name",
    "slug",
    "stored_names",
]

LAYOUTS = ("files", "shards")
PICTURE_FOLDERS = ("images", "layers", "shards")
"""Where a dataset's encoded bytes lie; everything else in it is text, tables and a sheet."""
SHARD_BYTES = 64 << 20
"""A shard is closed once it holds this many bytes of pictures: 64 MiB, a size that hubs and DVC move well."""
_GROUP_BYTES = 1 << 20  # a random read decodes one row group

_SHARD_SCHEMA = pa.schema([("content_hash", pa.string()), ("bytes", pa.binary())])


@lru_cache(maxsize=4096)
def slug(text: str, length: int = 40) -> str:
    """Return a readable file name stem of ASCII letters, digits, `-` and `_`."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")
    return plain[:length].strip("-") or "picture"


class Writer(ABC):
    """Stores encoded bytes under a folder; a reference is known once `close` was called."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @abstractmethod
    def put(self, data: bytes, name: str) -> str:
        """Store `data` and return a reference or a ticket; `name` is a path that a person could read."""

    @abstractmethod
    def close(self) -> dict[str, str]:
        """Finish, and return what each ticket became; a reference that `put` returned may be absent."""


class FilesWriter(Writer):
    """One file a picture, under the name that was asked for."""

    def put(self, data: bytes, name: str) -> str:
        """Write the file and return its name, which is its reference."""
        path = f"{self.root}/{name}"
        try:
            file = open(path, "xb")  # noqa: PTH123,SIM115 - once a picture: pathlib doubles the cost
        except FileNotFoundError:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "xb")  # noqa: PTH123,SIM115
        except FileExistsError:
            # A variant made again of a dataset that holds it already: one sample, which is told later.
            if Path(path).read_bytes() == data:
                return name
            raise
        with file:
            file.write(data)
        return name

    def close(self) -> dict[str, str]:
        """Return nothing: every reference was final."""
        return {}


class ShardsWriter(Writer):
    """Parquet shards of bounded size, written row group by row group, so memory stays flat."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._references: dict[str, str] = {}
        self._pending: list[tuple[str, str, bytes]] = []
        self._written: list[tuple[str, str]] = []
        self._bytes = self._group = 0
        self._file: pq.ParquetWriter | None = None

    def put(self, data: bytes, name: str) -> str:
        """Add the bytes to the open shard and return a ticket, which is the name."""
        self._pending.append((name, content_hash(data), data))
        self._bytes += len(data)
        self._group += len(data)
        if self._group >= _GROUP_BYTES:
            self._flush()
        if self._bytes >= SHARD_BYTES:
            self._finish()
        return name

    def close(self) -> dict[str, str]:
        """Finish the last shard and return the reference of every ticket."""
        self._finish()
        return self._references

    def take(self) -> dict[str, str]:
        """Return the references that are final so far, and forget them."""
        taken, self._references = self._references, {}
        return taken

    def _flush(self) -> None:
        if not self._pending:
            return
        if self._file is None:
            (self.root / "shards").mkdir(parents=True, exist_ok=True)
            # Pictures are compressed already: a second pass over them costs time and saves nothing.
            self._file = pq.ParquetWriter(
                self.root / "shards" / "open", _SHARD_SCHEMA, compression="none", use_dictionary=False
            )
        table = pa.table(
            {
                "content_hash": [hashed for _, hashed, _ in self._pending],
                "bytes": [data for _, _, data in self._pending],
            },
            schema=_SHARD_SCHEMA,
        )
        self._file.write_table(table, row_group_size=len(self._pending))
        self._written += [(ticket, hashed) for ticket, hashed, _ in self._pending]
        self._pending, self._group = [], 0

    def _finish(self) -> None:
        self._flush()
        if self._file is None:
            return
        self._file.close()
        name = shard_name([hashed for _, hashed in self._written])
        (self.root / "shards" / "open").replace(self.root / name)
        for row, (ticket, _) in enumerate(self._written):
            self._references[ticket] = f"{name}#{row}"
        self._file, self._written, self._bytes = None, [], 0


def shard_name(content_hashes: list[str]) -> str:
    """Return a shard's path from the content hashes of its rows, in order."""
    return f"shards/{identifier('shard', content_hashes)}.parquet"


def open_writer(layout: str, root: Path) -> Writer:
    """Return the writer of a layout."""
    return FilesWriter(root) if layout == "files" else ShardsWriter(root)


def read_reference(root: Path, reference: str) -> bytes:
    """Return the bytes that a reference points to, or raise DatasetError; it never reads outside `root`."""
    name, _, row = (reference or "").partition("#")  # a row may say null
    path = root / checked_name(name)
    try:
        try:
            if row:
                return steadily(partial(_read_shard_row, path, int(row)), path)
            if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device might never end
                raise OSError("it is not a regular file")
            return read_bytes(path)
        except FileNotFoundError:
            if (remote := remote_of(path)) is None:
                raise
            return _row_of(remote, None, int(row)) if row else remote.read()
    except FileNotFoundError:
        raise DatasetError(f"{shown(path)} is missing; restore it or make the dataset again") from None
    except (OSError, ValueError, TypeError, LookupError, pa.ArrowException) as error:
        raise DatasetError(
            f"{reference} in {shown(root)} cannot be read ({error}); restore the file or make it again"
        ) from None


def checked_name(name: str) -> str:
    """Return the name of a file in a dataset, or raise DatasetError where it leads out of it."""
    pure = PurePosixPath(name or "")
    if not name or "\0" in name or pure.is_absolute() or ".." in pure.parts:
        raise DatasetError(f"reference {name!r} points outside the dataset; make the dataset again")
    return name


def is_stored(root: Path, reference: str) -> bool:
    """Whether there is a file, or an object, that a reference points into; it may be damaged."""
    path = root / checked_name(reference.partition("#")[0])
    return path.is_file() or _is_far(path)


def stored_names(root: Path) -> Iterator[str]:
    """Yield the name of every file of a dataset, wherever it lies, in no order; there may be millions."""
    remote = remote_of(root)
    if remote is not None:
        return (one.name for one in remote.objects())
    return _names_in(root, "")


def _names_in(root: Path, folder: str) -> Iterator[str]:
    """Yield the names of the files in a folder; links to folders are not followed."""
    try:
        with os.scandir(root / folder) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    yield from _names_in(root, name)
                elif os.path.isfile(entry.path):  # noqa: PTH113 - false for a link to itself, and no Path each
                    yield name
    except PermissionError:
        return  # what lies there is missing for whoever needs it


def shard_hashes(root: Path, name: str) -> list[str]:
    """Return the content hashes that a shard states of its pictures, in order."""
    path = root / name
    remote = None if path.exists() else remote_of(path)
    with open_shard(path, None if remote is None else remote.open()) as file:
        hashes: list[str] = file.read(["content_hash"])["content_hash"].to_pylist()
    return hashes


@lru_cache(maxsize=1024)  # many references lead into one shard
def _is_far(path: Path) -> bool:
    remote = remote_of(path)
    return remote is not None and remote.exists()


@contextmanager
def shard_at_hand(root: Path, name: str) -> Iterator[Path]:
    """Give the path of a shard on a disk: where it lies, or a copy that goes afterwards."""
    path = root / checked_name(name)
    remote = None if path.exists() else remote_of(path)
    if remote is None:
        yield path
        return
    with TemporaryDirectory(prefix="facedata-") as folder:
        remote.parent.fetch([path.name], Path(folder))
        yield Path(folder, path.name)


@lru_cache(maxsize=4)
def _open_shard(place: Path | Remote, stamp: tuple[int, int] | None) -> tuple[ParquetFile, list[int]]:
    del stamp  # part of the key only: a file that was replaced is opened anew
    file = open_shard(place, place.open()) if isinstance(place, Remote) else open_shard(place)
    ends, total = [], 0
    for group in range(file.num_row_groups):
        total += file.metadata.row_group(group).num_rows
        ends.append(total)
    return file, ends


@lru_cache(maxsize=2)
def _row_group(place: Path | Remote, stamp: tuple[int, int] | None, group: int) -> pa.Table:
    return _open_shard(place, stamp)[0].read_row_group(group, columns=["bytes"])


def _read_shard_row(path: Path, row: int) -> bytes:
    found = path.stat()
    return _row_of(path, (found.st_size, found.st_mtime_ns), row)


def _row_of(place: Path | Remote, stamp: tuple[int, int] | None, row: int) -> bytes:
    _, ends = _open_shard(place, stamp)
    if not 0 <= row < (ends[-1] if ends else 0):
        raise IndexError(f"the shard has {ends[-1] if ends else 0} rows, no row {row}")
    group = next(i for i, end in enumerate(ends) if row < end)
    start = ends[group - 1] if group else 0
    return bytes(_row_group(place, stamp, group)["bytes"][row - start].as_py())
