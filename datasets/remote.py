"""Object storage: what stands for a place in it, and the few things that are done there.

A place is spelled `s3://bucket/folder` or `gs://bucket/folder`. All that opens files takes paths, so a place
becomes one: a path under the folder `facedata-remote` of this machine that says where it is (`mirror_of`).
What has been fetched lies there; what has not is found through that path by anybody who looks for it, on any
machine (`remote_of`).
"""

from __future__ import annotations

import errno
import importlib.util
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from facedata.datasets.errors import StorageError, UsageError

__all__ = ["PROTOCOLS", "Remote", "Stored", "mirror_of", "remote_of", "shown", "shown_in"]

PROTOCOLS = {"s3": "s3fs", "gs": "gcsfs"}
"""What a place may begin with, and the library that knows it."""
_FOLDER = "facedata-remote"
_MIRRORED = re.compile(rf"[^\s'\"]*?/{_FOLDER}/[0-9a-z]+/({'|'.join(PROTOCOLS)})/")
_COLLAPSED = re.compile(rf"(?<![\w/])({'|'.join(PROTOCOLS)}):/(?=[^/\s])")
_HERE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}
_AT_ONCE = 32  # requests in flight: enough to hide their way there and back, few enough for a small machine


@dataclass(frozen=True, slots=True)
class Stored:
    """An object: its name relative to the place that was listed, and what changes when its bytes change."""

    name: str
    size: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Remote:
    """A place on object storage; `path` is `bucket/folder/name`, without a slash at its ends.

    All methods raise StorageError where the storage does not answer or says no, and FileNotFoundError where
    there is no such object.
    """

    protocol: str
    path: str

    def __str__(self) -> str:
        return f"{self.protocol}://{self.path}"

    def __truediv__(self, name: str) -> Remote:
        return Remote(self.protocol, f"{self.path}/{name}")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> Remote:
        """The place that this one lies in."""
        return Remote(self.protocol, self.path.rpartition("/")[0])

    @property
    def partial(self) -> Remote:
        """Where a run keeps what it needs to go on, until the dataset at this place is whole."""
        return self.parent / f".{self.name}.partial"

    def exists(self) -> bool:
        """Whether there is an object of this very name."""
        try:
            with self._answers():
                return bool(self._files().info(self.path)["type"] == "file")
        except FileNotFoundError:
            return False

    def read(self, start: int | None = None, end: int | None = None) -> bytes:
        """Return the object's bytes, or those from `start` to before `end`."""
        with self._answers():
            return bytes(self._files().cat_file(self.path, start=start, end=end))

    def open(self) -> BinaryIO:
        """Return a binary file for random access: each read of it is a request of just those bytes."""
        with self._answers():
            size = self._files().info(self.path)["size"]
        return cast(BinaryIO, _File(self, size))

    def write(self, data: bytes) -> None:
        """Write the object; it appears whole."""
        with self._answers():
            self._files().pipe_file(self.path, data)

    def create(self, data: bytes) -> bool:
        """Write the object unless there is one, and return whether it was written."""
        try:
            with self._answers():
                self._files().pipe_file(self.path, data, mode="create")
        except FileExistsError:
            return False
        return True

    def send(self, root: Path, names: Sequence[str]) -> None:
        """Write files of the folder `root` under their relative names, several at once."""
        if names:
            with self._answers():
                here, there = [str(root / name) for name in names], [f"{self.path}/{name}" for name in names]
                self._files().put(here, there, batch_size=_AT_ONCE)

    def fetch(self, names: Sequence[str], root: Path) -> None:
        """Read objects below this place into the folder `root`, several at once."""
        if names:
            for name in names:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
            with self._answers():
                there, here = [f"{self.path}/{name}" for name in names], [str(root / name) for name in names]
                self._files().get(there, here, batch_size=_AT_ONCE)

    def objects(self) -> Iterator[Stored]:
        """Yield all objects below this place, sorted by name."""
        with self._answers():
            found = self._files().find(self.path, detail=True)
        yield from sorted(self._stored(found.values()), key=lambda one: one.name)

    def children(self) -> tuple[list[Stored], list[str]]:
        """Return the objects right below this place and the names of its folders, if there are any."""
        try:
            with self._answers():
                found = self._files().ls(self.path, detail=True)
        except FileNotFoundError:
            return [], []
        files = list(self._stored(one for one in found if one["type"] == "file"))
        folders = sorted(one["name"].rpartition("/")[2] for one in found if one["type"] == "directory")
        return files, folders

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects below this place; one that is not there is no matter."""
        if names:
            with self._answers():
                self._files().rm([f"{self.path}/{name}" for name in names])

    def remove_all(self) -> None:
        """Remove everything below this place."""
        self.remove([one.name for one in self.objects()])

    def _stored(self, found: Any) -> Iterator[Stored]:
        for one in found:
            name = one["name"].removeprefix(f"{self.path}/")
            if name and name != one["name"]:
                stamp = one.get("ETag") or one.get("etag") or one.get("mtime") or one.get("LastModified")
                yield Stored(name, one["size"], f"{one['size']} {stamp}")

    def _files(self) -> Any:
        """Return the file system, which fsspec keeps; it never answers from an earlier listing."""
        import fsspec

        return fsspec.filesystem(self.protocol, use_listings_cache=False)

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Turn what the libraries raise into a line that names the place."""
        if importlib.util.find_spec(PROTOCOLS[self.protocol]) is None:
            library = PROTOCOLS[self.protocol]
            raise UsageError(f"{self} needs {library}: pip install 'facedata[{self.protocol}]'")
        try:
            yield
        except (FileNotFoundError, FileExistsError) as error:
            if "bucket does not exist" in str(error):
                raise StorageError(f"{self}: there is no such bucket; create it, or name another") from None
            raise
        except MemoryError:
            raise
        except PermissionError as error:
            raise StorageError(f"{self}: no access ({_words(error)}); see to the credentials") from None
        except Exception as error:  # each library has a tree of errors of its own
            if isinstance(error, OSError) and error.errno in _HERE:
                raise  # the disk of this machine
            raise StorageError(
                f"{self} does not answer ({_words(error)}); see to the endpoint and the credentials, and go "
                "on with --resume"
            ) from None


class _File(io.RawIOBase):
    """An object as a file; fsspec's own would raise what no reader of Parquet expects."""

    def __init__(self, remote: Remote, size: int) -> None:
        self._remote, self._size, self._at = remote, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        data = self._remote.read(self._at, end) if self._at < end else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def remote_of(path: Path | str) -> Remote | None:
    """Return the place that a path stands for, as a user spells it or in a mirror; None for a local one."""
    parts = Path(path).parts
    if parts and parts[0][:-1] in PROTOCOLS and parts[0].endswith(":"):
        return _checked(parts[0][:-1], parts[1:])
    if _FOLDER in parts:
        at = len(parts) - 1 - parts[::-1].index(_FOLDER)
        if len(parts) > at + 4 and parts[at + 2] in PROTOCOLS:
            return Remote(parts[at + 2], "/".join(parts[at + 3 :]))
    return None


def mirror_of(remote: Remote, kind: str) -> Path:
    """Return the folder of this machine that stands for a place; `kind` tells apart what is kept of it."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    home = os.environ.get("FACEDATA_REMOTE") or cache
    return Path(os.path.abspath(home), _FOLDER, kind, remote.protocol, *remote.path.split("/"))  # noqa: PTH100


def shown(path: Path | str) -> str:
    """Return a path as its user would spell it."""
    remote = remote_of(path)
    return str(path) if remote is None else str(remote)


def shown_in(text: str) -> str:
    """Return a message with every path in it as its user would spell it."""
    return _COLLAPSED.sub(r"\1://", _MIRRORED.sub(r"\1://", text))


def _checked(protocol: str, parts: Sequence[str]) -> Remote:
    if not parts or "@" in parts[0]:
        # not echoed: it may hold a key
        raise UsageError(
            f"{protocol}:// is followed by a bucket and a folder; credentials come from the environment or a "
            "file of the cloud's own tools"
        )
    path = "/".join(parts)
    if len(parts) < 2 or ".." in parts or set(path) & set("*?["):
        raise UsageError(f"{protocol}://{path}: give a folder in the bucket, {parts[0]}/NAME, no * ? [ ..")
    return Remote(protocol, path)


def _words(error: Exception) -> str:
    """Return the first line of an error; no library puts keys into it."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
