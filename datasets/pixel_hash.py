"""A hash of what a picture shows, whatever bytes it is stored as."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.pictures import Picture

__all__ = ["PixelHash"]


class PixelHash:
    """A measure of datasets (measuring.py): BLAKE2b-128 of size and pixels, as two numbers."""

    key = "pixel-hash-1"
    width = 2
    dtype: np.dtype[Any] = np.dtype(np.uint64)
    in_workers = True

    def of(self, pictures: Sequence[Picture]) -> NDArray[np.uint64]:
        """Return uint64, pictures x 2."""
        return np.array([np.frombuffer(_digest(one.pixels), "<u8") for one in pictures], np.uint64)


def _digest(pixels: NDArray[np.uint8]) -> bytes:
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()
