"""Text against reference texts: ROUGE-L and METEOR of one answer; CIDEr, which needs all of them, is its own.

Words are lower-case runs of letters and digits; punctuation counts for nothing. Of several references the
best counts.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

__all__ = ["meteor", "rouge_l", "words"]

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Return the words of a text.

    >>> words("AU12: the lip corners rise.")
    ['au12', 'the', 'lip', 'corners', 'rise']
    """
    return _WORD.findall(text.lower())


def rouge_l(answer: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return ROUGE-L, 0-1: F1 of the longest common subsequence of words (Lin 2004, with beta 1).

    >>> rouge_l("police kill the gunman".split(), ["police killed the gunman".split()])
    0.75
    """
    from rapidfuzz.distance import LCSseq

    best = 0.0
    for reference in references:
        if answer and reference:
            common = LCSseq.similarity(answer, reference)
            best = max(best, 2 * common / (len(answer) + len(reference)))
    return best


def meteor(answer: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return METEOR, 0-1, as first published (Banerjee and Lavie 2005), without its module of synonyms.

    Words match exactly, then by Porter's stem. With precision P and recall R of the matches, the score is
    10 P R / (R + 9 P), less half the cube of (chunks over matches).
    """
    return max((_meteor(answer, reference) for reference in references), default=0.0)


def _meteor(answer: Sequence[str], reference: Sequence[str]) -> float:
    places = _align(answer, reference)
    matches = sum(place is not None for place in places)
    if not matches:
        return 0.0
    chunks, last = 0, None
    for place in places:
        if place is not None and (last is None or place != last + 1):
            chunks += 1
        last = place
    precision, recall = matches / len(answer), matches / len(reference)
    mean = 10 * precision * recall / (recall + 9 * precision)
    return mean * (1 - 0.5 * (chunks / matches) ** 3)


def _align(answer: Sequence[str], reference: Sequence[str]) -> list[int | None]:
    """Return for each word of the answer the place in the reference that it is matched with.

    As many matches as there are; among equal words the one that goes on with the run before, else the one
    that begins the longest run: few chunks, as the metric asks, though not proven to be the fewest.
    """
    places: list[int | None] = [None] * len(answer)
    free = [True] * len(reference)
    _place(answer, reference, places, free)
    if None in places and any(free):
        _place([_stem(word) for word in answer], [_stem(word) for word in reference], places, free)
    return places


def _place(ours: Sequence[str], theirs: Sequence[str], places: list[int | None], free: list[bool]) -> None:
    """Match words that have no place yet with equal ones that are free."""
    index: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(theirs):
        if free[place]:
            index[word].append(place)
    last: int | None = None
    for number, word in enumerate(ours):
        if places[number] is None and word in index:
            after = len(theirs) if last is None else last + 1
            if after < len(theirs) and free[after] and theirs[after] == word:
                places[number] = after  # goes on with the run
            elif open_places := [place for place in index[word] if free[place]]:
                places[number] = _best(ours, number, theirs, open_places)
        last = places[number]
        if last is not None:
            free[last] = False


def _best(ours: Sequence[str], number: int, theirs: Sequence[str], places: Sequence[int]) -> int:
    if len(places) == 1:
        return places[0]
    return max(places, key=lambda place: (_run(ours, number, theirs, place), -abs(place - number)))


def _run(ours: Sequence[str], number: int, theirs: Sequence[str], place: int) -> int:
    length = 0
    for a, b in zip(ours[number:], theirs[place:], strict=False):
        if a != b:
            break
        length += 1
    return length


@functools.lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@functools.cache
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("porter")
