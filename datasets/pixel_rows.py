"""Pictures that are rows of numbers in a CSV file, as FER2013 has them, as a file of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import PictureError
from facedata.datasets.readers.streams import streamed
from facedata.datasets.record import Failure

__all__ = ["PixelRows", "parse_pixels"]

SIDE = 48


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
    """Such a file as `frames.FrameFile` describes: a row, from 0 below the header, is a frame."""

    apart = True

    def __init__(self, path: Path, name: str, max_pixels: int) -> None:
        del max_pixels  # the side is fixed, and small
        self.path = path
        self.name = name

    def numbers(self) -> Sequence[int]:
        """Count the rows."""
        return range(sum(1 for _ in streamed(self.path, self.name)))

    def read(
        self, wanted: Callable[[int], bool], last: int | None
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (number, 48 x 48 x 3, three times the same) of the wanted rows."""
        for number, row in enumerate(streamed(self.path, self.name, ["pixels"])):
            if last is not None and number > last:
                return
            if not wanted(number):
                continue
            if isinstance(row, Failure):
                raise PictureError("bad-values", row.reason)
            try:
                grey = parse_pixels(row["pixels"])
            except ValueError as error:
                raise PictureError("bad-values", f"{row.where}: {error}; get a whole copy") from None
            yield number, np.repeat(grey[:, :, None], 3, axis=2)
