"""The words that the claim parser knows: parts of the face, what happens to them, feelings, labels, media.

Plain data, one word form each: a lookup decides, no stemming. A word may have several readings; a value of
several names, `12|14` or `fear sadness`, means one of them.
"""

from __future__ import annotations

__all__ = ["TERMS", "word_set"]


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
    eye: eye eyes eyed
    lid: lid lids eyelid eyelids
    cheek: cheek cheeks
    nose: nose nasal
    nostril: nostril nostrils
    nasolabial: nasolabial
    lip: lip lips
    mouth: mouth
    corner: corner corners
    jaw: jaw mandible
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
    raise: elevated climb climbs climbing elevates elevation arched arch arches arching up upward upwards
    raise: upturned hoisted hiked cocked peaked hoist hoists
    lower: lower lowered lowers lowering lowerer down downward downwards drop drops dropped dropping droop
    lower: droops drooping sag sags sagging depressed depressor downturned sinks sunk slack low fall falls
    lower: fallen hang hangs hanging hung slump slumped slumps descend descends descended dips dipped
    together: touch touching touches together knit knitted knits knitting furrow furrowed furrows furrowing
    together: scowl scowling contract contracted contracts contraction contracting converge converging
    together: converged pinch pinched pinching
    frown: frown frowns frowning frowned
    inward: inward
    tight: tight tightly tighten tightened tightens tightening tightener tense tensed tension taut tensing
    tight: tightness stiff stiffened strained hardened
    narrow: narrow narrowed narrows narrowing squint squinted squinting squints slits slit compressor
    narrow: constricted thin thinned thinner thinning
    press: press pressed presses pressing pressor clamped clenched compressed compress compresses compressing
    press: squeezed squeeze squeezes squeezing
    part: part parted parts parting apart separate separated separates gap gape gapes gaping agape ajar
    open: open opened opens opening
    close: closed closes closing shut shuts sealed
    wide: wide widely widened widens widening wider enlarged widen
    stretch: stretch stretched stretches stretching stretcher elongated
    side: sideways sides laterally horizontally outward outwards
    level: horizontal
    back: back backwards backward retract retracted retracts retraction
    pull: pull pulled pulls pulling puller
    wrinkle: wrinkle wrinkled wrinkles wrinkling wrinkler crinkle crinkled crinkles crinkling creased creases
    wrinkle: scrunched scrunches scrunching scrunch dimpled puckers
    bunch: bunch bunches bunched bunching bulge bulges bulged bulging
    pucker: pucker puckered puckering
    purse: purse pursed purses pursing
    funnel: funnel funneled funneler funnelled
    suck: suck sucked sucks rolled inwards
    flare: flare flared flares flaring dilate dilated dilator
    deepen: deepen deepened deepens deepener deeper deep
    curl: curl curled curls curling curve curves curved
    tuck: tuck tucked tucks
    sharp: sharp sharply
    rest: relaxed relax resting rest unmoved motionless still neutral smooth unchanged unaffected immobile
""")
# Nouns that stand for a unit on their own, and muscles; of several the words fit any.
_UNITS = _words("""
    12: smile smiles smiling grin grins grinning laughing zygomaticus zygomatic
    12|14: smirk smirks smirking
    10|9|14: sneer sneers sneering
    10|9: snarl snarls snarling
    14: dimple dimples dimpler dimpling buccinator
    4: corrugator procerus supercilii scowl scowls scowling
    1|2: frontalis
    5: sclera sclerae whites palpebrae
    6: crow's
    6|7: oculi
    9|10: alaeque
    10|16|9: labii
    15|13: anguli
    17: mentalis
    20: risorius platysma
    23|24|18|22|28: oris
    26|27: masseter
    45: blink blinks blinking
    46: wink winks winking
""")
_EXPRESSIONS = _words("""
    happiness: happiness happy happily happier joy joyful joyous joyfully joyfulness cheerful cheerfulness
    happiness: cheery delight delighted delightful pleased pleasure glad gladness gleeful glee elated elation
    happiness: merry merriment jolly jovial amused amusement beaming blissful bliss ecstatic ecstasy euphoric
    happiness: euphoria contented contentment thrilled overjoyed jubilant lighthearted fun mirth mirthful
    sadness: sadness sad sadly sadder sorrow sorrowful sorrowfully unhappy unhappiness grief grieving gloomy
    sadness: gloom melancholy melancholic dejected dejection downcast despondent despondency heartbroken
    sadness: mournful mourning miserable misery forlorn glum tearful despair despairing crestfallen woeful woe
    sadness: dispirited disheartened somber sombre weepy
    fear sadness: worried worry anguish anguished pained
    fear sadness anger: upset distressed distress troubled
    surprise: surprise surprised surprising surprisedly astonished astonishment astonishing amazed amazement
    surprise: startled startlement shocked shock astounded stunned flabbergasted dumbfounded awestruck
    surprise: stupefied
    fear: fear fearful fearfully fearfulness afraid frightened fright scared scare terror terrified dread
    fear: anxious anxiety anxiously panic panicked panicky horror horrified apprehensive apprehension nervous
    fear: nervousness petrified alarm alarmed
    disgust: disgust disgusted disgusting revulsion revolted repulsed repulsion repelled repugnance repugnant
    disgust: aversion distaste nauseated nausea nauseous loathing grossed sickened abhorrence queasy
    anger: anger angry angrily angered angrier rage enraged raging annoyed annoyance irritated irritation
    anger: furious fury wrath wrathful irate outraged outrage hostile hostility incensed infuriated livid mad
    anger: indignant indignation aggressive aggression seething menacing exasperated exasperation ire
    anger: resentful
    anger disgust contempt: displeased displeasure sneer sneering
    anger sadness: frustrated frustration
    contempt: contempt contemptuous contemptuously disdain disdainful disdainfully scorn scornful scornfully
    contempt: smug smugness derision derisive mocking haughty condescending condescension
    neutral: neutral expressionless emotionless impassive
""")
_LABELS = _words("""
    live: live genuine bona authentic real living alive
    spoof: spoof spoofed spoofing spoofs fake faked attack attacks counterfeit forgery forged imitation
    spoof: impersonation imposter impostor bogus falsified sham
""")
_MEDIA = _words("""
    print: print prints printed printout printouts printer inkjet laser toner paper sheet printing cardboard
    print: photocopy poster
    replay: screen screens display monitor monitors replay replayed phone phones smartphone smartphones tablet
    replay: tablets laptop lcd oled leds projector projected touchscreen television
    mask: mask masks silicone resin latex rubber rubbery prosthetic prosthetics
""")
_SIDES = _words("left: left\nright: right\nboth: both bilateral bilaterally")
_CUES = _words("""
    print: halftone ink inks dots fibre fibres fiber fibers paper's rosette rosettes
    replay: pixel pixels subpixel subpixels bezel bezels backlight scanline scanlines refresh backlit scan
    mask: seam seams shell
    print mask: eyeholes holes cutouts cutout
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
        "unit": _UNITS,
    }
    for kind, table in tables.items():
        for word, value in table.items():
            terms.setdefault(word, []).append((kind, value))
            if kind in ("part", "medium", "cue") and f"{word}'s" not in table:
                terms.setdefault(f"{word}'s", []).append((kind, value))
    return {word: tuple(found) for word, found in terms.items()}


TERMS = _terms()
"""Lower-case word -> its readings, (kind, value)."""
