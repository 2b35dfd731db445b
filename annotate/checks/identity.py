"""The check that nobody is named, likened to somebody, or said to be known.

A name is told by its capitals: where none is due, on words that are not those of faces and pictures. Two such
words in a row are a name; one is, beside a word that names (is, like, called, resembles). Professions of the
famous and claims of recognition need no name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from facedata.annotate.checks.base import Answer, InProse
from facedata.annotate.checks.lexicon import TERMS, VISIBLE, word_set
from facedata.annotate.checks.text import text_of, words_of
from facedata.annotate.facs import ACTION_UNITS, EXPRESSIONS

__all__ = ["no_identity"]

_WORD = r"[A-ZÀ-Þ](?:'[A-Z])?[a-zà-ÿ]+(?:'?[A-Z][a-zà-ÿ]+)?"
_FULL = rf"{_WORD}(?: (?:[A-Z]\.|{_WORD}|de|da|del|van|von|der|bin|al|el|la))*(?: |-){_WORD}"
_RELATION = (
    r"(?:look(?:s|ed|ing)? (?:\w+ ){0,3}like|resembl(?:es?|ed|ing)|resemblance (?:to|with)|likeness (?:to|of|"
    r"with)|reminiscent of|remind(?:s|ed)? \w+ (?:\w+ )?of|similar to|(?:mistaken|taken) for|"
    r"confused? \w* ?\w* ?with|spitting image of|ringer for|double of|lookalike of|identified as|"
    r"recogni[sz]ed? (?:\w+ )?as|known as|named|called|goes by|names? (?:is|was|might be|may be|could be|"
    r"must be)|(?:to|may|might|could|must|can only) be|(?:this|it|that|he|she|who|person|man|woman|subject|"
    r"face|individual|here|obviously|clearly|probably) ?(?:is|'s|was)(?: (?:obviously|clearly|certainly|"
    r"probably|likely|definitely))?|(?:photo|picture|portrait|image|photograph|shot|face|likeness|"
    r"features) of|belongs? to|sees?|meet|shows|depicts|features|portrays|by)"
)
# Capitals are due at the start of a sentence, an entry, a quotation, or after a mark of Markdown.
_MID = r"(?<=[a-z,;)] )"
_NAMES = re.compile(
    rf"{_MID}(?P<full>{_FULL})\b|(?i:\b(?:looks? like|resembl(?:es?|"
    rf"ing))) (?:[a-z]+ ){{1,2}}(?P<like>{_WORD})\b|(?i:{_RELATION}) (?:the )?(?P<one>{_FULL}|{_WORD})\b"
    rf"|\b(?P<begins>{_FULL})(?='s\b|, |\.| (?:is|was|appears?|looks|has|can|seems|stares|gazes|poses|faces|"
    rf"wears|stands|sits|[a-z]+s)\b)|\b(?:Mr|Mrs|Ms|Dr|Prof|Professor|Sir|President|Senator|Queen|King|"
    rf"Prince|Princess|Pope|Chancellor|Lord|Lady|Duke|Duchess|Earl|Archbishop|"
    rf"Captain|General)\.? (?:of )?(?P<title>{_WORD})"
    rf"|\b(?P<appears>[A-ZÀ-Þ][a-zà-ÿ]+)(?= (?:smiles|grins|frowns|is smiling|is seen|is shown|is pictured|"
    rf"poses)\b)"
)
_KNOWN_PERSON = re.compile(
    r"\b(?:i|we) (?:can |could |do |also |immediately |certainly |must )*(?:recogni[sz]ed?|know|identif(?:y|"
    r"ied)) (?:who\b|this (?:face|person|man|woman|individual|actor|actress)|him|her|them\b|the (?:person|"
    r"man|woman|face|actor|actress|individual|subject))"
    r"|\b(?:famous|well[- ]known|renowned|celebrated|prominent|notable|public) (?:\w+ )?(?:actors?|actress|"
    r"singer|politician|person|personality|athlete|player|celebrity|president|face|star|musician|individual|"
    r"man|woman|artist|scientist|writer|figure|model|public figure|footballer|somebody|someone)\b"
    r"|\bcelebrit(?:y|ies)\b|\bpublic figure\b"
    r"|\b(?:actor|actress|singer|politician|president|chancellor|prime minister|footballer|athlete|film star|"
    r"pop star|movie star|tv host|news anchor|comedian|rapper|influencer|musician|senator|billionaire|"
    r"supermodel|laureate|olympian)\b"
    r"|\b(?:know|known|knew|recogni[sz]e[ds]?|familiar|seen|remember(?:ed)?|famous) (?:\w+ ){1,5}?(?:from|in|"
    r"for) (?:\w+ ){0,4}?(?:films?|movies?|tv|television|series|news|music|albums?|sitcom|role|roles)\b"
    r"|\b(?:face|person|he|she|they) (?:is|are|looks?) (?:very )?(?:well[- ]known|famous|"
    r"familiar to (?:me|many))\b",
    re.IGNORECASE,
)
_FAME = word_set("""
    recognize recognise recognized recognised recognizes recognises famous renowned celebrated prominent
    notable public celebrity celebrities actor actors actress singer politician president chancellor
    minister footballer athlete star host anchor comedian rapper influencer musician senator billionaire
    supermodel laureate olympian familiar well film films movie movies tv television series news music
    album albums sitcom role roles
""")
_KNOW = word_set("know knew identify identified")
_CAPITALISED = re.compile(r"[A-ZÀ-Þ](?:'[A-Z])?[a-zà-ÿ]+")
_NAMING = re.compile(r" (?:[A-ZÀ-Þ]|(?:smile|grin|frown|i|pose)s\b)")

# Words of faces and pictures, which headings and names of units and effects write with capitals.
_PLAIN = word_set("""
    i a an and or of the in on at by for with to from no not none yes this that these those it its there
    here they their them he his she her we you your is are was be as so but if while although since
    because however moreover furthermore additionally overall together therefore thus hence also both each
    all only one two three first second third finally next then when where what which who why how now note
    lastly instead action unit units au aus facs emfacs facial coding system code coder face faces
    expression expressions emotion emotional analysis description answer conclusion verdict result label
    classification final summary key evidence reason reasons reasoning explanation observation
    observations detail details feature features area region regions part side sides corner forehead
    muscle muscles movement activity intensity trace slight marked severe maximum present absent active
    inactive visible confidence level high low medium very strong brow eyebrow eyelid eyes skin hair teeth
    tongue neck head gaze pose background foreground lighting light image picture photo photograph
    portrait person subject individual man woman genuine bona fide real fake spoof attack presentation
    type species print printed paper sheet replay screen display mask silicone resin moire moiré halftone
    pixel pixels grid lcd oled led lens camera sensor bayer gaussian fresnel lambertian duchenne ekman
    friesen frontalis corrugator zygomaticus major minor orbicularis oculi oris mentalis levator depressor
    labii superioris inferioris anguli buccinator risorius platysma masseter nasalis supercilii palpebrae
    alaeque nasi upper lower inner outer left right centre center top bottom raised lowered texture depth
    edges edge reflection reflections specular highlights shadows color colour colors colours english
    latin western european january february march april june july august september october november
    december monday tuesday wednesday thursday friday saturday sunday iphone android samsung photoshop
    jpeg christmas polaroid unlike neither nor without based given looking raising signs sign indicators
    indicator primary secondary main other primary physical digital natural unnatural possible likely
    surface material border frame glare artifacts artefacts location visual cue cues quality position
    direction shape line lines
""")
_NO_PERSON = _PLAIN | TERMS.keys() | VISIBLE | frozenset(EXPRESSIONS)


@functools.cache
def _plain() -> frozenset[str]:
    """Return all words that are no names, those of the units' own names and muscles among them."""
    unit_words = {
        word for unit in ACTION_UNITS.values() for word in (*unit.name.split(), *unit.muscles.split())
    }
    return _NO_PERSON | {word.strip(",") for word in unit_words}


def no_identity(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find names of persons, likenesses, and claims to know somebody."""
    del settings
    text = text_of(answer)
    words = words_of(answer)
    known = not words.isdisjoint(_FAME) or not (words.isdisjoint(_KNOW) or words.isdisjoint(("i", "we")))
    if known and (found := _KNOWN_PERSON.search(text)):
        return InProse(f"says who it is, or may be: {found.group().strip()!r}")
    if not _may_name(text):
        return ""
    for named in _NAMES.finditer(text):
        name = next(name for name in named.groupdict().values() if name)
        if not {part.lower() for part in re.split(r"[ -]", name)} & _plain():
            return InProse(f"says who it is, or may be: {named.group().strip()!r}")
    return ""


def _may_name(text: str) -> bool:
    """Say whether a capital stands where none is due, on a word that is not of faces; a quick look."""
    plain = _plain()
    for found in _CAPITALISED.finditer(text):
        if found[0].lower() not in plain:
            before = text[max(0, found.start() - 2) : found.start()]
            if before[1:] == " " and (before[0].islower() or before[0] in ",;)"):
                return True
            if _NAMING.match(text, found.end()):
                return True
    return False
