"""CIDEr-D (Vedantam, Zitnick and Parikh 2015): consensus of n-grams, weighted by how rare they are.

This is the variant that published tables call CIDEr: counts clipped to the reference's, a Gaussian penalty on
the difference in length (sigma 6), the mean over n = 1-4, times ten. How rare an n-gram is, is counted in the
references of the same comparison, so scores of different sets of pictures are not comparable; and it must be
counted before the first answer is scored, in a pass of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cider"]

_LONGEST, _SIGMA = 4, 6.0
_FOLD = 200_000  # words of references between two foldings of what was counted

Hashes = NDArray[np.uint64]
Texts = Sequence[Sequence[str]]


class Cider:
    """Learns which n-grams are rare, in 12 bytes for each of the references', then scores answers."""

    def __init__(self) -> None:
        self.pictures = 0
        self._known: dict[str, int] = {}
        self._counts = [_Counts() for _ in range(_LONGEST)]
        self._waiting: list[tuple[int, Sequence[str]]] = []
        self._words = 0

    def learn(self, references: Texts) -> None:
        """Count the references of one more picture."""
        self._waiting += [(self.pictures, reference) for reference in references]
        self._words += sum(map(len, references))
        self.pictures += 1
        if self._words >= _FOLD:
            self._fold()

    def scores(self, pairs: Sequence[tuple[Sequence[str], Texts]]) -> NDArray[np.float64] | None:
        """Return the score of each (answer, its references), 0-10.

        None where one picture was learned, or none: nothing is rare or common then.
        """
        if self.pictures < 2:
            return None
        self._fold()
        texts: list[Sequence[str]] = []
        number, ours, theirs = [], [], []
        for place, (answer, references) in enumerate(pairs):
            own = len(texts)
            texts.append(answer)
            for reference in references:
                number.append(place)
                ours.append(own)
                theirs.append(len(texts))
                texts.append(reference)
        lengths = np.array([len(text) for text in texts], dtype=np.float64)
        first, second = np.array(ours, dtype=np.int64), np.array(theirs, dtype=np.int64)
        total = np.zeros(len(number))
        for counts, (places, grams) in zip(self._counts, self._grams(texts), strict=True):
            total += self._similarities(counts, places, grams, len(texts), first, second)
        gap = lengths[first] - lengths[second]
        total *= np.exp(-(gap**2) / (2 * _SIGMA**2)) * 10 / _LONGEST
        told = np.maximum(np.bincount(number, minlength=len(pairs)), 1)
        return np.asarray(np.bincount(number, total, minlength=len(pairs)) / told)

    def _fold(self) -> None:
        if not self._waiting:
            return
        pictures = np.array([picture for picture, _ in self._waiting])
        for counts, (places, grams) in zip(
            self._counts, self._grams([text for _, text in self._waiting]), strict=True
        ):
            counts.add(pictures[places], grams)
        self._waiting, self._words = [], 0

    def _grams(self, texts: Texts) -> list[tuple[NDArray[np.int64], Hashes]]:
        """Return for n = 1-4 the text of each n-gram and its hash, in the order of the texts."""
        known = self._known
        numbers = [known.setdefault(word, len(known)) for text in texts for word in text]
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        place = np.repeat(np.arange(len(texts)), lengths)
        end = np.repeat(np.cumsum(lengths), lengths)
        word = _mixed(np.array(numbers, dtype=np.uint64) + np.uint64(1))
        starts, grams = np.arange(word.size), word
        found = [(place, grams)]
        for length in range(2, _LONGEST + 1):
            goes_on = starts + length <= end[starts]
            starts = starts[goes_on]
            grams = _mixed(grams[goes_on] * np.uint64(3) + word[starts + length - 1])
            found.append((place[starts], grams))
        return found

    def _similarities(
        self,
        counts: _Counts,
        places: NDArray[np.int64],
        grams: Hashes,
        texts: int,
        ours: NDArray[np.int64],
        theirs: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Return the clipped cosine of each two texts' weighted n-grams of one length, (pairs,)."""
        from scipy.sparse import csr_matrix

        kinds, where = np.unique(grams, return_inverse=True)
        starts = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=texts))])
        shape = (texts, max(1, kinds.size))
        vectors: Any = csr_matrix((np.ones(grams.size), where.astype(np.int32), starts), shape=shape)
        vectors.sum_duplicates()
        rarity = np.log(self.pictures / np.maximum(counts.of(kinds), 1))
        vectors.data *= rarity[vectors.indices]
        norms = np.sqrt(np.asarray(vectors.power(2).sum(1)).ravel())
        reference = vectors[theirs]
        shared = np.asarray(vectors[ours].minimum(reference).multiply(reference).sum(1)).ravel()
        sizes = norms[ours] * norms[theirs]
        cosine: NDArray[np.float64] = np.divide(shared, sizes, out=np.zeros_like(shared), where=sizes > 0)
        return cosine


class _Counts:
    """In how many pictures each n-gram stands, by its hash of 64 bits."""

    def __init__(self) -> None:
        self._grams: Hashes = np.zeros(0, dtype=np.uint64)
        self._pictures: NDArray[np.int32] = np.zeros(0, dtype=np.int32)

    def add(self, pictures: NDArray[np.int64], grams: Hashes) -> None:
        """Count the n-grams of pictures that were not counted before; those of one picture come together."""
        order = np.lexsort((grams, pictures))
        pictures, grams = pictures[order], grams[order]
        new = np.ones(grams.size, dtype=bool)
        new[1:] = (grams[1:] != grams[:-1]) | (pictures[1:] != pictures[:-1])
        kinds, times = np.unique(grams[new], return_counts=True)
        where = np.searchsorted(self._grams, kinds)
        held = np.zeros(kinds.size, dtype=bool)
        inside = where < self._grams.size
        held[inside] = self._grams[where[inside]] == kinds[inside]
        self._pictures[where[held]] += times[held].astype(np.int32)
        self._grams = np.insert(self._grams, where[~held], kinds[~held])
        self._pictures = np.insert(self._pictures, where[~held], times[~held].astype(np.int32))

    def of(self, grams: Hashes) -> NDArray[np.int32]:
        """Return in how many pictures each n-gram stands."""
        found = np.zeros(grams.size, dtype=np.int32)
        where = np.searchsorted(self._grams, grams)
        inside = where < self._grams.size
        same = np.zeros(grams.size, dtype=bool)
        same[inside] = self._grams[where[inside]] == grams[inside]
        found[same] = self._pictures[where[same]]
        return found


def _mixed(words: Hashes) -> Hashes:
    """Return words whose bits are mixed, one to one (the finaliser of SplitMix64)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
