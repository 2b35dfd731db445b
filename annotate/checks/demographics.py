"""The check that age, gender and race are not guessed where the task does not ask for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from facedata.annotate.checks.base import Answer, InProse
from facedata.annotate.checks.lexicon import word_set
from facedata.annotate.checks.text import text_of, words_of

__all__ = ["no_demographics"]

_DEMOGRAPHICS = {
    "gender": word_set("""
        man men woman women boy boys girl girls male female males females he she him his her hers himself
        herself lady ladies gentleman guy masculine feminine actor actress businessman businesswoman mother
        father son daughter wife husband grandmother grandfather grandma grandpa aunt uncle bride groom
        schoolboy schoolgirl gentlemen ma'am bloke dude policeman policewoman man's woman's girl's boy's
    """),
    "age": word_set("""
        elderly teenager teenage teen teens toddler infant baby child children kid kids adolescent adult
        adults infants octogenarian pensioner preteen preschooler newborn middle-aged middleaged youthful
        young younger youngster old older aged senior seniors twenties thirties forties fifties sixties
        seventies eighties man's woman's girl girls boy boys boy's girl's
    """)
    - {"man's", "woman's"},
    "race": word_set("""
        caucasian asian african hispanic latino latina latin indian arab arabic chinese japanese korean
        vietnamese nordic slavic scandinavian mediterranean latinx eurasian afro ethnic european oriental
        mestizo dark-skinned light-skinned ethnicity
    """),
}
_RACE = re.compile(
    r"\b(?:white|black|brown) (?:man|woman|person|male|female|people|boy|girl|individual|guy|lady|"
    r"face|subject)\b|\b(?:dark|light|fair|brown|olive|pale|black|white)[- ]skinned\b|\b(?:fair|dark|olive|"
    r"brown) (?:complexion|skin)\b"
    r"|\bmiddle[- ]eastern\b|\bof (?:\w+ )?(?:descent|origin|ethnicity)\b",
    re.IGNORECASE,
)
_RACE_WORDS = word_set("""
    white black brown dark light fair olive pale skinned eastern descent origin ethnicity
""")
_AGE = re.compile(
    r"\b\d+ (?:\w+ ){0,3}years?\b|\b(?:aged?|turned) (?:about |around |over )?\d+\b|\b(?:under|"
    r"over) \d+ years\b|\b(?:\d+|\w+ty(?:-\w+)?|\w+teen)[- ]years?(?:[- ]old| of age)?\b|\bmiddle[- ]aged\b"
    r"|\b(?:in|around|about) (?:his|her|their|the) (?:early |mid |late )?(?:mid-|late-|early-)?\w+ties\b",
    re.IGNORECASE,
)
_OLD = re.compile(
    r"\b(?:old|older|aged|senior|adult) (?:\w+ )?(?:man|woman|person|people|lady|gentleman|guy|face|"
    r"subject|individual)\b|\b(?:looks?|seems?|appears?) (?:to be )?(?:rather |quite |very )?(?:an )?(?:old|"
    r"older|aged|adult|senior)\b|\b(?:an? |young |old )adults?\b|\bpeople of \w+ age\b"
)


def no_demographics(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find age, gender or race where the task does not ask for it."""
    del settings
    words, text = words_of(answer), text_of(answer)
    for kind, known in _DEMOGRAPHICS.items():
        if kind in answer.task.sensitive:
            continue
        found = sorted(words & known)
        if kind == "age":
            vague = {"old", "older", "aged", "adult", "senior"}
            found = [word for word in found if word not in vague or _OLD.search(text.lower())]
            found += [hit.group() for hit in _AGE.finditer(text)] if "year" in text or "aged" in text else []
        if kind == "race" and not found and words & _RACE_WORDS:
            found = [hit.group() for hit in _RACE.finditer(text)]
        if found:
            return InProse(f"gives {kind} unasked: {found[0]!r}")
    return ""
