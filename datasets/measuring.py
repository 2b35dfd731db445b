"""Numbers taken of every picture of a dataset: each picture is decoded once, and never again.

A measure is a function from pictures to rows of numbers. What it gave is kept by the content of the picture
and the key of the measure, so that a dataset that grew by one picture costs one picture.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import FacedataError
from facedata.datasets.kept import Kept
from facedata.datasets.pictures import Picture, read_picture
from facedata.datasets.pool import try_a_worker, worker_pool
from facedata.datasets.storage import read_reference

__all__ = ["Measure", "Measured", "Measuring", "measure_pictures"]

_ENOUGH = 200  # pictures: below, starting workers takes longer than the work
_CHUNK = 64  # pictures handed to a worker at once
_WINDOW = 3  # chunks in hand per worker
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
        if parallel and self.measuring.workers > 1 and len(rows) >= _ENOUGH:
            return _in_workers(chunks, self.measuring.workers)
        return ((chunk, _measure(chunk)) for chunk in chunks)


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


def _in_workers(chunks: Iterator[_Chunk], workers: int) -> Iterator[tuple[_Chunk, _Numbers]]:
    """Yield what worker processes find; where one dies, its chunk is tried picture by picture."""
    try_a_worker(_PRELOAD)
    while True:
        in_hand: dict[Future[_Numbers], _Chunk] = {}
        pool = worker_pool(workers, _PRELOAD)
        try:
            while True:
                while len(in_hand) < _WINDOW * workers and (chunk := next(chunks, None)) is not None:
                    in_hand[_submitted(pool, chunk)] = chunk
                if not in_hand:
                    return
                for future in wait(in_hand, return_when=FIRST_COMPLETED).done:
                    numbers = future.result()  # raises before the chunk is dropped, so that it is retried
                    yield in_hand.pop(future), numbers
        except BrokenProcessPool:
            pass
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        for future, chunk in in_hand.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                yield chunk, future.result()
            else:
                yield from _one_by_one(chunk)


def _submitted(pool: ProcessPoolExecutor, chunk: _Chunk) -> Future[_Numbers]:
    try:
        return pool.submit(_measure, chunk)
    except BrokenProcessPool as error:
        broken: Future[_Numbers] = Future()
        broken.set_exception(error)  # met again where results are waited for
        return broken


def _one_by_one(chunk: _Chunk) -> Iterator[tuple[_Chunk, _Numbers]]:
    """Measure a chunk on which a worker died; the picture that kills it is unreadable."""
    pool = worker_pool(1, _PRELOAD)
    try:
        for row, reference in zip(chunk.rows, chunk.references, strict=True):
            one = replace(chunk, rows=(row,), references=(reference,))
            try:
                yield one, pool.submit(_measure, one).result()
            except BrokenProcessPool:
                reason = f"{reference}: a worker died on this picture (a crash in a library, or no memory)"
                yield one, _Numbers((), {}, {row: reason})
                pool.shutdown()
                pool = worker_pool(1, _PRELOAD)
    finally:
        pool.shutdown(cancel_futures=True)
