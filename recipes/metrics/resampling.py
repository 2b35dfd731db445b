"""Draws of whole subjects, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from facedata.annotate.score.bootstrap import Draws

__all__ = ["Clusters"]

_CELLS = 2_000_000  # weights held at once as numbers: 16 MB


class Clusters:
    """Subjects by number, and how often each of them is in each draw.

    The counts are hash words of the seed and of a subject's name (annotate/score/bootstrap.py), so that a
    subject is as often in a draw of one domain as in the same draw of all. They are kept a byte each.
    """

    def __init__(self, names: Sequence[str], draws: Draws) -> None:
        count = draws.count if len(names) > 1 else 0  # of one subject there is nothing to draw
        self.subjects = len(names)
        self._counts = np.zeros((len(names), count), np.uint8)
        rows = max(1, _CELLS // max(1, count))
        for first in range(0, len(names) if count else 0, rows):
            part = names[first : first + rows]
            keys = np.fromiter((draws.key(name) for name in part), np.uint64, len(part))
            self._counts[first : first + rows] = draws.weights(keys)

    def blocks(self, width: int) -> Iterator[NDArray[np.float64]]:
        """Yield weights, (some, subjects): of everything as it is, then of the draws.

        `width` is how many numbers each draw will take, such as one for each sample.
        """
        yield np.ones((1, self.subjects))
        rows = max(1, _CELLS // max(1, width, self.subjects))
        for first in range(0, self._counts.shape[1], rows):
            yield self._counts[:, first : first + rows].T.astype(np.float64)
