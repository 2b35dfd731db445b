"""The check that an answer does not speak of where it knows things from: a label, a coding, the prompt.

An answer about a picture leans on a source where it names one that no picture has (annotation, ground truth,
dataset), has a source say something, rests on one, or speaks of what the reader gave it. Words that a picture
has as well (evidence, data, list, hint) count only with something that tells where they come from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from facedata.annotate.checks.base import Answer, InProse
from facedata.annotate.checks.lexicon import word_set
from facedata.annotate.checks.text import text_of, words_of

__all__ = ["no_label_leak"]

_GIVEN = (
    r"(?:given|provided|supplied|stated|listed|annotated|labell?ed|specified|indicated|mentioned|coded|"
    r"shared|handed|assigned|known|attached|accompanying|reported|recorded|official|correct|true|actual)"
)
# What only a file, a table or a request has.
_SOURCE = (
    r"(?:labels?|labelling|tags?|annotations?|ground[- ]?truth|codings?|codes|metadata|prompt|instructions?|"
    r"reference(?: answers?)?|answer key|task|request|question|message|dataset|data ?set|database|"
    r"spreadsheet|csv|file ?names?|records?|gold standard)"
)
# What a picture or an answer may have too.
_VAGUE = (
    r"(?:evidence|information|data|description|caption|details?|truth|parameters|list|hints?|answers?|file|"
    r"units?)"
)
_KIND = (
    r"(?:action[ -]units? |aus? |facs |expert |human |attack |expression |emotion |class |reference |user |"
    r"sample |image |picture |photo )"
)
_SAYS = (
    r"(?:say|state|indicate|list|give|tell|name|confirm|mark|read|note|specif(?:y|ie)|record|mention|include|"
    r"provide|call|assign|reveal|agree|match|suggest|report|show|describe|identif(?:y|ie)|classif(?:y|ie))"
    r"(?:e?s|e?d|ing)?\b"
)
_RESTS = (
    r"(?:according to|based? (?:\w+ )?(?:up)?on|per|consistent with|follow(?:s|ing|ed)?|match(?:es|ing)?|"
    r"in (?:line|agreement|accordance|keeping) with|agree(?:s|ing)? with|rel(?:y|ies|ied|ying) on|"
    r"(?:comes?|came|taken|know|known|see|follows) from|from|correspond(?:s|ing)? (?:to|with)|judging (?:by|"
    r"from)|given|considering|trust(?:ing)?|confirm(?:s|ed|ing)?|quot(?:e|ing)|in)"
)
_THE = r"(?:the |this |that |these |those |your |my |its |any |all )"
_GAVE = (
    r"(?:gave|give|given|provided?|supplied|shared?|told|listed|mentioned|sent|specified|stated|described|"
    r"informed|indicated|attached|wrote|included?|said)"
)
_LEAK = re.compile(
    # named at all
    r"\bground[- ]?truth\b|\bannotat(?:ed|ions?|ors?)\b|\bmetadata\b|\b(?:the|this|that|your) (?:data ?set|"
    r"prompt|instructions)\b|\b(?:labell?ed|tagged) as\b|\bas instructed\b|\bfile ?names?\b|\banswer key\b"
    rf"|\b(?:the|its|their|your|{_GIVEN}) {_KIND}*(?:labels?|codings?)\b(?! (?:on|of) the (?:shirt|bottle|"
    rf"cloth))|\b(?:expert|facs|human|manual|certified|trained) (?:coding|coders?|labels?)\b"
    r"|\b(?:the|its) (?:stated|given|pre-?assigned|assigned|target|requested|specified|indicated|listed|"
    r"official|reported|recorded|intended|provided|supplied) (?:emotion|expression|category|class|attack|"
    r"species|verdict|answer|label|units?|codes?|name|type)\b|\b(?:accompanying|attached) (?:text|caption|"
    r"notes?|information|data|description)\b"
    r"|\b(?:identified|known|given|told|disclosed|revealed|coded|determined) (?:in advance|beforehand|"
    r"at the outset|upfront|to me)\b|\bknowing (?:that|the) (?:it|this|he|she|answer|label|truth|coding|"
    r"emotion|expression|attack)\b|\bsystem (?:message|prompt)\b"
    r"|\b(?:the|your|my) input\b|\btruth table\b"
    # it says something
    rf"|\b(?:the|this|your|its|a|\w+'s) (?:{_GIVEN} )?{_KIND}*(?:{_SOURCE}|data|list|file|hints?)"
    rf"(?: (?:also|already|clearly|further|itself|here|you \w+|that you \w+|has|have|for \w+ \w+))* {_SAYS}"
    rf"|\bcoders? (?:also |have |had |had also )?(?:{_SAYS}|saw|found|rated|scored|gave)"
    # it is leant on
    rf"|\b{_RESTS} {_THE}?(?:\w+'s )?(?:{_GIVEN} )*{_KIND}*{_SOURCE}\b(?! (?:mark|is|of what))"
    rf"|\b{_RESTS} {_THE}?(?:{_GIVEN} )+{_KIND}*{_VAGUE}\b"
    rf"|\bin (?:the|your) (?:question|prompt|request|instructions?|message|task)\b"
    # it was given
    rf"|\b(?:the )?users? (?:has |have |had |also )*(?:{_GAVE}|asked|wants?)\b"
    rf"|\byou(?:'ve| have|r request)? (?:already |also |just |kindly )*{_GAVE}\b"
    r"|\byour (?:prompt|message|list|question|instructions?|hints?|description|information|labels?|coding|"
    rf"data|request|input|notes?)\b|\b(?:i|we) (?:was|were|am|are|have been|had been|'ve been|"
    rf"got) (?:already |also )*(?:told|given|informed|provided|supplied|asked to|shown the)\b|"
    r"\bi've been (?:told|given|informed|provided)\b"
    rf"|\b(?:was|were|are|is|been|as) {_GIVEN} (?:to (?:me|us)|(?:by|in) (?:the|your) (?:user|prompt|"
    rf"question|coders?|experts?|annotators?|request|instructions?))\b"
    rf"|\b(?:provided|supplied|specified) (?:{_KIND}*{_SOURCE}|action units|expression|emotion|aus?|units|"
    rf"{_VAGUE})\b|\b(?:action units|aus|expression|emotion|caption|{_SOURCE}|{_VAGUE}) (?:that (?:was|"
    rf"were) )?(?:provided|supplied|specified)\b"
    r"|\bgiven (?:action units|aus?\b|expression|emotion|coding|labels?)"
    r"|\bas given(?:[,.;]| (?:above|here|to me))|\b(?:was|were) coded (?:as|by|in)\b",
    re.IGNORECASE,
)
_MATTER = word_set("""
    label labels labelling labeled labelled tag tags tagged annotation annotations annotated annotator
    annotators ground coding codings code codes coder coders coded metadata prompt instruction
    instructions instructed reference answer answers key task request question message dataset database
    data spreadsheet csv filename filenames file record records gold user users you your you've given
    provided supplied told informed shared handed input asked truth specified listed i've accompanying
    attached advance beforehand outset upfront knowing system stated assigned preassigned target requested
""")


def no_label_leak(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find answers that lean on a label, a coding or the prompt instead of on the picture."""
    del settings
    if words_of(answer).isdisjoint(_MATTER):
        return ""
    found = _LEAK.search(text_of(answer))
    return InProse(f"speaks of what it was given: {found.group().strip()!r}") if found else ""
