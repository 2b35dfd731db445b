"""A clause of a sentence while it is read: what it says so far, and how far a denial reaches."""

from __future__ import annotations

from facedata.annotate.checks import lexicon
from facedata.annotate.checks.lexicon import GLUE, TERMS
from facedata.annotate.checks.parts import Action, Mention, Part, names, same, units

__all__ = ["LINKS", "NEAR", "Clause", "Token"]

Token = tuple[str, int, int]
"""Lower-case word or mark, and where it lies in the text."""

LINKS = frozenset((",", "and", "or", "+", "/", "&", "nor", "plus"))
NEAR = 4  # words that an adjective may stand before its noun, or that a verb may follow a subject


class Clause:
    """The state of a reader: the clause it is in, its subjects, and whether what comes is denied."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._words = [token[0] for token in tokens]
        self._said: list[Mention] = []
        self._topics: list[Mention] = []
        self._subjects: list[Part] = []
        self._depth = 0
        self._linked: int | None = None
        self._linked_by_or = False
        self._last_link = 0
        self._next = 0
        self._begin(denying=False)

    def _begin(self, *, denying: bool | None) -> None:
        self._denying: bool | None = denying
        self._denied_at = -1
        self._whole_list = False
        self._items: list[Mention] = []
        self._parts: list[Part] = []
        self._group: list[Part] = []
        self._pending: list[Action] = []
        self._places: set[str] = set()
        self._side: tuple[str, int] | None = None
        self._predicate = False
        self._one = False
        self._compared = False
        self._sided: Mention | Part | None = None

    def _close(self, *, denying: bool | None = False) -> list[Mention]:
        """End the clause and return what it says; its last parts are what a clause without one is about."""
        said = list(self._items)
        if self._places & {"inner", "outer"} and (brow := self._last("brow")):
            brow.places |= self._places
        for part in self._parts:
            for name in names(part):
                said += units(part, name)
        if self._parts:
            self._subjects = self._group or [self._parts[-1]]
        self._said += said
        self._topics = []
        self._begin(denying=denying)
        return said

    def _last(self, name: str) -> Part | None:
        return next((part for part in reversed(self._parts) if part.name == name), None)

    def _arrive(self, place: int) -> None:
        """Begin a new clause where a new subject comes after a link, and the clause had its verb already."""
        if self._linked is None:
            return
        own_verb = (
            self._denying is True
            and not (self._linked_by_or or self._whole_list)
            and self._denied_at < self._linked
            and self._verb_follows(place)
        )
        # "No lid raise, nose wrinkle or jaw drop", "I do not see the brow lowered, or ..."
        listed = (
            self._denying is True
            and self._denied_at < self._linked
            and (self._linked_by_or or (self._or_follows(place) and not self._verb_follows(place)))
        )
        if (self._predicate and not listed) or own_verb:
            fresh = self._denied_at > self._linked
            pending, places, side = self._pending, self._places, self._side
            for action in pending:
                self._take_back(action)
            self._close(denying=self._denying if fresh else False)
            self._pending, self._places, self._side = pending, places, side
            for action in pending:
                action.denied = self._denying
        self._linked = None

    def _verb_follows(self, place: int) -> bool:
        for word in self._words[place + 1 : place + 1 + NEAR]:
            if word in LINKS or word in ":()":
                return False
            if word in lexicon.BE:
                return True
        return False

    def _or_follows(self, place: int) -> bool:
        for word in self._words[place + 1 : place + 3 * NEAR]:
            if word in ("or", "nor"):
                return True
            if word in lexicon.BE or word in lexicon.ENDERS or word == "and":
                return False
        return False

    def _word(self, place: int) -> str:
        return self._words[place] if 0 <= place < len(self._words) else ""

    def _touching(self, place: int) -> bool:
        return place + 1 < len(self._tokens) and self._tokens[place][2] == self._tokens[place + 1][1]

    def _deny_topics(self) -> None:
        for mention in self._topics:
            mention.denied = True

    def _deny(self, place: int, word: str) -> bool:
        after = self._word(place + 1)
        if word in lexicon.NEEDS and after not in lexicon.NEEDS[word]:
            return False
        if word in lexicon.NEEDS:
            self._next = place + 2  # "of", "than", "with"
        if after in lexicon.PSEUDO.get(word, ()):
            self._next += 1
            return True
        if word not in ("no", "without", "none") and self._reaches_back(place):
            return True
        if word.endswith("n't") and (not after or after in LINKS or after in lexicon.ENDERS) and self._items:
            self._deny_back(True)  # "AU1 is active, AU17 isn't"
            return True
        self._pending = []
        self._denying, self._denied_at = True, place
        self._whole_list = word in ("none", "neither")
        if word.endswith("n't") or word == "cannot":
            self._predicate = self._predicate or bool(self._items or self._parts)
        return True

    def _reaches_back(self, place: int) -> bool:
        """Deny what stands before, for "AU4 is not seen"; say whether that is what the denier does."""
        for ahead in range(place + 1, min(place + 1 + NEAR, len(self._words))):
            word = self._words[ahead]
            if word in lexicon.UNCODED:
                self._deny_back(None)
            elif word in lexicon.VISIBLE and not (self._word(place - 1) in ("is", "are") and word == "there"):
                if self._names_unit(ahead + 1):
                    return False  # "the face does not show AU4"
                self._deny_back(True)
            elif word in lexicon.ABSENT:
                self._predicate = True  # "is not absent" says that it is there
            elif word in lexicon.MOVES and (self._parts or self._subjects):
                self._rest(ahead)
            elif word in LINKS or word in TERMS or word in ("au", "aus", "action", ":"):
                return False
            else:
                continue
            if not (self._items or self._parts or self._topics):
                # "Not present: AU4" and "not visible are AU4 ..." speak of what follows.
                self._denying, self._denied_at = (None if word in lexicon.UNCODED else True), place
                self._predicate = False
            self._next = ahead + 1
            return True
        return False

    def _rest(self, place: int) -> None:
        """Take "does not move": what is spoken of rests."""
        _, start, end = self._tokens[place]
        if not self._parts:
            again = Part("", set(), None, start, end)
            again.name, again.places, again.side = same(self._subjects[-1])
            self._parts.append(again)
        for part in self._group or self._parts[-1:]:
            part.actions.append(Action("rest", False, place, start, end))
        self._predicate = True

    def _names_unit(self, place: int) -> bool:
        while self._word(place) in GLUE:
            place += 1
        kinds = {kind for kind, _ in TERMS.get(self._word(place), ())}
        return self._word(place) in ("au", "aus", "action") or bool(
            kinds & {"part", "place", "unit", "expression"}
        )

    def _deny_back(self, denied: bool | None) -> None:
        if self._depth and self._items:
            self._items[-1].denied = denied
            return
        # "Parted lips and AU4 is missing": a singular verb has one subject.
        since = self._last_link if self._one else 0
        for mention in self._items or ([] if self._parts else self._topics):
            if mention.start >= since or mention in self._topics:
                mention.denied = denied
        for part in self._parts or ([] if self._items else self._subjects):
            for action in part.actions:
                if part.end >= since:
                    action.denied = denied
        self._predicate = True

    def _absent(self, place: int) -> None:
        following = [word for word in self._words[place + 1 : place + 4] if word not in GLUE]
        first = following[0] if following else ""
        names_next = first in ("au", "aus", "action") or any(
            kind == "part" for kind, _ in TERMS.get(first, ())
        )
        nothing_before = not (self._items or self._parts)
        if nothing_before and not names_next and first != ":" and self._word(place - 1) in lexicon.BE:
            return  # "pores are missing on ...": what is absent is not known
        if first == ":" or (nothing_before and (names_next or not self._topics)):
            self._denying, self._denied_at = True, place
            return
        last = max([item.start for item in self._items] + [part.start for part in self._parts], default=-1)
        doubled = self._denying is True and self._tokens[self._denied_at][1] > last  # "is not absent"
        self._deny_back(not doubled)

    def _open(self) -> None:
        """Make the clause say nothing of this picture, except for what it denies later on."""
        for mention in self._items:
            mention.denied = None
        for part in self._parts:
            for action in part.actions:
                action.denied = None
        self._denying = None

    def _take_back(self, action: Action) -> None:
        for part in self._parts:
            part.actions = [one for one in part.actions if one is not action]
