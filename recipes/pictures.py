"""Pictures of a dataset as a network takes them: square, of one size, decoded by threads, kept in memory.

Threads are enough: decoding and resizing leave Python's lock, and nothing is forked after torch has started
its own threads. How much is kept is fixed when a run begins, so memory does not grow with the dataset.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError
from facedata.datasets.pictures import middle_square, read_picture, square_window

__all__ = ["Shelf"]


class Shelf:
    """Pictures of a dataset by number: the first that fit into `memory` MiB are kept once decoded.

    Of each the middle square is seen, or its own of `windows`: left, top and side, px.
    """

    def __init__(
        self,
        dataset: Dataset,
        references: Sequence[str],
        side: int,
        memory: int,
        windows: Sequence[tuple[int, int, int]] | None = None,
    ) -> None:
        self._dataset, self._references, self._side = dataset, references, side
        self._windows = windows
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
        made = self._decode(number)
        if number < len(self._kept):
            self._kept[number] = made
            self._there[number] = True  # last: another thread may look at any time
        return made

    def _decode(self, number: int) -> NDArray[np.uint8]:
        reference = self._references[number]
        try:
            picture = read_picture(self._dataset.read(reference), reference)
        except SourceError as error:
            raise SourceError(f"{error}; run facedata validate {self._dataset.root}") from None
        if self._windows is None:
            return middle_square(picture.pixels, self._side, enlarge=cv2.INTER_LINEAR)
        return square_window(picture.pixels, *self._windows[number], self._side, enlarge=cv2.INTER_LINEAR)
