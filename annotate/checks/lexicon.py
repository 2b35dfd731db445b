"""How English denies, hedges and joins, and `FRAMES`: what a part and what happens to it stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from facedata.annotate.checks.vocabulary import TERMS, word_set

__all__ = [
    "ABSENT",
    "AGENTS",
    "BE",
    "CLOSERS",
    "DENIERS",
    "ENDERS",
    "FRAMES",
    "GLUE",
    "IDIOMS",
    "LOCATIVE",
    "MOVES",
    "NEEDS",
    "OPEN",
    "PREPOSITIONS",
    "PSEUDO",
    "RESTING",
    "TERMS",
    "UNCODED",
    "VERDICTS",
    "VISIBLE",
    "Frame",
    "word_set",
]


AGENTS = word_set("""
    raiser lowerer depressor tightener pressor puller stretcher wrinkler deepener funneler compressor
    dilator
""")
"""Actions in the names of units, which have no object."""

GLUE = word_set("""
    of the a an his her their its both this these that very slightly slight clearly clear strongly strong
    mild marked markedly visible any same more most somewhat visibly gently firmly bridge root run runs
    skin middle ends end halves half lies lie move moves moved moving tugged drawn drawing draws push
    pushes pushed
""")
"""Words that may stand between an adjective or verb and its object."""

BE = word_set("""
    is are was were be been remain remains remained stay stays stayed do does did can could has have had
    shows show showing shown seems seem appears appear looks look keep keeps kept
""")
"""Verbs that make a clause of what stands before them."""

DENIERS = word_set("""
    no not without neither nor never none lack lacks absence cannot vain fails fail failed devoid unlike
    nothing hardly scarcely isn't aren't wasn't weren't doesn't don't didn't can't hasn't haven't hadn't
    nobody
""")
"""Words that deny what follows."""

PSEUDO = {
    "no": {"doubt", "question", "less", "matter"},
    "not": {"only", "just", "merely", "solely", "simply", "least", "unlike"},
    "without": {"doubt", "question"},
    "nothing": {"but", "less", "else"},
}
"""Deniers that deny nothing before these words."""

VISIBLE = word_set("""
    present visible seen active activated observed observable detected shown evident engaged involved
    found there apparent occur occurring appear show contribute exist noticeable discernible displayed
    recruited take takes place fire exhibited noted made out recognisable recognizable happen detectable
""")
"""What must follow "is not" to deny a unit that stands before it: "AU12 is not strong" denies nothing."""

NEEDS = {
    "instead": {"of"}, "free": {"of", "from"}, "rather": {"than"}, "opposed": {"to"},
    "contrast": {"to", "with"}, "contrary": {"to"},
    "compared": {"to", "with"},
}  # fmt: skip
"""Words that deny only before these."""

ABSENT = word_set("""
    absent missing inactive unseen invisible undetected nonexistent unlikely improbable implausible
    excluded lacking unengaged uninvolved
""")
"""Words that deny what they are said of."""

ENDERS = word_set("""
    but while whereas although though yet however whilst because so with as since
""")
"""Words that begin a clause of its own: a denial does not reach over them."""

CLOSERS = word_set(", : ( ) and or but not with as rather because since , here")
"""What may follow a verdict of one word: "Live: ...", "Fake, since ..."."""

LOCATIVE = word_set("""
    towards toward above below under beneath near beside from to into past
""")
"""The part after these is a place, not what moves."""

PREPOSITIONS = word_set("""
    in at over across between on around along along of
""")
"""Words that may stand between what happens and where."""

UNCODED = word_set("""
    coded assessed rated annotated scored judged known determined established
""")
"""After a denier: nothing is said about presence. "Not coded" is not "absent"."""

OPEN = word_set("""
    would wouldn't if could might may expected expect expects usually typically often mistaken confused
    whether unclear uncertain should normally commonly otherwise distinguish distinguishes distinguishing
    differs differ differing associated
""")
"""Words that make a clause say nothing about this picture."""

IDIOMS = {
    "out": (("of", "the", "picture"), "absent"),
    "ruled": (("out",), "absent"),
    "nowhere": ((), "absent"),
    "far": (("from",), "deny"),
    "anything": (("but",), "deny"),
    "stays": (("put",), "rest"),
    "stay": (("put",), "rest"),
    "argues": (("against",), "deny"),
    "argue": (("against",), "deny"),
    "speaks": (("against",), "deny"),
    "speak": (("against",), "deny"),
    "goes": (("with",), "open"),
    "looked": (("for",), "open"),
    "looking": (("for",), "open"),
    "checked": (("for",), "open"),
    "checking": (("for",), "open"),
    "searched": (("for",), "open"),
    "wrong": (("to",), "deny"),
    "mistake": (("to",), "deny"),
}
"""First word -> what must follow it, and what the whole does: deny what comes or what stands before, leave
what comes open, or say that a part rests."""

MOVES = word_set(
    "move moves moving moved budge budges change changes changed react reacts follow participate"
)
"""After a denier, and said of a part: it is at rest."""

VERDICTS = word_set("""
    say call describe classify read conclude label judge guess interpret characterize characterise rate
    assess argue identify
""")
"""After "I would" these state what they say."""

RESTING = {
    "brow": (1, 2, 4), "inner brow": (1, 4), "outer brow": (2,), "cheek": (6,), "nose": (9,), "chin": (17,),
    "lip corner": (12, 15), "mouth": (12, 15, 20, 25, 26, 27), "lid": (5, 7),
    "eye": (5, 7, 43), "upper lid": (5,), "lower lid": (7,), "upper lip": (10,), "lower lip": (16,),
    "lip": (18, 20, 22, 23, 24),
}  # fmt: skip
"""What is denied of a part that is said to be relaxed."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Something that happens to a part: `actions` must all be said, those in `absorbs` add nothing then.

    `units` holds the unit meant and, after it, others that the same words may mean; `denies`: the words say
    that it does not show.
    """

    actions: frozenset[str]
    absorbs: frozenset[str]
    units: tuple[int, ...]
    denies: bool


def _frame(rule: str) -> Frame:
    said, units = rule.split("=")
    needed, *absorbed = said.strip().split("~")
    numbers = tuple(int(number) for number in units.strip().lstrip("-").split("|"))
    return Frame(frozenset(needed.split("+")), frozenset(absorbed), numbers, units.strip().startswith("-"))


def _frames(table: str) -> dict[str, tuple[Frame, ...]]:
    """Return frames by part, of lines `part: action+action~absorbed=unit|unit, action=-unit`."""
    lines = [line.partition(":") for line in table.strip().splitlines()]
    return {part.strip(): tuple(_frame(rule) for rule in rules.split(",")) for part, _, rules in lines}


FRAMES: Mapping[str, tuple[Frame, ...]] = _frames("""
    inner brow: raise=1, together=4, lower=4, inward=4
    outer brow: raise=2, lower=4, together=4
    brow: raise=1|2, lower~together~inward~frown=4, together~inward~frown=4, frown=4, inward=4, wrinkle=4, bunch=4
    upper lid: raise~wide~open~back=5, wide~open=5, open=5, back=5, tight=7, close=43
    lower lid: raise~tight=7|6, tight~narrow=7, narrow=7
    lid: raise~wide~open~back=5, wide~open=5, back=5, tight~narrow=7, narrow=7|6, close=43
    eye: wide~open=5, narrow~tight=7|6, tight=7, close~tight=43, open=-43, wrinkle=6|7, bunch=5
    eye corner: wrinkle=6
    cheek: raise=6, bunch=6
    nose: wrinkle=9, bunch=9
    nostril: flare=38, wide=38, narrow=39
    upper lip: raise=10, curl=10, back=10
    lower lip: lower=16, raise=17
    lip corner: sharp+raise~pull=13, raise~side~back~pull~curl~stretch=12, lower~side~back~pull~curl~frown=15, tuck~tight~wrinkle~inward~back~press=14, tight~wrinkle~inward~press~back=14, wrinkle~inward=14, inward=14, side~pull=20, back~pull=20|12, stretch=20, pull=12, curl=12, frown=15
    lip: sharp+pull=13, press~together~tight~narrow~side~close=24, close+tight~narrow=24|23, tight~narrow=23, narrow=23|24, part=25, open=25, stretch~side~back~pull=20, pucker=18, purse=24|23|18, funnel=22, suck=28, side~back~pull=20, back~pull=20, close=-25, together=-25, lower~curl=15, raise~curl=12|10, frown=15, curl=12|10
    mouth: lower+open=26|27|25, raise~curl=12, lower~curl=15|26|27, wide+side~open=20, wide+level~open=20, wide+open~stretch=27|26|25, stretch+open=27|26|25, open=25|26|27, part=25|26|27, stretch+side~back~pull=20, stretch=27|20, side~pull=20, wide+back=20, back~pull=20, close+tight=24|23, close=-25, pucker=18, purse=24|23|18, tight=23|24, narrow=23|24, press=24, frown=15, curl=12
    jaw: lower=26|27, open=26|27, close=-26, raise=-26
    chin: raise~wrinkle~bunch~pucker=17, wrinkle~bunch~pucker=17, bunch=17, pucker=17
    nasolabial: deepen=11
""")  # noqa: E501 - a table
"""What a part and what happens to it stand for, tried in this order."""
