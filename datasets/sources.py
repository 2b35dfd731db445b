"""Where input pictures come from: a folder, a list, or a dataset."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.canonical import content_hash
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, PictureError, SourceError
from facedata.datasets.items import FileItem, Item, Loaded, place_of, printable
from facedata.datasets.labels import FolderLabels
from facedata.datasets.lineage import Origin
from facedata.datasets.pictures import SUFFIXES, read_picture, suffix_of
from facedata.datasets.record import Failure
from facedata.datasets.sample import Sample
from facedata.datasets.storage import read_reference

__all__ = ["DatasetSource", "FileSource", "by_prefix", "folder_source", "in_groups"]

_SHOWN = 3  # files that were passed over, named in a note


def _shard_bits(count: int, size: int) -> int:
    """Return how many leading bits of a key cut `count` items into groups of `size` to twice `size`."""
    return max(0, (count // size).bit_length() - 1)


def by_prefix(items: Sequence[Item], size: int) -> Iterator[tuple[str, Sequence[Item]]]:
    """Yield (prefix, items) groups of about `size`, by the leading bits of the items' keys."""
    # Eight bytes an item: a million inputs must not need a gigabyte before the first is read.
    keys = np.fromiter((int(item.key[:16], 16) for item in items), np.uint64, len(items))
    order = np.argsort(keys, kind="stable").astype(np.uint32 if len(keys) < 2**32 else np.uint64)
    keys = keys[order]
    twins = np.flatnonzero(keys[1:] == keys[:-1])
    for first in twins[np.diff(twins, prepend=-2) > 1].tolist():  # rare, but a listing's order plays no part
        same = slice(first, int(np.searchsorted(keys, keys[first], "right")))
        order[same] = sorted(order[same].tolist(), key=lambda number: items[number].place)
    for prefix, group in in_groups(keys, size):
        yield prefix, [items[number] for number in order[group].tolist()]


def in_groups(keys: NDArray[np.uint64], size: int) -> Iterator[tuple[str, slice]]:
    """Yield (prefix, slice) groups of about `size` of sorted keys, the leading 64 bits of items' keys."""
    bits = _shard_bits(len(keys), size)
    tops = keys >> np.uint64(64 - bits) if bits else np.zeros(len(keys), np.uint64)
    edges = np.flatnonzero(np.diff(tops)) + 1
    for start, stop in pairwise([0, *edges.tolist(), len(keys)]):
        if stop > start:
            yield _prefix(int(keys[start] >> np.uint64(32)), bits), slice(start, stop)


def _prefix(key: int, bits: int) -> str:
    """Return the leading bits of a key's first 32, as text."""
    return format(key >> (32 - bits), f"0{(bits + 3) // 4}x") if bits else "0"


@dataclass(frozen=True)
class FileSource:
    """Picture files or objects, listed. The listing's order plays no part: items are taken by their keys."""

    items: Sequence[Item]
    notes: Sequence[str] = ()
    failures: Sequence[Failure] = ()
    parents: Sequence[Origin] = ()

    @property
    def count(self) -> int:
        """Number of files."""
        return len(self.items)

    def shards(self, size: int) -> Iterator[tuple[str, Sequence[Item]]]:
        """Yield (prefix, items) by the prefix of the keys."""
        return by_prefix(self.items, size)


def folder_source(
    root: Path, labels: FolderLabels, *, name: str | None = None, follow_links: bool = False
) -> FileSource:
    """List the pictures under `root`, at any depth, by their file name endings.

    Hidden files and files of other endings are counted in the notes; folders that cannot be read and links
    that lead out are failures. Raises SourceError where there is no such folder or no picture in it.
    """
    if not root.is_dir():
        raise SourceError(f"{root} is no folder; give a folder of pictures, a CSV list or a dataset")
    listing = _Listing(root, follow_links)
    listing.walk()
    if not listing.found:
        reason = f"; {listing.failures[0].reason}" if listing.failures else ""
        raise SourceError(f"{root} holds no pictures ({', '.join(sorted(SUFFIXES))}){reason}")
    items = _FolderItems(str(root), listing.found, labels, follow_links, name)
    notes = labels.notes(map(place_of, listing.found))
    if listing.others:
        shown = [printable(place_of(path)) for path in listing.shown] + ["..."] * (listing.others > _SHOWN)
        notes.append(f"passed over, no picture by name: {listing.others} ({', '.join(shown)})")
    return FileSource(items, notes, sorted(listing.failures, key=lambda failure: failure.place))


@dataclass(frozen=True)
class _FolderItems(Sequence[FileItem]):
    """The items of a folder, made from their paths when they are asked for."""

    root: str
    paths: _Paths
    labels: FolderLabels
    follow_links: bool
    name: str | None

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, number: int) -> FileItem: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[FileItem]: ...

    def __getitem__(self, number: int | slice) -> FileItem | Sequence[FileItem]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        return FileItem(self.root, self.paths[number], self.labels, self.follow_links, self.name)


class _Paths:
    """Paths end to end in one buffer: a million take a fifth of what as many `str` would."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])

    def append(self, path: str) -> None:
        self._bytes += os.fsencode(path)
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        number = range(len(self))[number]  # IndexError, which ends a loop over a sequence
        start, end = self._ends[number : number + 2]
        return os.fsdecode(bytes(self._bytes[start:end]))

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))


class _Listing:
    """The files under a folder: pictures, others, and what could not be listed."""

    def __init__(self, root: Path, follow_links: bool) -> None:
        self.root = root
        self.follow_links = follow_links
        self.found = _Paths()
        self.others = 0
        self.shown: list[str] = []
        """The first of the others."""
        self.failures: list[Failure] = []

    def walk(self) -> None:
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            path = os.path.join(self.root, folder)  # noqa: PTH118 - of each folder and file, and Path is slow
            if self.follow_links and _loops(path, self.root):
                continue
            try:
                with os.scandir(path) as entries:  # streamed: one folder may hold a million files
                    for entry in entries:
                        self._take(entry, f"{folder}{os.sep}{entry.name}" if folder else entry.name, waiting)
            except OSError as error:
                self._fail(
                    folder or ".", "unreadable", f"cannot be read ({error.strerror}); check its rights"
                )

    def _take(self, entry: os.DirEntry[str], path: str, waiting: list[str]) -> None:
        hidden = entry.name.startswith(".")
        if _is_folder(entry):
            if not hidden and entry.is_symlink() and not self.follow_links:
                self._fail(path, "link", "a link is not followed; pass --follow-links")
            elif not hidden:
                waiting.append(path)
        elif not hidden and os.path.splitext(entry.name)[1].lower() in SUFFIXES:  # noqa: PTH122 - as above
            self.found.append(path)
        else:
            self.others += 1
            if len(self.shown) < _SHOWN or path < self.shown[-1]:
                self.shown = sorted([*self.shown, path])[:_SHOWN]

    def _fail(self, path: str, kind: str, reason: str) -> None:
        place = place_of(path)
        self.failures.append(Failure(place=place, kind=kind, reason=f"{printable(place)}: {reason}"))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _loops(folder: str, root: Path) -> bool:
    """Whether following links has come back to a folder that this one lies in."""
    real = os.path.realpath(folder)
    above = Path(folder).parent
    while above != root.parent and above != above.parent:
        if os.path.realpath(above) == real:
            return True
        above = above.parent
    return False


@dataclass(frozen=True, slots=True)
class RowItem:
    """A sample of a dataset."""

    root: str
    version: str
    sample: Sample

    @property
    def key(self) -> str:
        """The sample's id."""
        return self.sample.sample_id

    @property
    def place(self) -> str:
        """The sample's id."""
        return self.sample.sample_id

    def stamp(self) -> str:
        """Return the dataset's version, which covers every row and picture."""
        return self.version

    def load(self, max_pixels: int) -> Iterator[Loaded | Failure]:
        """Yield the sample: its picture and its layers, checked to be those of the row."""
        data = self._read(self.sample.image, self.sample.content_hash)
        layers = {layer.name: self._read(layer.ref, layer.content_hash) for layer in self.sample.layers}
        name = self.sample.sample_id
        suffix = suffix_of(data)
        yield Loaded(self.sample, data, suffix, lambda: read_picture(data, name, max_pixels).pixels, layers)

    def _read(self, reference: str, expected: str) -> bytes:
        try:
            data = read_reference(Path(self.root), reference)
        except DatasetError as error:
            raise PictureError("missing", str(error)) from None
        if content_hash(data) != expected:
            raise PictureError(
                "changed", f"{self.sample.sample_id}: {reference} is not the picture of its row; restore it"
            )
        return data


@dataclass(frozen=True)
class DatasetSource:
    """The samples of a dataset, streamed."""

    dataset: Dataset
    notes: Sequence[str] = ()
    failures: Sequence[Failure] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.dataset)

    @property
    def parents(self) -> Sequence[Origin]:
        """The dataset itself."""
        return (Origin.of(self.dataset),)

    def shards(self, size: int) -> Iterator[tuple[str, Sequence[Item]]]:
        """Yield (prefix, items): rows are sorted by id, so a prefix is a run of rows."""
        bits = _shard_bits(self.count, size)
        root, version = str(self.dataset.root.resolve()), self.dataset.version
        for prefix, group in groupby(
            self.dataset, key=lambda sample: _prefix(int(sample.sample_id[:8], 16), bits)
        ):
            yield prefix, [RowItem(root, version, sample) for sample in group]
