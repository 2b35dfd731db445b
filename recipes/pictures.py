"""Pictures of a dataset as a network takes them: square, of one size, decoded by threads, kept in memory.

Threads are enough: decoding and resizing leave Python's lock, and nothing is forked after torch has started
its own threads. How much is kept is fixed when a run begins, so memory does not grow with the dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError
from facedata.datasets.pictures import read_picture

__all__ = ["Shelf", "ahead", "squared"]

T = TypeVar("T")


def squared(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the middle square of a picture, uint8 height x width (x 3), at `side` px."""
    height, width = pixels.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    square = pixels[top : top + least, left : left + least]
    how = cv2.INTER_AREA if least > side else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(square, (side, side), interpolation=how), np.uint8)


class Shelf:
    """Pictures of a dataset by number: the first that fit into `memory` MiB are kept once decoded."""

    def __init__(self, dataset: Dataset, references: Sequence[str], side: int, memory: int) -> None:
        self._dataset, self._references, self._side = dataset, references, side
        room = (memory << 20) // (side * side * 3)
        self._kept = np.zeros((min(room, len(references)), side, side, 3), np.uint8)
        self._there = np.zeros(len(self._kept), bool)

    def get(self, numbers: Sequence[int]) -> NDArray[np.uint8]:
        """Return n x side x side x 3 pixels; raise SourceError where one cannot be read."""
        return np.stack([self._one(number) for number in numbers])

    def _one(self, number: int) -> NDArray[np.uint8]:
        if number < len(self._kept) and self._there[number]:
            kept: NDArray[np.uint8] = self._kept[number]
            return kept
        made = self._decode(self._references[number])
        if number < len(self._kept):
            self._kept[number] = made
            self._there[number] = True  # last: another thread may look at any time
        return made

    def _decode(self, reference: str) -> NDArray[np.uint8]:
        try:
            return squared(read_picture(self._dataset.read(reference), reference).pixels, self._side)
        except SourceError as error:
            raise SourceError(f"{error}; run facedata validate {self._dataset.root}") from None


def ahead(make: Callable[[int], T], numbers: Sequence[int], workers: int) -> Generator[T, None, None]:
    """Yield `make(number)` of each number, in their order, made ahead by `workers` threads."""
    window = workers + 2  # one being learned from, one ready
    with ThreadPoolExecutor(workers, "facedata-pictures") as pool:
        waiting = [pool.submit(make, number) for number in numbers[:window]]
        try:
            for place in range(len(numbers)):
                made = waiting.pop(0).result()
                if place + window < len(numbers):
                    waiting.append(pool.submit(make, numbers[place + window]))
                yield made
        finally:
            for one in waiting:
                one.cancel()
