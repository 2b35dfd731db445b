"""One sentence, read from left to right, word by word."""

from __future__ import annotations

from collections.abc import Sequence

from facedata.annotate.checks import lexicon
from facedata.annotate.checks.clause import LINKS, NEAR, Token
from facedata.annotate.checks.context import of_the_camera, of_the_scene, states
from facedata.annotate.checks.face import Face
from facedata.annotate.checks.known import COMPARED, EXCEPT, KNOWN, LETTERS, PASSED, PLAIN, TURNS
from facedata.annotate.checks.lexicon import GLUE, TERMS
from facedata.annotate.checks.parts import Mention, Part

__all__ = ["Mention", "Sentence", "Token"]

_SINGULAR = frozenset(["is", "was", "does", "has", "stays", "remains"])


class Sentence(Face):
    """A reader of one sentence; `read` returns what it says, `subjects` what it speaks of in the end."""

    def __init__(self, tokens: list[Token], subjects: Sequence[Part] = ()) -> None:
        super().__init__(tokens)
        if subjects and self._words[0] in ("they", "they're"):
            self._subjects = list(subjects)

    @property
    def subjects(self) -> Sequence[Part]:
        """The parts that a pronoun in the next sentence means."""
        return self._subjects

    def read(self) -> list[Mention]:
        """Return what the sentence says, in the order of the text."""
        count = len(self._words)
        while self._next < count:
            place = self._next
            self._next += 1
            word = self._words[place]
            if word in PLAIN:
                self._content(place, word)
            elif word in KNOWN:
                self._take(place, word)
            elif word not in PASSED:
                self._pending = []
        self._close()
        return sorted(self._said, key=lambda mention: mention.start)

    def _take(self, place: int, word: str) -> None:
        if word in TURNS and self._turn(place, word):
            return
        if not (self._mark(place, word) or self._boundary(place, word) or self._number(place, word)):
            self._content(place, word)

    def _turn(self, place: int, word: str) -> bool:
        """Take a word that denies, or that ends or bends a denial; say whether it was one here."""
        if place == 0 and word in ("no", "yes") and self._word(1) in (",", ":"):
            return True  # the answer to a question: what follows stands for itself
        if word in lexicon.DENIERS or word in lexicon.NEEDS:
            return self._deny(place, word)
        if word in lexicon.ABSENT:
            self._absent(place)
            return True
        if word in EXCEPT:
            if self._denying:
                self._denying = False
                return True
            return False
        if word == "than":
            self._than(place)
            return True
        return word in lexicon.IDIOMS and self._idiom(place, word)

    def _idiom(self, place: int, word: str) -> bool:
        """Take "ruled out", "far from" and their like; say whether it is one."""
        rest, does = lexicon.IDIOMS[word]
        end = place + 1 + len(rest)
        if tuple(self._words[place + 1 : end]) != rest:
            return False
        if does == "deny":
            self._pending = []
            self._denying, self._denied_at = True, place
        elif does == "open":
            self._pending = []
            self._denying = None
        elif does == "rest":
            if self._parts or self._subjects:
                self._rest(place)
        else:
            self._deny_back(True)
        self._next = end
        return True

    def _than(self, place: int) -> None:
        # "More surprised than afraid" says nothing of fear; "wider than usual" ends nothing.
        ahead = self._words[place + 1 : place + NEAR]
        if any(kind == "expression" for word in ahead for kind, _ in TERMS.get(word, ())):
            self._denying = None

    def _mark(self, place: int, word: str) -> bool:
        if word in LINKS:
            self._link(place, word)
        elif word == ":":
            self._colon(place)
        elif word in "()":
            self._depth += 1 if word == "(" else -1
            self._pending = []
        else:
            return False
        return True

    def _boundary(self, place: int, word: str) -> bool:
        if word in lexicon.ENDERS:
            # "It would be hard to fake with a print": what is supposed stays so.
            supposed = word in lexicon.OPEN or (word == "with" and self._denying is None)
            said = self._close(denying=None if supposed else False)
            if word == "as" and said and said[-1].denied and self._word(place + 1) in ("is", "are"):
                self._denying, self._denied_at = True, place  # "AU4 is absent, as is AU7"
        elif word in ("which", "who"):
            last = self._items[-1:]
            # "Not the face of someone who is happy"
            self._close(denying=self._denying if word == "who" else False)
            self._topics = last
        elif word in lexicon.OPEN:
            if not (
                word == "would" and self._word(place - 1) == "i" and self._word(place + 1) in lexicon.VERDICTS
            ):
                self._open()
        elif word in lexicon.LOCATIVE:
            self._skip_place(place)
        else:
            return False
        return True

    def _number(self, place: int, word: str) -> bool:
        if word in ("au", "aus") or (word == "action" and self._word(place + 1) in ("unit", "units")):
            self._unit_numbers(place)
        elif word in LETTERS and self._word(place + 1).isdigit() and self._touching(place):
            self._side = (LETTERS[word], place)
            self._numbers(place + 1)
        else:
            return False
        return True

    def _content(self, place: int, word: str) -> None:
        if (readings := TERMS.get(word)) is not None:
            self._term(place, word, readings)
        elif word in lexicon.BE:
            self._predicate = self._predicate or bool(self._items or self._parts or self._pending)
            self._one = word in _SINGULAR
        elif word in COMPARED:
            self._compared = True
        elif self._items:  # what is left are the words for visible
            self._predicate = True

    def _link(self, place: int, word: str) -> None:
        self._linked, self._linked_by_or = place, word in ("or", "nor", "/")
        self._last_link = self._tokens[place][1]
        following = TERMS.get(self._word(place + 1), ())
        named_last = any(kind == "place" for kind, _ in TERMS.get(self._word(place - 1), ()))
        if self._places and not named_last and (brow := self._last("brow")):
            brow.places |= self._places  # "raised at their outer ends, ..."
            self._places = set()
        if self._predicate or not any(kind == "action" for kind, _ in following):
            self._pending = []
        if word == "nor":
            self._denying, self._denied_at = True, place
        # "Without AU6, AU12 shows": a phrase that begins the sentence ends at its comma.
        if word == "," and self._words[0] in (
            "without",
            "instead",
            "unlike",
            "rather",
            "despite",
            "compared",
        ):
            self._close()
            self._words[0] = ""

    def _colon(self, place: int) -> None:
        # "Absent: AU4, AU9" and "Not present: AU4": the denial holds for the list. "Not live: ..." ends.
        listing = (
            self._denying is not False
            and place - self._denied_at <= 2
            and self._words[place - 1] not in TERMS
            and not self._words[place - 1].endswith("n't")
        )
        if self._items or self._parts or not listing:
            known = self._topics
            self._topics = self._close() or known
            word = self._word(place + 1)
            if word in ("no", "none", "not") and self._word(place + 2) in ("", *lexicon.VISIBLE):
                self._deny_topics()

    def _skip_place(self, place: int) -> None:
        self._pending = []
        ahead = place + 1
        while self._word(ahead) in GLUE or any(k == "place" for k, _ in TERMS.get(self._word(ahead), ())):
            ahead += 1
        if any(kind == "part" for kind, _ in TERMS.get(self._word(ahead), ())):
            self._next = ahead + 1

    def _unit_numbers(self, place: int) -> None:
        first = place + (2 if self._words[place] == "action" else 1)
        if self._word(first) in LETTERS and self._word(first + 1).isdigit():
            self._side = (LETTERS[self._word(first)], first)
            first += 1
        if self._word(first).isdigit():
            self._numbers(first)
        else:
            self._next = first

    def _numbers(self, place: int) -> None:
        if (
            self._linked is not None
            and self._words[self._linked] == ","
            and not (self._items or self._denying)
        ):
            self._predicate = self._predicate or any(part.actions for part in self._parts)
        while True:
            self._arrive(place)
            number, start, end = self._tokens[place]
            side = self._take_side(place)
            following = self._word(place + 1)
            if following and following[-1] in LETTERS and len(following) <= 2 and self._touching(place):
                side = LETTERS[following[-1]]
                place += 1
            elif following in tuple("abcde") and self._touching(place):
                place += 1
            item = Mention("unit", int(number), self._denying, start, end, side, form="number")
            self._items.append(item)
            self._group, self._pending, self._sided = [], [], item
            self._next = place + 1
            ahead = place + 1
            while self._word(ahead) in LINKS:
                ahead += 1
            if ahead == place + 1 or not self._word(ahead).isdigit():
                return
            self._link(ahead - 1, self._word(ahead - 1))
            place = ahead

    def _term(self, place: int, word: str, readings: tuple[tuple[str, str], ...]) -> None:
        if word == "lower" and self._names_half(place):
            readings = (("place", "lower"),)
        elif word in ("part", "parts") and self._word(place + 1) == "of":
            return
        for kind, value in readings:
            if kind == "part":
                self._part(place, value)
            elif kind == "place":
                self._places.add(value)
            elif kind == "action":
                self._action(place, word, value)
            elif kind == "side":
                self._take_side_word(place, value)
            else:
                self._item(place, word, kind, value)

    def _names_half(self, place: int) -> bool:
        after = self._word(place + 1)
        return after in ("lip", "lips", "lid", "lids", "eyelid", "eyelids", "face", "half")

    def _item(self, place: int, word: str, kind: str, value: str) -> None:
        if word == "neutral":
            return
        if kind == "label" and not states(self._words, place):
            return  # "a live face scatters light" says nothing about this one
        if kind in ("medium", "cue") and (
            of_the_camera(self._words, place) or of_the_scene(self._words, place)
        ):
            return
        if word == "oris" and self._word(place - 1) == "anguli":
            return  # one muscle
        if kind == "expression" and self._word(place + 1) == "like":
            return  # "worry-like lifting"
        self._arrive(place)
        _, start, end = self._tokens[place]
        side = self._take_side(place)
        if kind == "unit":
            unit, *others = map(int, value.split("|"))
            # "A smile and no smirk": who denies a word that fits several units denies none of them for sure.
            denied = None if others and self._denying else self._denying
            if side is None and self._parts and not self._items:
                side = self._parts[-1].side  # "the right eye winks"
            item = Mention(kind, unit, denied, start, end, side, tuple(others))
        else:
            item = Mention(kind, value, self._denying, start, end, side)
        self._items.append(item)
        self._pending, self._sided = [], item
