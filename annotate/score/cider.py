"""CIDEr-D (Vedantam, Zitnick and Parikh 2015): consensus of n-grams, weighted by how rare they are.

This is the variant that published tables call CIDEr: counts clipped to the reference's, a Gaussian penalty on
the difference in length (sigma 6), the mean over n = 1-4, times ten. How rare an n-gram is, is counted in the
references of the same comparison, so scores of different sets of pictures are not comparable.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cider"]

_LONGEST, _SIGMA = 4, 6.0
_PAIRS = 4096  # pairs of texts compared at once, to keep memory low


class Cider:
    """Collects answers and their references, then scores them all: 8 bytes a word until then."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._tokens = array("i")
        self._lengths: list[int] = []
        self._images: list[int] = []
        """Of each text: the picture it is a reference of, -1 for an answer."""
        self._pairs: list[tuple[int, int, int]] = []
        """(answer's number, its text, a reference's text)"""
        self._references: dict[object, list[int]] = {}
        self.answers = 0

    def add(self, image: object, answer: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        """Add an answer about `image`; the references of an image are taken from its first answer."""
        if image not in self._references:
            number = len(self._references)
            self._references[image] = [self._text(reference, number) for reference in references]
        text = self._text(answer, -1)
        self._pairs += [(self.answers, text, reference) for reference in self._references[image]]
        self.answers += 1

    def _text(self, text: Sequence[str], image: int) -> int:
        known = self._known
        self._tokens.extend(known.setdefault(word, len(known)) for word in text)
        self._lengths.append(len(text))
        self._images.append(image)
        return len(self._lengths) - 1

    def scores(self) -> NDArray[np.float64] | None:
        """Return the score of each answer, 0-10, or None for one picture: nothing is rare or common then."""
        if len(self._references) < 2:
            return None
        import pandas as pd

        # 32 bits hold the places of two thousand million words, at half the memory.
        words = np.asarray(self._tokens, dtype=np.int32)
        lengths = np.asarray(self._lengths)
        text_of = np.repeat(np.arange(lengths.size, dtype=np.int32), lengths)
        end_of = np.repeat(np.cumsum(lengths, dtype=np.int32), lengths)
        number, ours, theirs = np.asarray(self._pairs, dtype=np.int64).reshape(-1, 3).T
        starts, grams = np.arange(words.size, dtype=np.int32), words
        total = np.zeros(number.size)
        for length in range(1, _LONGEST + 1):
            if length > 1:
                goes_on = starts + length <= end_of[starts]
                starts = starts[goes_on]
                longer = grams[goes_on] * np.int64(len(self._known)) + words[starts + length - 1]
                grams = pd.factorize(longer)[0].astype(np.int32)
            total += self._similarities(text_of[starts], grams, ours, theirs)
        gap = (lengths[ours] - lengths[theirs]).astype(np.float64)
        total *= np.exp(-(gap**2) / (2 * _SIGMA**2)) * 10 / _LONGEST
        references = np.maximum(np.bincount(number, minlength=self.answers), 1)
        return np.asarray(np.bincount(number, total, minlength=self.answers) / references)

    def _similarities(
        self, texts: NDArray[np.int32], grams: NDArray[np.int32], ours: NDArray[Any], theirs: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Return the clipped cosine of each two texts' weighted n-grams of one length, (pairs,)."""
        kinds = int(grams.max()) + 1 if grams.size else 1
        pictures = len(self._references)
        images = np.asarray(self._images)[texts]
        told = images >= 0
        shown = _counted(images[told], grams[told], pictures, kinds)
        rarity = np.log(pictures / np.maximum(np.bincount(shown.indices, minlength=kinds), 1))
        del shown, images, told
        vectors = _counted(texts, grams, len(self._lengths), kinds)
        vectors.data *= rarity[vectors.indices]
        norms = np.sqrt(np.asarray(vectors.power(2).sum(1)).ravel())
        cosine = np.zeros(ours.size)
        for first in range(0, ours.size, _PAIRS):
            mine, other = ours[first : first + _PAIRS], theirs[first : first + _PAIRS]
            reference = vectors[other]
            shared = np.asarray(vectors[mine].minimum(reference).multiply(reference).sum(1)).ravel()
            sizes = norms[mine] * norms[other]
            np.divide(shared, sizes, out=cosine[first : first + _PAIRS], where=sizes > 0)
        return cosine


def _counted(rows: NDArray[Any], grams: NDArray[np.int32], count: int, kinds: int) -> Any:
    """Return how often each n-gram stands in each row, a sparse (count, kinds); `rows` is in order."""
    from scipy.sparse import csr_matrix

    ends = np.cumsum(np.bincount(rows, minlength=count))
    starts = np.concatenate([[0], ends]).astype(np.int32)
    counts = csr_matrix((np.ones(grams.size), grams.copy(), starts), shape=(count, kinds))
    counts.sum_duplicates()
    return counts
