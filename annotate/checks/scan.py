"""What a text says of action units, expressions, labels and media, with polarity: a small, fast reader.

Deniers and their reach are handled in the manner of NegEx (Chapman et al. 2001) and ConText (Harkema et al.
2009): a denier holds until a word that ends its clause, "is absent" reaches back, "not only" denies nothing.
Descriptions in words ("the corners of the mouth turn up") are read as a part of the face and what happens to
it. It knows the English of such texts and no more; docs/checks.md says how often it errs.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from facedata.annotate.checks.parts import Part
from facedata.annotate.checks.sentence import Mention, Sentence, Token

__all__ = ["Claim", "claims", "scan", "tokens"]

_TOKEN = re.compile(r"(?:e\.g|i\.e|vs)\.|[A-Za-zé]+(?:'[a-z]+)?|\d+(?:\.\d+)?|[.;:!?\n,()/+&]")
_ENDS = frozenset(".;!?\n")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a text says of one action unit, at characters `start` to `end`.

    `others` are units that the same words may mean as well; `form` is `number`, or `words` for a name or a
    description. `side` is None where none is named.
    """

    au: int
    polarity: Literal["present", "absent"]
    side: Literal["left", "right", "both"] | None
    start: int
    end: int
    others: tuple[int, ...] = ()
    form: str = "words"


def tokens(text: str) -> list[Token]:
    """Return the words, in lower case, and marks of a text with their places."""
    lower = text.replace("’", "'").lower()
    if len(lower) != len(text):  # a few letters of other scripts grow
        return [(found[0].lower(), *found.span()) for found in _TOKEN.finditer(text.replace("’", "'"))]
    return [(found[0], *found.span()) for found in _TOKEN.finditer(lower)]


# One record's texts are looked at by several checks.
@functools.lru_cache(maxsize=256)
def scan(text: str) -> tuple[Mention, ...]:
    """Return all that a text says, in its order; a question says nothing until "yes" or "no" answers it."""
    said: list[Mention] = []
    begin = 0
    for line in text.split("\n"):
        said += _moved(_line(line), begin) if begin else _line(line)
        begin += len(line) + 1
    return tuple(said)


# A line stands for itself, so it is read alike wherever it stands; and texts of one task share many lines.
@functools.lru_cache(maxsize=4096)
def _line(text: str) -> tuple[Mention, ...]:
    found = tokens(text)
    said: list[Mention] = []
    asked: list[Mention] = []
    subjects: Sequence[Part] = ()
    begin = 0
    for place, (word, _, _) in enumerate(found):
        if word in _ENDS:
            if place > begin:
                if asked:
                    said += _answered(asked, found[begin][0])
                one = Sentence(found[begin:place], subjects)
                read, subjects = one.read(), one.subjects
                asked = read if word == "?" else []
                said += read if word != "?" else ()
            if word == "\n":
                asked, subjects = [], ()  # a line stands for itself
            begin = place + 1
    if begin < len(found):
        if asked:
            said += _answered(asked, found[begin][0])
        said += Sentence(found[begin:], subjects).read()
    return tuple(said)


def _answered(asked: Sequence[Mention], answer: str) -> Sequence[Mention]:
    """Return what a question says once it is answered, if it is."""
    if answer not in ("yes", "no"):
        return ()
    for mention in asked:
        if mention.denied is not None:
            mention.denied = mention.denied is not (answer == "no")
    return asked


def _moved(said: Iterable[Mention], by: int) -> list[Mention]:
    return [
        Mention(one.kind, one.value, one.denied, one.start + by, one.end + by, one.side, one.others, one.form)
        for one in said
    ]


@functools.lru_cache(maxsize=256)
def claims(text: str) -> tuple[Claim, ...]:
    """Return what a text claims of action units, in its order.

    >>> [(claim.au, claim.polarity, claim.side) for claim in claims("AU12 shows on the left; AU4 is absent.")]
    [(12, 'present', 'left'), (4, 'absent', None)]
    """
    return tuple(
        Claim(
            au=int(mention.value),
            polarity="absent" if mention.denied else "present",
            side=mention.side,  # type: ignore[arg-type]
            start=mention.start,
            end=mention.end,
            others=mention.others,
            form=mention.form,
        )
        for mention in scan(text)
        if mention.kind == "unit" and mention.denied is not None
    )
