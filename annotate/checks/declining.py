"""The check for refusals: an answer that declines, or that says there is nothing to answer from.

A refusal is read from its structure: somebody who speaks of themselves, an inability or a rule, and the task
or the picture as its object. "I cannot see any brow lowering" speaks of the face, and is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from facedata.annotate.checks.base import Answer, InProse
from facedata.annotate.checks.lexicon import word_set
from facedata.annotate.checks.scan import scan
from facedata.annotate.checks.text import text_of, words_of

__all__ = ["refusal"]

_CANNOT = (
    r"(?:cannot|can not|can't|could not|couldn't|will not|won't|must not|may not|do not|don't|"
    r"(?:am|'m|are|'re) (?:not (?:able|allowed|permitted|equipped|designed|comfortable|in a position|going)|"
    r"unable|incapable)(?: (?:to|of|with))?|(?:have|need|'ll have) to (?:decline|refuse)(?: to)?|"
    r"must (?:decline|refuse)(?: to)?|decline(?: to)?|refuse to|(?:would|'d) (?:rather|prefer) not(?: to)?|"
    r"prefer not to|shouldn't|should not|(?:do not|don't) feel comfortable|(?:lack|do not have|don't have|"
    r"have no|haven't|have not) (?:the |any |an )?(?:ability|capabilit(?:y|ies)|means|way|capacity|"
    r"permission)(?: (?:to|of|for))?)"
)
# Doing what the task asks for; who says that they cannot, has not done it.
_DO = (
    r"(?:help(?! but| noticing)|assist|analy[sz]e|analy[sz]ing|describe|describing|provide|providing|"
    r"comply|fulfil|fulfill|process|comment|evaluate|interpret|answer|complete|respond|discuss|participate|"
    r"offer|engage|speculate|perform|carry out|generate|produce|do that|do this|continue|proceed|view|"
    r"be able to|make (?:\w+ )?(?:assumptions|judge?ments?|guesses|claims|inferences|comments))"
)
# Verbs of judging and perceiving: a refusal only where the whole person, or the picture, is the object.
_JUDGE = (
    r"(?:tell|determine|determining|judge|judging|assess|assessing|know|knowing|infer|give|identify|"
    r"identifying|recogni[sz]e)"
)
_PERCEIVE = r"(?:see|seeing|find|look at|access|open|receive|have access to|have|load|read)"
_PICTURE = r"(?:images?|pictures?|photos?|photographs?|attachments?|files?|visual (?:input|content|data))"
_WHOLE = (
    rf"(?:{_PICTURE}|(?<!any )(?<!active )action units?|faces?|facial expressions?|expressions?|emotions?|"
    rf"emotional state|person|people|individuals?|someone|somebody|anything|request)"
)
_REFUSES = re.compile(
    r"\b(?:i(?:'m| am)|we(?:'re| are)) (?:very |really |so |truly )?sorry\b|(?:^|[.!\n] ?)(?:so )?sorry[,. ]"
    r"|\bi(?:'m| am) afraid (?:that )?(?:i|this|there|we)\b|\bi (?:do )?apologi[sz]e\b|\bmy apologies\b"
    r"|\bi(?:'m| am) (?:just |only |merely )?an ai\b|\b(?:within|beyond|outside)(?: of)? (?:my [a-z]+|"
    r"what (?:i|we) (?:can|could|am|are))"
    r"|\bi(?:'d| would) (?:rather|prefer) (?:not|to refrain)\b|\b(?:i|we)(?: \w+|'ll){0,3} (?:refrain|"
    r"abstain|pass on)\b|\bi(?:'m| am) (?:just |only )?a (?:text|language)[- ](?:based )?(?:\w+ )?(?:model|"
    r"assistant|ai)\b|\bi(?: \w+){0,2} have no (?:vision|eyes|access|way|means)\b|\bnot in a position to\b"
    rf"|\b(?:describing|analy[sz]ing|assessing|identifying|judging|evaluating|interpreting|commenting|"
    rf"discussing|"
    r"speculating|recogni[sz]ing|answering)\b[^.]{0,60}?\b(?:is|are|would be|isn't|lies|falls|"
    r"goes) (?:(?:not )?(?:permitted|allowed|possible|appropriate|something i|within my|supported|an option)|"
    r"beyond|outside|against|prohibited|forbidden|impossible|disallowed)"
    r"|\b(?:content|request|response) (?:has been|was|is|had to be) (?:blocked|declined|refused|denied|"
    r"filtered)\b|\bas an? (?:(?:multimodal |large )?(?:ai|language|artificial|vision)\b)"
    rf"|\b(?:i|we)(?: |(?='))(?:\w+ly )?{_CANNOT} (?:\w+ly |really |even |be able to |actually )?{_DO}\b"
    rf"|\b(?:i|we)(?: |(?='))(?:\w+ly )?{_CANNOT} (?:\w+ly |really |even |actually )?{_JUDGE}\b"
    rf"(?: (?!evidence|signs?|traces?|hints?|indications?)\w+){{0,4}}? {_WHOLE}\b(?! units?)"
    rf"|\b(?:i|we)(?: |(?='))(?:\w+ly )?{_CANNOT} (?:\w+ly |really |even |actually )?{_PERCEIVE}\b"
    rf"(?: (?!evidence|signs?|traces?|hints?|indications?)\w+){{0,3}}? {_PICTURE}\b"
    r"|\b(?:i|we) (?:have to|must|need to|will have to|respectfully|politely)? ?declin(?:e|ing)\b"
    rf"|\b(?:unable|not able|not possible|impossible|not allowed|not permitted) (?:for me )?to {_DO}\b"
    rf"|\b(?:cannot|can't) (?:assist|comply|fulfil|help(?! but)|process|be (?:fulfilled|processed|answered|"
    rf"completed))\b|\bnot (?:something|a task|a thing|anything) (?:that )?(?:i|we)(?: |')(?:can|do|am|m|"
    r"could|will|would|should)\b|\bi(?:'m| am) not (?:allowed|permitted|supposed)\b"
    r"|\b(?:not (?:be )?(?:appropriate|right|ethical|responsible|possible)|inappropriate|unethical|improper|"
    rf"impossible) for me\b|\b(?:not (?:be )?appropriate|inappropriate|unethical) to (?:{_DO}|judge|guess|"
    rf"assess|infer)\b"
    # a rule
    r"|\b(?:my|our|openai's|google's|the provider's) (?:\w+ )?(?:guidelines|polic(?:y|ies)|rules|programming|"
    r"restrictions|limitations|instructions)\b"
    r"|\b(?:privacy|safety|content|usage|ethical) (?:polic(?:y|ies)|guidelines|concerns?|reasons|"
    r"considerations|restrictions|rules)\b"
    r"|\b(?:this|your|the|such an?|that) request (?:cannot|can't|could not|violates|is not|goes|was|"
    r"has been)\b|\b(?:please|could you|can you|kindly) (?:please )?(?:\w+ )?(?:provide|upload|attach|share|"
    r"send|resend|re-?upload|try)\b|\btoo (?:\w+ ){1,3}for (?:me|us) to\b"
)
_NOTHING = re.compile(
    rf"\bno {_PICTURE} (?:(?:was|were|is|are|has been|have been|seems? to (?:be|have been)|came|for me|"
    rf"to look|in (?:your|the) message|provided|attached|received)\b)"
    rf"|\b{_PICTURE} (?:did not|didn't|does not|doesn't|could not|couldn't|cannot|can't|failed to|fails to|"
    rf"would not|wouldn't|was not|wasn't|has not|is not) (?:\w+ )?(?:load|open|display|upload|come through|"
    rf"attached|provided|received|uploaded|be (?:loaded|opened|displayed|processed|read|accessed))\b"
    rf"|\b{_PICTURE} (?:(?:is|was|seems?|appears?) )?(?:to be )?(?:currently )?(?:unavailable|missing|"
    rf"corrupted|corrupt|broken|damaged|empty|inaccessible|unreadable|not available)\b"
    r"|\bnothing (?:can be|i can|could be) (?:said|say|described?|told|tell|determined?) ?(?:about|"
    r"of (?:this|the) (?:pic|ima|pho)|from|[.,]|$)"
    r"|\b(?:not|isn't|n't) possible to (?:give|provide|make|say|determine|assess|judge|describe|tell|answer|"
    rf"analy[sz]e)\b|\b{_PICTURE} (?:cannot|can't|could not) be (?:described|analy[sz]ed|assessed|judged|"
    rf"evaluated)\b|\b(?:{_PICTURE}|quality|resolution) is too \w+ to (?:{_DO}|judge|see|tell|assess|"
    rf"determine)\b"
)
_SPEAKS = word_set("""
    i i'm i'd i've i'll we we're me sorry my our unable ai policy policies guidelines violates request
    impossible please decline inappropriate unethical appropriate privacy safety apologies allowed
    permitted prohibited forbidden beyond outside blocked declined
""")
_IMAGE = word_set("image images picture pictures photo photos photograph attachment file quality resolution")
_LACKS = word_set("""
    no too cannot can't not nothing unavailable missing corrupted corrupt broken damaged empty
    inaccessible unreadable didn't doesn't couldn't wasn't failed fails isn't hasn't wouldn't you
""")


# Somebody who speaks of themselves and denies, in an answer that says nothing of a face or a picture.
_DEMURS = re.compile(
    r"\b(?:i|we|me|i'm|i'd|i've|i'll)\b(?:[ ,]+[\w']+){0,5}?[ ,]+(?:\w+n't|not|cannot|unable|nothing|never|"
    r"refuse|avoid|beyond|outside|pass|rather|hesitate|help)\b"
)


def _says_nothing(answer: Answer) -> bool:
    return not any(scan(text) for text in answer.texts)


def refusal(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find answers that decline to answer, though they may have the form of one."""
    del settings
    words, found = words_of(answer), None
    if not words.isdisjoint(_SPEAKS):
        said = text_of(answer).lower()
        found = _REFUSES.search(said) or (_DEMURS.search(said) if _says_nothing(answer) else None)
    if found is None and not (words.isdisjoint(_LACKS) or words.isdisjoint(_IMAGE)):
        found = _NOTHING.search(text_of(answer).lower())
    return InProse(f"refuses: {found.group().strip()!r}") if found else ""
