"""Pictures that are rows of numbers in a CSV file, as FER2013 has them; the file is read line by line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import PictureError, SourceError
from facedata.datasets.readers.text import clean

__all__ = ["PixelRow", "PixelRows", "parse_pixels", "pixel_rows"]

SIDE = 48


@dataclass(frozen=True, slots=True)
class PixelRow:
    """Row `number` of the file, from 0 below the header; `cells` are None where their count is not right."""

    number: int
    where: str
    cells: Mapping[str, str] | None


def pixel_rows(path: Path, name: str, needed: Sequence[str] = ("pixels",)) -> Iterator[PixelRow]:
    """Yield the rows of a CSV whose lines are too long to be held together; `name` is for messages.

    Column names are cleaned. Raises SourceError where the file cannot be read or lacks a column of `needed`.
    """
    header: list[str] = []
    number = 0
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
            for line, text in enumerate(file, 1):
                cells = [clean(cell) for cell in next(csv.reader([text], skipinitialspace=True), [])]
                if not any(cells):
                    continue
                if not header:
                    header = cells
                    if missing := [column for column in needed if column not in header]:
                        raise SourceError(
                            f"{name}:{line}: no column {', '.join(missing)} in {[c[:20] for c in header]}; "
                            "is it the right file?"
                        )
                    continue
                found = dict(zip(header, cells, strict=True)) if len(cells) == len(header) else None
                yield PixelRow(number, f"{name}:{line}", found)
                number += 1
    except (OSError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read ({error}); restore it") from None


def parse_pixels(text: str) -> NDArray[np.uint8]:
    """Return 48 x 48 grey values from numbers with spaces between; raise ValueError where they are none."""
    words = text.split()
    if len(words) != SIDE * SIDE:
        raise ValueError(f"{len(words)} pixels where {SIDE} x {SIDE} = {SIDE * SIDE} are expected")
    try:
        values = bytes(map(int, words))
    except ValueError:
        raise ValueError("a pixel is no whole number of 0-255") from None
    return np.frombuffer(values, np.uint8).reshape(SIDE, SIDE)


class PixelRows:
    """Such a file as a file of frames (see `frames.FrameFile`): a row's number is its frame's."""

    def __init__(self, path: Path, name: str, max_pixels: int) -> None:
        del max_pixels  # the side is fixed, and small
        self.path = path
        self.name = name

    def numbers(self) -> Sequence[int]:
        """Count the rows."""
        return range(sum(1 for _ in pixel_rows(self.path, self.name)))

    def read(
        self, wanted: Callable[[int], bool], last: int | None
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (number, 48 x 48 x 3, three times the same) of the wanted rows."""
        for row in pixel_rows(self.path, self.name):
            if last is not None and row.number > last:
                return
            if not wanted(row.number):
                continue
            try:
                grey = parse_pixels((row.cells or {}).get("pixels", ""))
            except ValueError as error:
                raise PictureError("bad-values", f"{row.where}: {error}; get a whole copy") from None
            yield row.number, np.repeat(grey[:, :, None], 3, axis=2)
