"""Numbers taken of every picture of a dataset: each picture is decoded once, and never again.

A measure is a function from pictures to rows of numbers. What it gave is kept by the content of the picture
and the key of the measure, so that a dataset that grew by one picture costs one picture.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import FacedataError
from facedata.datasets.kept import Kept
from facedata.datasets.pictures import Picture, read_picture
from facedata.datasets.shared_out import Sharing, shared_out
from facedata.datasets.storage import read_reference

__all__ = ["Measure", "Measured", "Measuring", "measure_pictures"]

_ENOUGH = 200  # pictures: below, starting workers takes longer than the work
_CHUNK = 64  # pictures handed to a worker at once
_PRELOAD = ("facedata.datasets.measuring", "facedata.datasets.quality", "facedata.datasets.embed.plain")


class Measure(Protocol):
    """Turns pictures into rows of numbers; the same pixels and bytes give the same numbers."""

    @property
    def key(self) -> str:
        """All that decides the numbers: a name, a version, and a hash of the weights where there are any."""
        ...

    @property
    def width(self) -> int:
        """How many numbers there are of a picture."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of which type they are: of floats, a picture that could not be read has NaN; else 0."""
        ...

    @property
    def in_workers(self) -> bool:
        """Whether it is pickled to worker processes; one with a model of its own stays in this one."""
        ...

    def of(self, pictures: Sequence[Picture]) -> NDArray[Any]:
        """Return an array of pictures x width."""
        ...


@dataclass(frozen=True, slots=True)
class Measuring:
    """How to measure: nothing here changes the numbers. `cache` is the folder of what was measured before."""

    workers: int = 1
    cache: Path | None = None
    max_pixels: int = 2**40
    progress: Callable[[int, int], None] | None = None


@dataclass(slots=True)
class Measured:
    """The numbers by the measure's key, rows in the order of the pictures; why some could not be read."""

    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)


def measure_pictures(
    root: Path,
    references: Sequence[str],
    hashes: Sequence[str],
    measures: Sequence[Measure],
    measuring: Measuring,
) -> Measured:
    """Measure the pictures at `references` of the dataset at `root`, whose content hashes are `hashes`.

    Pictures of one content are measured once. One that cannot be read, or on which a worker dies, is among
    `unreadable`, and the others go on.
    """
    first, back = _distinct(hashes)
    work = _Work(root, [references[row] for row in first], [hashes[row] for row in first], measuring)
    passes = [tuple(one for one in measures if one.in_workers)]
    passes += [(one,) for one in measures if not one.in_workers]
    for together in passes:
        work.measure(together)
    found = work.found
    values = {key: array[back] if len(first) < len(back) else array for key, array in found.values.items()}
    unreadable = {
        row: found.unreadable[one] for row, one in enumerate(back.tolist()) if one in found.unreadable
    }
    return Measured(values, unreadable)


def _distinct(hashes: Sequence[str]) -> tuple[list[int], NDArray[np.int64]]:
    """Return the first row of each content, in order, and which of them each row has."""
    number: dict[str, int] = {}
    first: list[int] = []
    for row, one in enumerate(hashes):
        if one not in number:
            number[one] = len(first)
            first.append(row)
    return first, np.fromiter((number[one] for one in hashes), np.int64, len(hashes))


class _Work:
    """The pictures, each content once, and what was found of them so far."""

    def __init__(
        self, root: Path, references: Sequence[str], hashes: Sequence[str], measuring: Measuring
    ) -> None:
        self.root, self.references, self.hashes, self.measuring = root, references, hashes, measuring
        self.found = Measured()

    def measure(self, measures: tuple[Measure, ...]) -> None:
        """Take several measures in one pass over the pictures that lack one of them."""
        with contextlib.ExitStack() as stack:
            kept, absent = {}, np.zeros(len(self.hashes), bool)
            for measure in measures:
                key, blank = measure.key, np.nan if measure.dtype.kind == "f" else 0
                self.found.values[key] = np.full((len(self.hashes), measure.width), blank, measure.dtype)
                kept[key] = Kept(self.measuring.cache, key, measure.dtype, measure.width)
                stack.callback(kept[key].close)
                absent |= kept[key].fill(self.hashes, self.found.values[key])
            rows = np.flatnonzero(absent).tolist()
            done = len(self.hashes) - len(rows)
            for chunk, numbers in self._results(rows, measures):
                for key, array in numbers.numbers.items():
                    self.found.values[key][list(numbers.rows)] = array
                    kept[key].add([self.hashes[row] for row in numbers.rows], array)
                self.found.unreadable |= numbers.unreadable
                done += len(chunk.rows)
                if self.measuring.progress:
                    self.measuring.progress(done, len(self.hashes))

    def _results(self, rows: list[int], measures: tuple[Measure, ...]) -> Iterator[tuple[_Chunk, _Numbers]]:
        chunks = (
            _Chunk(
                self.root,
                tuple(rows[start : start + _CHUNK]),
                tuple(self.references[row] for row in rows[start : start + _CHUNK]),
                measures,
                self.measuring.max_pixels,
            )
            for start in range(0, len(rows), _CHUNK)
        )
        parallel = all(measure.in_workers for measure in measures)
        return shared_out(
            _SHARING, chunks, self.measuring.workers if parallel and len(rows) >= _ENOUGH else 1
        )


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Work for a worker: pictures, and what to measure of them."""

    root: Path
    rows: tuple[int, ...]
    references: tuple[str, ...]
    measures: tuple[Measure, ...]
    max_pixels: int


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What came of a chunk: the rows that could be read with their numbers, and why others could not."""

    rows: tuple[int, ...]
    numbers: Mapping[str, NDArray[Any]]
    unreadable: Mapping[int, str]


def _measure(chunk: _Chunk) -> _Numbers:
    rows, pictures, unreadable = [], [], {}
    for row, reference in zip(chunk.rows, chunk.references, strict=True):
        try:
            data = read_reference(chunk.root, reference)
            pictures.append(read_picture(data, reference, chunk.max_pixels))
            rows.append(row)
        except FacedataError as error:
            unreadable[row] = str(error)
    numbers = {measure.key: measure.of(pictures) for measure in chunk.measures} if pictures else {}
    return _Numbers(tuple(rows), numbers, unreadable)


def _one_by_one(chunk: _Chunk) -> list[_Chunk]:
    pairs = zip(chunk.rows, chunk.references, strict=True)
    return [replace(chunk, rows=(row,), references=(reference,)) for row, reference in pairs]


def _died(chunk: _Chunk) -> _Numbers:
    """Say of the one picture of a chunk that it kills workers: it is unreadable."""
    why = "a worker died on this picture (a crash in a library, or no memory)"
    pairs = zip(chunk.rows, chunk.references, strict=True)
    return _Numbers((), {}, {row: f"{reference}: {why}" for row, reference in pairs})


_SHARING = Sharing(_measure, _one_by_one, _died, _PRELOAD)
