"""Which words a reader takes up, and which it passes over."""

from __future__ import annotations

from facedata.annotate.checks import lexicon
from facedata.annotate.checks.clause import LINKS
from facedata.annotate.checks.lexicon import GLUE, TERMS

__all__ = ["COMPARED", "EXCEPT", "KNOWN", "LETTERS", "PASSED", "PLAIN", "TURNS"]

LETTERS = {"l": "left", "r": "right"}
COMPARED = frozenset(["stronger", "weaker", "more", "less", "greater", "higher"])
KNOWN = frozenset().union(
    TERMS, lexicon.DENIERS, lexicon.NEEDS, lexicon.ABSENT, lexicon.ENDERS, lexicon.OPEN, lexicon.LOCATIVE,
    lexicon.BE, lexicon.VISIBLE, LINKS, LETTERS, COMPARED,
    lexicon.IDIOMS, (":", "(", ")", "other", "except", "besides", "apart", "which", "who", "than"),
    ("au", "aus", "action", "yes"),
)  # fmt: skip
EXCEPT = frozenset(("other", "except", "besides", "apart"))
TURNS = frozenset().union(
    lexicon.DENIERS, lexicon.NEEDS, lexicon.ABSENT, lexicon.IDIOMS, EXCEPT, ("than", "yes")
)  # fmt: skip
PLAIN = KNOWN.difference(
    TURNS, LINKS, (":", "(", ")"), lexicon.ENDERS, lexicon.OPEN, lexicon.LOCATIVE, LETTERS,
    ("which", "who", "au", "aus", "action"),
)  # fmt: skip
"""Words that can be nothing but what they say."""
PASSED = GLUE | lexicon.PREPOSITIONS
