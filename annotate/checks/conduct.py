"""Checks of what an answer must not do: show its sources, name a person, guess demographics, refuse.

Each looks first whether a word that could matter is there at all; only then are phrases looked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from facedata.annotate.checks.base import Answer
from facedata.annotate.checks.lexicon import word_set

__all__ = ["no_demographics", "no_identity", "no_label_leak", "refusal"]

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")

# What a coding, a label or a prompt is called, and the words that show an answer leans on one.
_SOURCE = (
    r"(?:(?:action[ -]unit |au |facs |expert |human |ground[- ]?truth |attack |expression )*"
    r"(?:labels?|labelling|annotations?|annotators?|ground[- ]?truth|coding|codings|codes|coder'?s?|metadata|"
    r"prompt|instructions?|evidence|information|data|description|truth|parameters|list))"
)
_GIVEN = r"(?:given|provided|supplied|stated|listed|annotated|labell?ed|specified|indicated|mentioned|coded)"
_LEAK = re.compile(
    rf"\b(?:according to|based (?:up)?on|as per|consistent with|per|following|matching|in line with|"
    rf"in agreement with|from) (?:the |this |that |your |my |its )?(?:\w+'s )?(?:{_GIVEN} )?{_SOURCE}\b"
    rf"|\bas {_GIVEN}(?: (?:by|in|with|above) (?:the |your )?(?:\w+ )?{_SOURCE}\b| (?:above|here|"
    rf"to me)\b|[,.;]|$)"
    rf"|\b(?:was|were|are|is|been) (?:{_GIVEN} (?:to (?:me|us)|in the (?:prompt|question))|"
    rf"coded (?:as|by|in))\b"
    rf"|\b(?:the|this|your|its) (?:{_GIVEN} )?(?:labels?|annotations?|annotators?|ground[- ]?truth|metadata|"
    rf"expert coding|coding|prompt|instructions?|file|record|truth)(?: \w+)? "
    rf"(?:says?|states?|indicates?|shows?|lists?|gives?|tells?|names?|confirms?|marks?|reads?|notes?|"
    rf"specif(?:y|ies)|"
    rf"records?|has|have|is|are|mentions?|includes?|provided|calls?)\b"
    rf"|\bground[- ]truth\b|\b(?:provided|given|supplied) (?:{_SOURCE}|action units|expression|aus?)\b"
    rf"|\b(?:i|we) (?:was|were|am|are|have been) (?:told|given|informed|provided)\b"
    rf"|\b(?:labell?ed|annotated|tagged) as\b|\bannotators?\b"
    rf"|\bcoders? (?:noted|marked|said|saw|found|rated|scored|gave|assigned)\b",
    re.IGNORECASE,
)
_LEAK_WORDS = word_set("""
    label labels labelling labeled labelled annotation annotations annotated annotator annotators ground
    coding codings codes coder coders coded metadata prompt instruction instructions evidence information
    data given provided supplied stated listed specified indicated mentioned told informed truth tagged
    parameters description list record file
""")

_NAME = r"[A-Z][a-zà-ÿ]+(?:[ -][A-Z][a-zà-ÿ'’]+)*"
_IDENTITY = re.compile(
    r"\b(?i:looks? (?:(?:just|a lot|very much|exactly|a bit) )?like|resembl(?:es?|ing)|"
    r"reminiscent of|reminds? \w+ of|"
    rf"similar to|identified as|recogni[sz]ed? (?:\w+ )?as|known as|named|called|goes by|(?:appears|"
    rf"seems|likely|happens) to be|may be|might be|could be) (?!AU)(?P<like>{_NAME})"
    rf"|\b(?i:this|it|that|he|she|the (?:person|man|woman|subject|face|picture shows|"
    rf"photo shows)) (?:is|'s|of) (?P<is>{_NAME})"
    r"|(?i:\b(?:i|we) (?:can |could )?(?:recogni[sz]e|know) (?:this|the|him|her|that)\b (?:person|"
    r"man|woman|face|actor|"
    r"actress|individual|subject)?)"
    r"|(?i:\b(?:famous|well-known|renowned|celebrated) (?:\w+ )?(?:actor|actress|singer|politician|"
    r"person|athlete|"
    r"player|celebrity|president|face|star|musician)\b)"
    r"|(?i:\bcelebrit(?:y|ies)\b|\b(?:the|an?|former|american|british) (?:actor|actress|singer|"
    r"politician|president|"
    r"footballer|athlete|film star|pop star|movie star)\b)"
    r"|\b(?:Mr|Mrs|Ms|Dr|Prof|Sir|President|Senator|Queen|King|Prince|Princess)\.? (?P<title>[A-Z][a-z]+)"
    r"|(?<![.!?:\n] )(?<!^)(?<!\n)\b(?P<full>[A-Z][a-zà-ÿ]+ (?:[A-Z]\. )?[A-Z][a-zà-ÿ]{2,})\b"
    r"|\b(?P<begins>[A-Z][a-zà-ÿ]+ [A-Z][a-zà-ÿ]{2,}) (?:is|was|appears|looks|has|can|seems|smiles|wears)\b"
)  # fmt: skip
_IDENTITY_WORDS = word_set("""
    like resembles resemble resembling reminiscent remind reminds similar identified recognized recognised
    recognize recognise known know named called goes famous renowned celebrated celebrity celebrities actor
    actress singer politician president footballer athlete star mr mrs ms dr prof sir senator queen king
    prince princess
""")
_CAPITALS = re.compile(r"(?:is|'s|of|be|[A-Za-z,]) [A-Z][a-zà-ÿ]{2}")
_NO_NAMES = word_set("""
    action unit units facial coding system facs emfacs au the a an this that lcd oled inner outer brow brows
    lip lips lid cheek nose chin jaw upper lower eyes corner puller raiser lowerer tightener depressor
    dimpler moire duchenne bona fide english western left right mouth stretch drop part pucker wrinkler
    ekman together overall happiness sadness surprise fear disgust anger contempt neutral live spoof print
    replay mask no yes
""")

_DEMOGRAPHICS = {
    "gender": word_set("""
        man men woman women boy boys girl girls male female males females he she him his her hers himself
        herself lady ladies gentleman guy masculine feminine actor actress businessman businesswoman mother
        father son daughter wife husband man's woman's girl's boy's
    """),
    "age": word_set("""
        elderly teenager teenage teen teens toddler infant baby child children kid adolescent adult adults
        middle-aged middleaged youthful young younger youngster old older aged senior seniors twenties
        thirties forties fifties sixties seventies eighties man's woman's girl girls boy boys boy's girl's
    """)
    - {"man's", "woman's"},
    "race": word_set("""
        caucasian asian african hispanic latino latina latin indian arab arabic chinese japanese korean
        ethnic european oriental mestizo dark-skinned light-skinned ethnicity
    """),
}
_RACE = re.compile(
    r"\b(?:white|black|brown) (?:man|woman|person|male|female|people|boy|girl|individual|guy|lady|"
    r"face|subject)\b"
    r"|\b(?:dark|light|fair|brown|olive|pale|black|white)[- ]skinned\b|\b(?:fair|dark|olive|"
    r"brown) (?:complexion|skin)\b"
    r"|\bmiddle[- ]eastern\b|\bof (?:\w+ )?(?:descent|origin|ethnicity)\b",
    re.IGNORECASE,
)
_RACE_WORDS = word_set("""
    white black brown dark light fair olive pale skinned eastern descent origin ethnicity
""")
_AGE = re.compile(
    r"\b(?:\d+|\w+ty(?:-\w+)?|\w+teen)[- ]years?(?:[- ]old| of age)?\b|\bmiddle[- ]aged\b"
    r"|\b(?:in|around|about) (?:his|her|their|the) (?:early |mid |late )?(?:mid-|late-|early-)?\w+ties\b",
    re.IGNORECASE,
)
_OLD = re.compile(
    r"\b(?:old|older|aged|senior|adult) (?:\w+ )?(?:man|woman|person|people|lady|gentleman|guy|face|"
    r"subject|individual)\b"
    r"|\b(?:looks?|seems?|appears?) (?:to be )?(?:rather |quite |very )?(?:an )?(?:old|older|aged|"
    r"adult|senior)\b"
    r"|\b(?:an? |young |old )adults?\b|\bpeople of \w+ age\b"
)

_REFUSES = re.compile(
    r"\b(?:i(?:'m| am)|we(?:'re| are)) (?:very |really |so )?(?:sorry|afraid|unable|not able|"
    r"not comfortable)\b"
    r"|\bi (?:cannot|can't|can not|won't|will not|must decline|decline|am not able|don't feel|do not feel|"
    r"couldn't|could not|have to decline)\b"
    r"|\bas an? (?:ai|artificial|language|large)\b|\b(?:unable|not able|not possible|"
    r"impossible) (?:for me )?to "
    r"(?:help|assist|analy[sz]e|describe|identify|provide|process|comply|fulfil|view|see|comment|answer)"
    r"|\b(?:my|our) (?:guidelines|polic(?:y|ies)|rules|programming)\b|\bi apologi[sz]e\b"
    r"|\b(?:against|violates?) (?:my|our|the) (?:polic|guideline|terms)|\bcannot (?:assist|comply|"
    r"fulfil|help|process)\b"
    r"|\b(?:this|your|the) request (?:cannot|can't|could not|violates|is not)\b|\bno (?:image|"
    r"picture|photo) (?:was|is|has been) "
    r"(?:provided|attached|given|visible)\b",
    re.IGNORECASE,
)  # fmt: skip
_REFUSAL_WORDS = word_set("""
    i i'm we we're sorry unable cannot can't ai policy policies rules programming apologize apologise
    guidelines violates request impossible decline able image picture
""")


def _words(answer: Answer) -> frozenset[str]:
    if "words" not in answer.memo:
        answer.memo["words"] = frozenset(_WORD.findall(_text(answer).lower().replace("’", "'")))
    found: frozenset[str] = answer.memo["words"]
    return found


def _text(answer: Answer) -> str:
    if "text" not in answer.memo:
        answer.memo["text"] = "\n".join(answer.texts)
    found: str = answer.memo["text"]
    return found


def no_label_leak(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find answers that lean on a label, a coding or the prompt instead of on the picture."""
    del settings
    if _words(answer).isdisjoint(_LEAK_WORDS):
        return ""
    found = _LEAK.search(_text(answer).replace("’", "'"))
    return f"speaks of what it was given: {found.group().strip()!r}" if found else ""


def no_identity(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find names of persons, likenesses, and claims to know somebody."""
    del settings
    if _words(answer).isdisjoint(_IDENTITY_WORDS) and not _CAPITALS.search(_text(answer)):
        return ""
    for found in _IDENTITY.finditer(_text(answer)):
        name = next((name for name in found.groupdict().values() if name), None)
        if name is None or not {part.lower().strip(".'") for part in re.split(r"[ -]", name)} & _NO_NAMES:
            return f"says who it is, or may be: {found.group().strip()!r}"
    return ""


def no_demographics(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find age, gender or race where the task does not ask for it."""
    del settings
    words, text = _words(answer), _text(answer)
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
            return f"gives {kind} unasked: {found[0]!r}"
    return ""


def refusal(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find answers that decline to answer, though they may have the form of one."""
    del settings
    if _words(answer).isdisjoint(_REFUSAL_WORDS):
        return ""
    found = _REFUSES.search(_text(answer).replace("’", "'"))
    return f"refuses: {found.group()!r}" if found else ""
