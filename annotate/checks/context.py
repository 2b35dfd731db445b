"""What stands around a word and decides whether it says something of this picture at all."""

from __future__ import annotations

from collections.abc import Sequence

from facedata.annotate.checks import lexicon
from facedata.annotate.checks.clause import NEAR
from facedata.annotate.checks.known import KNOWN, PASSED
from facedata.annotate.checks.lexicon import word_set

__all__ = ["of_the_camera", "of_the_scene", "states"]

_STATES = word_set("""
    is was be been being are as shows show this picture image verdict answer label here : result decision
    conclusion conclude classification classify classified judge judged considered appears seems looks i'd
    isn't wasn't it's that's points point think indicates indicate suggests suggest means reveals proves
    confirms betrays
""")
_PERSONS = word_set("""
    face faces person human subject individual people capture presentation being user head spoof
""")  # "a real face" is a verdict, "real skin" may be one, "the real ones" is not
_QUALIFIES = frozenset(("real", "living", "authentic", "alive", "imitation"))
_SHOWN = frozenset(("shown", "seen", "visible", "here"))
_SCENE = word_set("background wall shirt scene desk shelf table lamp poster hand hands")
_OBJECTS = word_set("""
    phone phones tablet tablets laptop smartphone smartphones monitor television poster paper print prints
    printed sheet screen printer
""")
_TAKEN = word_set("recorded captured taken shot filmed photographed made")
_OF_PAPER = word_set("""
    edge edges fibre fibres fiber fibers grain texture surface sheet sheets border borders copy copies
    mask masks attack photo photograph printout margin margins crease creases fold folds face portrait
    picture image cutout material stock corner corners print prints
""")
_PRINTED = word_set("face faces photo photograph picture portrait image sheet paper copy")


def states(words: Sequence[str], place: int) -> bool:
    """Say whether a label is said of this face: "the face is live", "Verdict: fake"."""
    word = words[place]
    before, after = words[max(0, place - NEAR) : place], words[place + 1 : place + 1 + NEAR]
    if word in _QUALIFIES and after and after[0] not in _PERSONS and after[0] not in lexicon.CLOSERS:
        return False  # "the real eyes behind it"
    first = place == 0 and (not after or after[0] in lexicon.CLOSERS or after[0] in _PERSONS)
    return first or not _STATES.isdisjoint(before) or not _SHOWN.isdisjoint(after)


def of_the_scene(words: Sequence[str], place: int) -> bool:
    """Say whether a word means a thing that is in the picture by chance, or that took the picture."""
    word, after, before = words[place], _at(words, place + 1), _at(words, place - 1)
    if word == "scan":
        return after not in ("line", "lines")
    if (
        word == "display"
        and before.endswith("s")
        and not before.endswith("'s")
        and before not in ("is", "this")
    ):
        return True  # "the eyes display"
    if word not in _OBJECTS:
        return False
    if word == "printed" and after not in _PRINTED:
        return True  # a printed pattern on a shirt
    if word == "paper" and after.isalpha() and not (after in KNOWN or after in PASSED or after in _OF_PAPER):
        return not after.endswith(("s", "ed", "ing"))  # "a paper lamp", but "paper reflects"
    near = words[max(0, place - 3) : place]
    if ("with" in near or "by" in near) and not _TAKEN.isdisjoint(words[max(0, place - 6) : place]):
        return True  # "recorded with a tablet"
    return not _SCENE.isdisjoint(words[place + 1 : place + 8])


def of_the_camera(words: Sequence[str], place: int) -> bool:
    """Say whether a word means the camera's pixels, or a screen of dots: no sign of a medium."""
    near = (*words[max(0, place - 2) : place], *words[place + 1 : place + 4])
    if words[place] == "screen":
        return _at(words, place + 1) == "of" or _at(words, place - 1) == "halftone"
    return any(word in ("sensor", "sensor's", "camera", "camera's", "px") for word in near)


def _at(words: Sequence[str], place: int) -> str:
    return words[place] if 0 <= place < len(words) else ""
