"""The Facial Action Coding System: numbers, names, muscles, grades, and emotion prototypes.

Numbers and names are those of the manual (Ekman, Friesen and Hager, *FACS, the manual*, 2002); the muscles
are from memory of it. A prototype is a published statement about how an emotion is often shown. It is never
ground truth of a picture: it flags a sample for review and rejects none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ACTION_UNITS", "EXPRESSIONS", "PROTOTYPES", "ActionUnit", "Prototype", "grade", "match"]


@dataclass(frozen=True, slots=True)
class ActionUnit:
    """One action unit: `region` is where on the face it shows, `muscles` what causes it."""

    number: int
    name: str
    muscles: str
    region: str


def _units(table: str) -> dict[int, ActionUnit]:
    units = {}
    for line in table.strip().splitlines():
        number, name, region, muscles = (part.strip() for part in line.split("|"))
        units[int(number)] = ActionUnit(int(number), name, muscles, region)
    return units


ACTION_UNITS = _units("""
    1 | inner brow raiser | brows | frontalis, medial part
    2 | outer brow raiser | brows | frontalis, lateral part
    4 | brow lowerer | brows | corrugator and depressor supercilii
    5 | upper lid raiser | eyes | levator palpebrae superioris
    6 | cheek raiser | cheeks | orbicularis oculi, orbital part
    7 | lid tightener | eyes | orbicularis oculi, palpebral part
    9 | nose wrinkler | nose | levator labii superioris alaeque nasi
    10 | upper lip raiser | mouth | levator labii superioris
    11 | nasolabial deepener | cheeks | zygomaticus minor
    12 | lip corner puller | mouth | zygomaticus major
    13 | sharp lip puller | mouth | levator anguli oris
    14 | dimpler | mouth | buccinator
    15 | lip corner depressor | mouth | depressor anguli oris
    16 | lower lip depressor | mouth | depressor labii inferioris
    17 | chin raiser | chin | mentalis
    18 | lip pucker | mouth | incisivii labii
    20 | lip stretcher | mouth | risorius and platysma
    22 | lip funneler | mouth | orbicularis oris
    23 | lip tightener | mouth | orbicularis oris
    24 | lip pressor | mouth | orbicularis oris
    25 | lips part | mouth | depressor labii inferioris, or relaxed mentalis or orbicularis oris
    26 | jaw drop | mouth | masseter, relaxed
    27 | mouth stretch | mouth | pterygoids and digastric
    28 | lip suck | mouth | orbicularis oris
    38 | nostril dilator | nose | nasalis, alar part
    39 | nostril compressor | nose | nasalis, transverse part
    43 | eyes closed | eyes | levator palpebrae superioris, relaxed
    45 | blink | eyes | levator palpebrae superioris, relaxed for a moment
    46 | wink | eyes | orbicularis oculi
""")
"""The action units that datasets code, by number."""

EXPRESSIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""Names of shown expressions in prompts, schemas and records."""

_GRADES = (
    ("A", "trace"),
    ("B", "slight"),
    ("C", "marked"),
    ("D", "severe"),
    ("E", "maximum"),
)


def grade(intensity: float) -> tuple[str, str]:
    """Return FACS's letter and word for an intensity in (0, 5]; fractions go to the nearest grade.

    >>> grade(2.72)
    ('C', 'marked')
    >>> grade(0.2)
    ('A', 'trace')
    """
    if not 0 < intensity <= 5:
        raise ValueError(f"intensity {intensity} is not in (0, 5]")
    return _GRADES[max(1, int(intensity + 0.5)) - 1]


@dataclass(frozen=True, slots=True)
class Prototype:
    """Action units that a source names for an emotion: all of `core`, and optional ones."""

    emotion: str
    source: str
    core: frozenset[int]
    optional: frozenset[int] = frozenset()


def _prototypes(source: str, table: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> list[Prototype]:
    return [Prototype(name, source, frozenset(core), frozenset(more)) for name, (core, more) in table.items()]


PROTOTYPES: tuple[Prototype, ...] = (
    *_prototypes(
        "Friesen and Ekman 1983 (EMFACS; from memory)",
        {
            "happiness": ((6, 12), ()),
            "sadness": ((1, 4, 15), ()),
            "surprise": ((1, 2, 5, 26), ()),
            "fear": ((1, 2, 4, 5, 7, 20, 26), ()),
            "anger": ((4, 5, 7, 23), ()),
            "disgust": ((9, 15, 17), (16,)),
            "contempt": ((12, 14), ()),
        },
    ),
    *_prototypes(
        "Du, Tao and Martinez 2014",
        {
            "happiness": ((12, 25), (6,)),
            "sadness": ((4, 15), (1, 6, 11, 17)),
            "surprise": ((1, 2, 25, 26), (5,)),
            "fear": ((1, 4, 20, 25), (2, 5, 26)),
            "anger": ((4, 7, 24), (10, 17, 23)),
            "disgust": ((9, 10, 17), (4, 24)),
        },
    ),
)


def match(present: frozenset[int], coded: frozenset[int], prototype: Prototype) -> float | None:
    """Return how well coded action units agree with a prototype, 0-1, or None where too little was coded.

    The Jaccard index of what is present and the prototype's core, over the units that were coded; optional
    units count neither for nor against. None unless at least half of the core was coded.

    >>> happiness = PROTOTYPES[0]
    >>> match(frozenset({6, 12, 25}), frozenset({6, 12, 25}), happiness)
    0.6666666666666666
    """
    core = prototype.core & coded
    if 2 * len(core) < len(prototype.core):
        return None
    seen = (present & coded) - prototype.optional
    return len(seen & core) / len(seen | core)
