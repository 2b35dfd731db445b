"""The words that the claim parser knows: parts of the face, what happens to them, how English denies it.

Plain data, one word form each: a lookup decides, no stemming. `FRAMES` says which action units a part and
what happens to it stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "ABSENT",
    "AGENTS",
    "BE",
    "DENIERS",
    "ENDERS",
    "FRAMES",
    "GLUE",
    "LOCATIVE",
    "NEEDS",
    "OPEN",
    "PREPOSITIONS",
    "PSEUDO",
    "RESTING",
    "TERMS",
    "UNCODED",
    "VISIBLE",
    "Frame",
    "word_set",
]


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(words.split())


def _words(table: str) -> dict[str, str]:
    """Return word -> value of lines `value: word word ...`."""
    found: dict[str, str] = {}
    for line in table.strip().splitlines():
        value, _, words = line.partition(":")
        found |= dict.fromkeys(words.split(), value.strip())
    return found


_PARTS = _words("""
    brow: brow brows eyebrow eyebrows brow's
    eye: eye eyes
    lid: lid lids eyelid eyelids
    cheek: cheek cheeks
    nose: nose nasal
    nostril: nostril nostrils
    nasolabial: nasolabial
    lip: lip lips
    mouth: mouth
    corner: corner corners
    jaw: jaw
    chin: chin
    other: forehead face head tongue teeth cheekbones cheekbone temple temples ear ears neck
""")
# "lower" is an action as well: the parser decides by the word that follows.
_PLACES = _words("""
    inner: inner medial innermost
    outer: outer lateral outermost tails tail
    upper: upper top
    bottom: bottom
""")
_ACTIONS = _words("""
    raise: raise raised raises raising raiser rise rises rising risen lift lifts lifted lifting elevate
    raise: elevated
    raise: climb climbs climbing elevates elevation arched arch arches arching up upward upwards upturned
    raise: hoisted hiked
    lower: lower lowered lowers lowering lowerer down downward downwards drop drops dropped dropping droop
    lower: droops
    lower: drooping sag sags sagging depressed depressor downturned sinks sunk slack low fall falls fallen
    lower: hang hangs
    together: touch touching touches frown frowns frowning frowned together knit knitted knits knitting
    together: furrow furrowed furrows furrowing scowl
    tight: tight tightly tighten tightened tightens tightening tightener tense tensed tension taut
    narrow: narrow narrowed narrows narrowing squint squinted squinting squints slits slit compressor
    narrow: constricted
    press: press pressed presses pressing pressor clamped clenched
    part: part parted parts parting apart separate separated separates gap gape gapes gaping agape ajar
    open: open opened opens opening
    close: closed closes closing shut sealed
    wide: wide widely widened widens widening wider
    stretch: stretch stretched stretches stretching stretcher
    side: sideways horizontal sides laterally horizontally outward outwards
    back: back backwards
    pull: pull pulled pulls pulling puller
    wrinkle: wrinkle wrinkled wrinkles wrinkling wrinkler crinkle crinkled crinkles creased creases scrunched
    wrinkle: scrunches bunch bunches bunched bunching dimpled puckers scrunching
    pucker: pucker puckered puckering purse pursed
    funnel: funnel funneled funneler funnelled
    suck: suck sucked sucks rolled inwards
    flare: flare flared flares flaring dilate dilated dilator
    deepen: deepen deepened deepens deepener deeper deep
    curl: curl curled curls
    tuck: tuck tucked tucks
    sharp: sharp sharply
    rest: relaxed relax resting rest unmoved motionless still neutral smooth
""")
_UNITS = {  # nouns that stand for a unit on their own
    "smile": 12, "smiles": 12, "smiling": 12, "grin": 12, "grinning": 12, "dimple": 14, "dimples": 14,
    "dimpler": 14, "dimpling": 14, "crow's": 6, "blink": 45, "blinks": 45, "blinking": 45, "wink": 46,
    "winks": 46, "winking": 46,
}  # fmt: skip
_EXPRESSIONS = _words("""
    happiness: joyfulness delight delighted happy happiness joy joyful joyous cheerful happily
    sadness: grief gloomy sad sadness sorrow sorrowful unhappy
    surprise: amazed amazement startled surprise surprised astonished astonishment
    fear: dread terror terrified fear fearful afraid frightened scared
    disgust: aversion disgust disgusted revulsion
    anger: rage enraged annoyed irritated anger angry angered furious
    contempt: contempt contemptuous disdain scorn
    neutral: neutral
""")
_LABELS = _words("""
    live: live genuine bona
    spoof: spoof spoofed spoofing fake attack attacks counterfeit
""")
_MEDIA = _words("""
    print: print prints printed printout printouts printer inkjet laser toner paper sheet printing
    replay: screen screens display monitor replay replayed phone tablet laptop lcd oled projector projected
    mask: mask masks silicone resin latex
""")
_SIDES = _words("left: left\nright: right\nboth: both bilateral bilaterally")
_CUES = _words("""
    print: halftone ink inks dots fibre fibres fiber fibers paper's
    replay: pixel pixels subpixel subpixels bezel backlight scanline scanlines refresh
    mask: seam seams shell
    print replay: moire moiré lattice raster
""")


def _terms() -> dict[str, tuple[tuple[str, str], ...]]:
    terms: dict[str, list[tuple[str, str]]] = {}
    tables = {
        "part": _PARTS,
        "place": _PLACES,
        "action": _ACTIONS,
        "expression": _EXPRESSIONS,
        "label": _LABELS,
        "medium": _MEDIA,
        "side": _SIDES,
        "cue": _CUES,
        "unit": {word: str(au) for word, au in _UNITS.items()},
    }
    for kind, table in tables.items():
        for word, value in table.items():
            terms.setdefault(word, []).append((kind, value))
    return {word: tuple(found) for word, found in terms.items()}


TERMS = _terms()
"""Lower-case word -> its readings, (kind, value)."""

AGENTS = word_set("""
    raiser lowerer depressor tightener pressor puller stretcher wrinkler deepener funneler compressor
    dilator
""")
"""Actions in the names of units, which have no object."""

GLUE = word_set("""
    of the a an his her their its both this these that very slightly slight clearly clear strongly strong
    mild marked markedly visible any same more most somewhat visibly gently firmly bridge root run runs skin
    middle ends end halves half lies lie move moves moved moving tugged drawn drawing draws push pushes
    pushed
""")
"""Words that may stand between an adjective or verb and its object."""

BE = word_set("""
    is are was were be been being remain remains remained stay stays stayed do does did can could has have
    had shows show showing shown seems seem appears appear looks look keep keeps kept
""")
"""Verbs that make a clause of what stands before them."""

DENIERS = word_set("""
    no not without neither nor never none lack lacks lacking absence cannot vain fails fail failed devoid
    unlike nothing isn't aren't wasn't weren't doesn't don't didn't can't hasn't haven't nobody
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
    present visible seen active activated observed observable detected shown evident engaged involved found
    there apparent occur occurring appear show contribute exist noticeable discernible displayed recruited
    take takes place fire exhibited noted made out recognisable recognizable happen detectable
""")
"""What must follow "is not" to deny a unit that stands before it: "AU12 is not strong" denies nothing."""

NEEDS = {"instead": {"of"}, "free": {"of", "from"}, "rather": {"than"}, "opposed": {"to"}}
"""Words that deny only before these."""

ABSENT = word_set("""
    absent missing inactive unseen invisible undetected nonexistent
""")
"""Words that deny what they are said of."""

ENDERS = word_set("""
    but while whereas although though yet however whilst because so with as since
""")
"""Words that begin a clause of its own: a denial does not reach over them."""

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
    would if could might may expected expect expects usually typically often mistaken confused whether
    unclear uncertain should normally commonly otherwise
""")
"""Words that make a clause say nothing about this picture."""

RESTING = {
    "brow": (1, 2, 4), "inner brow": (1, 4), "outer brow": (2,), "cheek": (6,), "nose": (9,), "chin": (17,),
    "jaw": (26, 27), "lip corner": (12, 15), "mouth": (12, 15, 20, 25, 26, 27), "lid": (5, 7),
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
    inner brow: raise=1, together=4, lower=4
    outer brow: raise=2, lower=4, together=4
    brow: raise=1|2, lower~together=4, together=4
    upper lid: raise~wide~open=5, wide~open=5, open=5, tight=7, close=43
    lower lid: raise~tight=7|6, tight~narrow=7, narrow=7
    lid: raise~wide~open=5, wide~open=5, tight~narrow=7, narrow=7|6, close=43
    eye: wide~open=5, narrow~tight=7|6, tight=7, close~tight=43, open=-43
    eye corner: wrinkle=6
    cheek: raise=6
    nose: wrinkle=9
    nostril: flare=38, wide=38, narrow=39
    upper lip: raise=10, curl=10
    lower lip: lower=16
    lip corner: sharp+raise~pull=13, raise~side~back~pull~curl=12, lower~side~back~pull=15, tuck~tight=14, tight=14, side~pull=20, back~pull=20|12, stretch=20, pull=12, curl=12
    lip: sharp+pull=13, press~together~tight~narrow=24, tight~narrow=23, narrow=23|24, part=25, open=25, stretch~side~back~pull=20, pucker=18, funnel=22, suck=28, side~back~pull=20, back~pull=20, close=-25, together=-25, curl=12
    mouth: wide+side~open=20, wide+open~stretch=27|26|25, stretch+open=27|26|25, open=25|26|27, part=25|26|27, stretch+side~back~pull=20, stretch=27|20, side~pull=20, close=-25, pucker=18, tight=23|24
    jaw: lower=26|27, open=26|27, close=-26, raise=-26
    chin: raise~wrinkle=17, wrinkle=17
    nasolabial: deepen=11
""")  # noqa: E501 - a table
"""What a part and what happens to it stand for, tried in this order."""
