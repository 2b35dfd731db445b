"""Pairs of rows that are near in embeddings, among a million rows, without looking at every pair.

Vectors are made unit vectors, equal ones are looked up once, and each is asked for its nearest. Up to 20,000
vectors that is exact. Beyond, faiss looks into a few cells of a division of the space, on the 64 dimensions
that PCA leaves: a projection shortens distances and lengthens none, so it loses no near pair; what it lets in
too much goes when cosines are taken at full length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.curate.audit.base import Neighbours
from facedata.curate.audit.intervals import share_interval
from facedata.datasets.errors import UsageError

__all__ = ["MOST_NEIGHBOURS", "find_neighbours"]

MOST_NEIGHBOURS = 16
"""Neighbours that a row is asked for. Of a larger group not every pair is listed, but it hangs together."""

_EXACT = 20_000  # vectors up to which every pair is looked at
_SHORT = 64  # dimensions that PCA leaves
_PROBED = 16  # cells that are looked into
_LEARNT_FROM = 40  # vectors a cell; faiss warns below 39
_BLOCK = 8192  # rows at once
_ASKED = 1000  # rows on which recall is estimated
_SEED = 0

Progress = Callable[[int, int], None]
Floats = NDArray[np.float32]
Whole = NDArray[np.int64]


def find_neighbours(embeddings: Floats, floor: float, progress: Progress | None = None) -> Neighbours:
    """Return the pairs of rows whose cosine is `floor` or more, each row's 16 nearest at most.

    `embeddings` is float32, n x d, of any length; a row that holds NaN, or noughts alone, is in no pair. Of
    equal vectors the first one is searched for, and the others are paired with it.

    Where the search is not exact, recall is estimated on the data: 1000 rows, each turned in a random
    direction by just the angle of `floor`, are searched for, and the share that finds its row again is the
    recall of the hardest pairs, from one end; a true pair is looked for from both.

    Raises UsageError where faiss is not installed.
    """
    try:
        import faiss  # noqa: F401 - asked for before any work is done
    except ImportError:
        raise UsageError("near duplicates need faiss: pip install 'facedata[curate]'") from None
    lengths = np.concatenate([np.linalg.norm(part, axis=1) for part in _blocks(embeddings)] or [np.empty(0)])
    rows = np.flatnonzero(np.isfinite(lengths) & (lengths > 0))
    first, others, originals = _distinct(embeddings, rows)
    units = _Units(embeddings, first, lengths)
    index = _Index(units)
    found = [(first[a], first[b], cosine) for a, b, cosine in _searched(index, units, floor, progress)]
    found.append((originals, others, np.ones(len(others), np.float32)))
    left, right, cosine = (np.concatenate(column) for column in zip(*found, strict=True))
    low, high = np.minimum(left, right), np.maximum(left, right)
    _, once = np.unique(low * max(len(embeddings), 1) + high, return_index=True)
    recall = {} if index.exact else {"recall": _recall(index, units, floor)}
    return Neighbours(low[once], high[once], cosine[once], floor, **recall)


class _Units:
    """Rows of embeddings as unit vectors, made a block at a time: a million of them are a gigabyte."""

    def __init__(self, embeddings: Floats, rows: Whole, lengths: NDArray[Any]) -> None:
        self.embeddings, self.rows, self.lengths = embeddings, rows, lengths
        self.width = embeddings.shape[1]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: Whole) -> Floats:
        """Return unit vectors, float32 places x width."""
        chosen = self.rows[places]
        return np.ascontiguousarray(self.embeddings[chosen] / self.lengths[chosen, None], np.float32)

    def blocks(self) -> Iterator[tuple[Whole, Floats]]:
        """Yield places and their unit vectors."""
        for start in range(0, len(self), _BLOCK):
            places = np.arange(start, min(start + _BLOCK, len(self)))
            yield places, self.take(places)


def _blocks(embeddings: Floats) -> Iterator[Floats]:
    for start in range(0, len(embeddings), _BLOCK):
        yield embeddings[start : start + _BLOCK]


def _distinct(embeddings: Floats, rows: Whole) -> tuple[Whole, Whole, Whole]:
    """Return the first row of each vector; then the rows that repeat one, and the rows that they repeat."""
    bits = np.random.default_rng(_SEED).integers(0, 2**63, embeddings.shape[1], np.uint64) | np.uint64(1)
    hashes = np.empty(len(embeddings), np.uint64)
    for start in range(0, len(embeddings), _BLOCK):
        words = np.ascontiguousarray(embeddings[start : start + _BLOCK], np.float32).view(np.uint32)
        hashes[start : start + _BLOCK] = words.astype(np.uint64) @ bits  # wraps round: exact, in any order
    _, first, back = np.unique(hashes[rows], return_index=True, return_inverse=True)
    original = rows[first[back]]
    again = np.flatnonzero(original != rows)
    # Vectors that share a hash by chance stay apart: nothing is merged unseen.
    again = again[(embeddings[original[again]] == embeddings[rows[again]]).all(axis=1)]
    kept = np.ones(len(rows), bool)
    kept[again] = False
    return rows[kept], rows[again], original[again]


class _Index:
    """A faiss index; `exact` where it looks at every pair."""

    def __init__(self, units: _Units) -> None:
        import faiss

        self.exact = len(units) <= _EXACT
        if self.exact:
            self.faiss: Any = faiss.IndexFlatL2(units.width)
        else:
            cells = 2 * math.isqrt(len(units))
            short = f"PCA{_SHORT}," if units.width > _SHORT else ""
            self.faiss = faiss.index_factory(units.width, f"{short}IVF{cells},Flat", faiss.METRIC_L2)
            step = max(1, len(units) // (_LEARNT_FROM * cells))
            self.faiss.train(units.take(np.arange(0, len(units), step)))
            faiss.extract_index_ivf(self.faiss).nprobe = _PROBED
        for _, vectors in units.blocks():
            self.faiss.add(vectors)

    def nearest(self, vectors: Floats, floor: float) -> tuple[Whole, Whole]:
        """Return (row of `vectors`, place in the index) of what may be within reach of `floor`."""
        # |a - b|^2 = 2 - 2 cos for unit vectors; the slack is for rounding.
        squared, places = self.faiss.search(vectors, MOST_NEIGHBOURS + 1)
        asked, column = np.nonzero((places >= 0) & (squared <= 2 - 2 * floor + 1e-4))
        return asked, places[asked, column]


def _searched(
    index: _Index, units: _Units, floor: float, progress: Progress | None
) -> Iterator[tuple[Whole, Whole, Floats]]:
    """Yield (place, place, cosine) of near pairs, block by block; a pair may come from both its ends."""
    for places, vectors in units.blocks():
        asked, near = index.nearest(vectors, floor)
        apart = places[asked] != near
        asked, near = asked[apart], near[apart]
        cosine = np.einsum("ij,ij->i", vectors[asked], units.take(near), dtype=np.float32)
        true = cosine >= floor
        yield places[asked[true]], near[true], cosine[true]
        if progress:
            progress(int(places[-1]) + 1, len(units))


def _recall(index: _Index, units: _Units, floor: float) -> dict[str, float]:
    generator = np.random.default_rng(_SEED)
    places = np.sort(generator.choice(len(units), min(_ASKED, len(units)), replace=False))
    vectors = units.take(places)
    away = generator.standard_normal(vectors.shape, np.float32)
    away -= np.einsum("ij,ij->i", away, vectors)[:, None] * vectors
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    turned = np.float32(floor) * vectors + np.float32(math.sqrt(max(0.0, 1 - floor**2))) * away
    asked, near = index.nearest(turned, floor)
    found = len(np.unique(asked[near == places[asked]]))
    return share_interval(found, len(places))
