"""What a reader says, as a source for the engine: a million entries in a few hundred megabytes.

Entries are kept as columns of text and made into items when they are asked for.
"""

from __future__ import annotations

import posixpath
from array import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from facedata.datasets.canonical import canonical_json, identifier
from facedata.datasets.entries import EntryItem, Setting
from facedata.datasets.errors import SourceError
from facedata.datasets.frames import VIDEO_SUFFIXES
from facedata.datasets.items import Item, printable
from facedata.datasets.lineage import Origin
from facedata.datasets.readers.base import Entry, Note, Reader
from facedata.datasets.record import Failure
from facedata.datasets.sources import in_groups

__all__ = ["ReaderSource"]

_ROWS = 16_384  # entries in one batch of columns
_FRAMES = 32  # a video weighs as much as this many pictures, when the work is cut into shards
_Row = tuple[str, str, str, str, str]
"""File, fields and frames (JSON; empty: none), every ("y" or empty), where."""


class ReaderSource:
    """The entries of a reader. Their order plays no part: items are taken by their keys."""

    parents: Sequence[Origin] = ()

    def __init__(self, said: Iterable[Entry | Note | Failure], setting: Setting, reader: Reader) -> None:
        """Read all that `said` says; raise SourceError where it names no file at all."""
        self.notes: list[str] = []
        self.failures: list[Failure] = []
        self._setting = setting
        self._batches: list[list[pa.StringArray]] = []
        self._videos = False
        keys = self._collect(said)
        self._order, self._keys = self._without_doubles(keys)
        if not len(self._order):
            reason = f"; {self.failures[0].reason}" if self.failures else ""
            raise SourceError(
                f"{setting.root}: no picture or video of {reader.title} found{reason}; "
                f"the tree should be\n{reader.tree}"
            )

    @property
    def count(self) -> int:
        """Number of files."""
        return len(self._order)

    def shards(self, size: int) -> Iterator[tuple[str, Sequence[Item]]]:
        """Yield (prefix, items) by the prefix of the keys."""
        for prefix, numbers in in_groups(self._keys, max(1, size // _FRAMES) if self._videos else size):
            yield prefix, self._items(self._order[numbers])

    def _collect(self, said: Iterable[Entry | Note | Failure]) -> np.ndarray:
        """Keep what is said and return the 64-bit keys of the entries, in the order they came in."""
        keys = array("Q")
        rows: list[_Row] = []
        for one in said:
            if isinstance(one, Note):
                if one.text not in self.notes:
                    self.notes.append(one.text)
            elif isinstance(one, Failure):
                self.failures.append(one)
            elif (file := _inside(one.file)) is None:
                self._fail(one, "outside", "the path leads out of the dataset's folder; mend the list")
            else:
                keys.append(int(identifier("place", file)[:16], 16))
                self._videos |= posixpath.splitext(file)[1].lower() in VIDEO_SUFFIXES
                frames = "" if one.frames is None else canonical_json(one.frames)
                rows.append((file, canonical_json(one.values), frames, "y" * one.every, one.where))
                if len(rows) == _ROWS:
                    self._flush(rows)
        self._flush(rows)
        return np.frombuffer(keys, np.uint64) if keys else np.empty(0, np.uint64)

    def _flush(self, rows: list[_Row]) -> None:
        if rows:
            self._batches.append([_column(column) for column in zip(*rows, strict=True)])
            rows.clear()

    def _without_doubles(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the entries' numbers in the order of their keys, and the keys; doubles become failures."""
        order = np.argsort(keys, kind="stable").astype(np.uint32)
        ordered = keys[order]
        again = np.zeros(len(order), bool)
        again[1:] = ordered[1:] == ordered[:-1]
        for number in np.flatnonzero(again):
            first = number
            while again[first]:
                first -= 1
            (before,), (item,) = self._items(order[[first]]), self._items(order[[number]])
            if before.file != item.file:  # two names of one hash: rare, and no double
                again[number] = False
                continue
            at = f" at {before.where}" if before.where else ""
            self._fail(item, "listed-twice", f"{printable(item.file)} is named already{at}; take one off")
        kept = ~again
        return order[kept], ordered[kept]

    def _items(self, numbers: np.ndarray) -> list[EntryItem]:
        items = []
        for number in numbers.tolist():
            batch, row = self._batches[number // _ROWS], number % _ROWS
            file, fields, frames, every, where = (column[row].as_py() for column in batch)
            items.append(EntryItem(self._setting, file, fields, frames or None, bool(every), where))
        return items

    def _fail(self, entry: Entry | EntryItem, kind: str, reason: str) -> None:
        place = entry.where or entry.file
        said = reason if printable(entry.file) in reason else f"{printable(entry.file)}: {reason}"
        where = f"{entry.where}: " if entry.where else ""
        self.failures.append(Failure(place=place, kind=kind, reason=where + said))


def _column(texts: Sequence[str]) -> pa.StringArray:
    """Return texts as an array of exactly their size: Arrow's own builder leaves as much again unused."""
    encoded = [text.encode("utf-8", "backslashreplace") for text in texts]
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum([len(one) for one in encoded], out=offsets[1:])
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def _inside(file: str) -> str | None:
    """Return a path in its shortest spelling, or None where it leads out of the root.

    Plain text, not pathlib: a million paths go through here.
    """
    text = file.replace("\\", "/")
    if text.startswith("/") or text[1:2] == ":" or "\0" in text:
        return None
    short = posixpath.normpath(text)
    return None if short in (".", "..") or short.startswith("../") else short
