"""A folder of pictures on object storage as input: listed once, each read where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from facedata.datasets.canonical import identifier
from facedata.datasets.errors import PictureError, SourceError
from facedata.datasets.items import Loaded, check_size, ingested, printable
from facedata.datasets.labels import FolderLabels
from facedata.datasets.pictures import SUFFIXES
from facedata.datasets.record import Failure
from facedata.datasets.remote import Remote, Stored
from facedata.datasets.sources import FileSource

__all__ = ["remote_source"]


@dataclass(frozen=True, slots=True)
class RemoteItem:
    """A picture on object storage, as its folder's listing has it."""

    remote: Remote
    stored: Stored
    labels: FolderLabels
    dataset: str | None

    @property
    def key(self) -> str:
        """Key of the shard: a hash of the place, as for a file of that name."""
        return identifier("place", self.place)

    @property
    def place(self) -> str:
        """Name relative to the source's place."""
        return self.stored.name

    def stamp(self) -> str:
        """Return what the storage said of the object."""
        return self.stored.stamp

    def load(self, max_pixels: int) -> Iterator[Loaded | Failure]:
        """Yield the one picture that the object is."""
        name = printable(self.place)
        check_size(self.stored.size, name, 8 * max_pixels)
        try:
            data = (self.remote / self.place).read()
        except FileNotFoundError:
            raise PictureError("missing", f"{name}: no such object any more; restore it") from None
        yield ingested(data, self.place, self.labels(self.place), self.dataset, max_pixels)


def remote_source(remote: Remote, labels: FolderLabels, *, name: str | None = None) -> FileSource:
    """List the pictures below a place, at any depth, by their names' endings; rows are those of a folder.

    Raises SourceError where there are none. A listing takes about a kilobyte of memory an object.
    """
    found = [one for one in remote.objects() if not _hidden(one.name)]
    pictures = [one for one in found if PurePosixPath(one.name).suffix.lower() in SUFFIXES]
    if not pictures:
        raise SourceError(f"{remote} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    notes = labels.notes(one.name for one in pictures)
    if other := [one.name for one in found if PurePosixPath(one.name).suffix.lower() not in SUFFIXES]:
        shown = ", ".join(map(printable, other[:3])) + (", ..." if other[3:] else "")
        notes.append(f"passed over, no picture by name: {len(other)} ({shown})")
    return FileSource([RemoteItem(remote, one, labels, name) for one in pictures], notes)


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)
