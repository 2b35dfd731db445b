"""REGE, recognition plus generation (Li et al. 2024, FABA-Bench, arXiv 2404.05052).

As published, recognition is read from the text by its words: an action unit is answered where `AU` and its
number stand, whatever is said of it, and the expression is the first one named outside sentences that hold a
negative word. "AU12 is absent" thus counts as AU12. The polarity-aware score beside it reads claims with
their polarity. Both add ROUGE-L, so they range over 0-2; the paper prints percentages, 0-200.
"""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["expression_named", "units_named"]

_UNIT = re.compile(r"AU(\d+)")
_SENTENCES = re.compile(r"(?<=[.?!])\s+")
# Looked for as parts of words, as published: "no" drops "nose" and "cannot" alike.
_NEGATIVE = ("not", "no", "isn't ", "nothing", "cannot", "won't", "shouldn't", "neither", "nor")

_WORDS = {
    word: expression
    for expression, words in {
        "neutral": "neutral neutrality expressionless calm impassive",
        "happiness": "happiness happy joy joyful delight delighted cheerful pleased",
        "sadness": "sadness sad sorrow sorrowful unhappy gloomy melancholy grief",
        "surprise": "surprise surprised astonishment astonished amazement amazed",
        "fear": "fear fearful afraid scared frightened terror terrified",
        "disgust": "disgust disgusted revulsion repulsed aversion",
        "anger": "anger angry rage furious irritated irritation",
        "contempt": "contempt contemptuous disdain disdainful scorn scornful",
    }.items()
    for word in words.split()
}


def units_named(text: str) -> frozenset[int]:
    """Return the action units whose numbers stand in a text, whatever is said of them.

    >>> sorted(units_named("AU6 is marked; AU12 is absent."))
    [6, 12]
    """
    return frozenset(map(int, _UNIT.findall(text)))


def expression_named(text: str) -> str | None:
    """Return the expression that a text names, by the published reading, or None.

    The first word for one in the first sentence, else the one with the most words in the rest; sentences with
    a negative word are left out unless all have one. The words are this project's own list.
    """
    sentences = [one for one in _SENTENCES.split(text.lower()) if one]
    kept = [one for one in sentences if not any(word in one for word in _NEGATIVE)] or sentences
    for sentence in kept[:1]:
        for word in re.findall(r"\w+", sentence):
            if word in _WORDS:
                return _WORDS[word]
    counts = Counter(
        _WORDS[word] for sentence in kept[1:] for word in re.findall(r"\w+", sentence) if word in _WORDS
    )
    return counts.most_common(1)[0][0] if counts else None
