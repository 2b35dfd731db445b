"""One sentence, read from left to right, word by word."""

from __future__ import annotations

from collections.abc import Sequence

from facedata.annotate.checks import lexicon
from facedata.annotate.checks.clause import LINKS, NEAR, Clause, Token
from facedata.annotate.checks.lexicon import GLUE, TERMS, word_set
from facedata.annotate.checks.parts import Action, Mention, Part, same

__all__ = ["Mention", "Sentence", "Token"]

_LETTERS = {"l": "left", "r": "right"}
_COMPARED = frozenset(["stronger", "weaker", "more", "less", "greater", "higher"])
_STATES = word_set("""
    is was be been being are as shows show this picture image verdict answer label here : result decision
    conclusion conclude classification classify classified judge judged considered appears seems looks i'd
    isn't
    wasn't it's that's points point think indicates indicate suggests suggest means reveals proves confirms
    betrays
""")
_PERSONS = word_set("""
    face faces person human subject individual people capture presentation being user head spoof
""")  # "a real face" is a verdict, "real skin" may be one, "the real ones" is not
_QUALIFIES = frozenset(("real", "living", "authentic", "alive", "imitation"))
_SCENE = word_set("background wall shirt scene desk shelf table lamp poster hand hands")
_OBJECTS = word_set("""
    phone phones tablet tablets laptop smartphone smartphones monitor television poster paper print prints
    printed
    sheet screen printer
""")
_TAKEN = word_set("recorded captured taken shot filmed photographed made")
_OF_PAPER = word_set("""
    edge edges fibre fibres fiber fibers grain texture surface sheet sheets border borders copy copies mask
    masks
    attack photo photograph printout margin margins crease creases fold folds face portrait picture image
    cutout
    material stock corner corners print prints
""")
_KNOWN = frozenset().union(
    TERMS, lexicon.DENIERS, lexicon.NEEDS, lexicon.ABSENT, lexicon.ENDERS, lexicon.OPEN, lexicon.LOCATIVE,
    lexicon.BE, lexicon.VISIBLE, LINKS, _LETTERS, _COMPARED,
    lexicon.IDIOMS, (":", "(", ")", "other", "except", "besides", "apart", "which", "who", "than"),
    ("au", "aus", "action", "yes"),
)  # fmt: skip
_EXCEPT = frozenset(("other", "except", "besides", "apart"))
_TURNS = frozenset().union(
    lexicon.DENIERS, lexicon.NEEDS, lexicon.ABSENT, lexicon.IDIOMS, _EXCEPT, ("than", "yes")
)  # fmt: skip
_PLAIN = _KNOWN.difference(
    _TURNS, LINKS, (":", "(", ")"), lexicon.ENDERS, lexicon.OPEN, lexicon.LOCATIVE, _LETTERS,
    ("which", "who", "au", "aus", "action"),
)  # fmt: skip
"""Words that can be nothing but what they say."""
_PASSED = GLUE | lexicon.PREPOSITIONS
_SHOWN = frozenset(("shown", "seen", "visible", "here"))
_PRINTED = word_set("face faces photo photograph picture portrait image sheet paper copy")
_WITH_CORNERS = word_set("lip lips mouth eye eyes brow brows eyebrow eyebrows jaw")
_SINGULAR = frozenset(["is", "was", "does", "has", "stays", "remains"])


class Sentence(Clause):
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
            if word in _PLAIN:
                self._content(place, word)
            elif word in _KNOWN:
                self._take(place, word)
            elif word not in _PASSED:
                self._pending = []
        self._close()
        return sorted(self._said, key=lambda mention: mention.start)

    def _take(self, place: int, word: str) -> None:
        if word in _TURNS and self._turn(place, word):
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
        if word in _EXCEPT:
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
        elif word in _LETTERS and self._word(place + 1).isdigit() and self._touching(place):
            self._side = (_LETTERS[word], place)
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
        elif word in _COMPARED:
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
        if self._word(first) in _LETTERS and self._word(first + 1).isdigit():
            self._side = (_LETTERS[self._word(first)], first)
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
            if following and following[-1] in _LETTERS and len(following) <= 2 and self._touching(place):
                side = _LETTERS[following[-1]]
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

    def _take_side(self, place: int) -> str | None:
        if self._side is None:
            return None
        (side, at), self._side = self._side, None
        return side if place - at <= 2 * NEAR else None

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
        if kind == "label" and not self._states(place, word):
            return  # "a live face scatters light" says nothing about this one
        if kind in ("medium", "cue") and (self._of_the_camera(place) or self._of_the_scene(place, word)):
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

    def _states(self, place: int, word: str) -> bool:
        before, after = self._words[max(0, place - NEAR) : place], self._words[place + 1 : place + 1 + NEAR]
        if word in _QUALIFIES and after and after[0] not in _PERSONS and after[0] not in lexicon.CLOSERS:
            return False  # "the real eyes behind it"
        first = place == 0 and (not after or after[0] in lexicon.CLOSERS or after[0] in _PERSONS)
        return first or not _STATES.isdisjoint(before) or not _SHOWN.isdisjoint(after)

    def _of_the_scene(self, place: int, word: str) -> bool:
        """Say whether a word means a thing that is in the picture by chance, or that took the picture."""
        after, before = self._word(place + 1), self._word(place - 1)
        if word == "scan":
            return after not in ("line", "lines")
        if (
            word == "display"
            and before.endswith("s")
            and not before.endswith("'s")
            and before not in ("is", "this")
        ):
            return True  # "the eyes display"
        if word not in _OBJECTS:
            return False
        if word == "printed" and after not in _PRINTED:
            return True  # a printed pattern on a shirt
        if (
            word == "paper"
            and after.isalpha()
            and not (after in _KNOWN or after in _PASSED or after in _OF_PAPER)
        ):
            return not after.endswith(("s", "ed", "ing"))  # "a paper lamp", but "paper reflects"
        near = self._words[max(0, place - 3) : place]
        if ("with" in near or "by" in near) and not _TAKEN.isdisjoint(self._words[max(0, place - 6) : place]):
            return True  # "recorded with a tablet"
        return not _SCENE.isdisjoint(self._words[place + 1 : place + 8])

    def _of_the_camera(self, place: int) -> bool:
        """Say whether a word means the camera's pixels, or a screen of dots: no sign of a medium."""
        near = (*self._words[max(0, place - 2) : place], *self._words[place + 1 : place + 4])
        if self._words[place] == "screen":
            return self._word(place + 1) == "of" or self._word(place - 1) == "halftone"
        return any(word in ("sensor", "sensor's", "camera", "camera's", "px") for word in near)

    def _part(self, place: int, name: str) -> None:
        if name == "mouth" and _ends_of(self._words, place):
            name, self._places = "lip corner", set()
        if name == "corner":
            name = self._corner(place)
        if name == "other":
            # What happens to the forehead or a cheekbone is no unit by itself.
            for action in self._pending:
                self._take_back(action)
            self._pending, self._places = [], set()
            return
        linked = self._linked is not None
        self._arrive(place)
        _, start, end = self._tokens[place]
        part = Part(name, self._places, self._take_side(place), start, end)
        self._places = set()
        for action in self._pending:
            if not self._over(action.place, place):
                self._take_back(action)
            part.actions.append(action)
        if "by" in self._words[max(0, place - 3) : place]:
            # "the lower lip is pushed up by the chin"
            part.actions += [action for one in self._parts for action in one.actions]
        self._pending = []
        joined = linked and self._group and not part.actions and not any(one.actions for one in self._group)
        self._group = [*self._group, part] if joined and not self._predicate else [part]
        self._parts.append(part)
        self._sided = part

    def _corner(self, place: int) -> str:
        before = self._word(place - 1)
        if before in ("lip", "mouth", "lips", "mouth's"):
            if self._parts and self._parts[-1].name in ("lip", "mouth"):
                self._pending = [*self._pending, *self._parts[-1].actions]
                self._side = self._side or (
                    (self._parts[-1].side, place) if self._parts[-1].side is not None else None
                )
                lip = self._parts.pop()
                self._group = [one for one in self._group if one is not lip]
                self._linked = place - 1 if self._group else self._linked
            return "lip corner"
        ahead = place + 1
        while self._word(ahead) in GLUE:
            ahead += 1
        following = self._word(ahead)
        if (
            self._word(place + 1) == "of"
            and following
            and following not in _WITH_CORNERS
            and following[0].isalpha()
        ):
            return "other"  # of the room
        if ahead > place + 1 and following in _WITH_CORNERS:
            self._next = ahead + 1
            if "brow" in following:
                return "brow"
            if following in ("lip", "lips", "mouth"):
                self._places = set()
                return "lip corner"
            return "eye corner" if following in ("eye", "eyes") else "other"
        if before in ("eye", "eyes"):
            return "eye corner"
        if self._places & {"inner", "outer"}:
            return "brow"  # "the eyebrows, with their inner corners pulled up"
        return "lip corner"

    def _over(self, begin: int, end: int) -> bool:
        """Say whether a preposition of place stands between: "wrinkles over the nose"."""
        return any(word in lexicon.PREPOSITIONS and word != "of" for word in self._words[begin + 1 : end])

    def _action(self, place: int, word: str, name: str) -> None:
        _, start, end = self._tokens[place]
        if word == "sides" and "on" in self._words[max(0, place - 2) : place]:
            return  # "active on both sides" stretches nothing
        if name == "rest" and word == "neutral" and self._neutral_look(place):
            self._arrive(place)
            self._items.append(Mention("expression", "neutral", self._denying, start, end))
            return
        if name == "rest" and any(part.actions for part in self._group) and not self._part_follows(place):
            self._deny_back(self._denying is not True)  # "the lid tightener remains at rest"
            return
        action = Action(name, self._denying, place, start, end)
        if not (word in lexicon.AGENTS and self._group):
            self._pending.append(action)
        if self._items and self._linked is None:
            self._predicate = True  # "AU25 parts the lips"
        if not self._parts and not self._items and self._subjects and self._goes_back(place):
            again = Part("", set(), None, start, end)
            again.name, again.places, again.side = same(self._subjects[-1])
            self._parts.append(again)
            self._group = [again]
        if self._denying and self._linked == place - 1 and self._part_follows(place):
            return  # "no open mouth or raised brows"
        for part in self._group or self._parts[-1:]:
            part.actions.append(action)
            # "No brow lowering, lid raising or ..." is a list of nouns.
            self._predicate = self._predicate or not (self._denying and word.endswith("ing"))

    def _part_follows(self, place: int) -> bool:
        for word in self._words[place + 1 : place + 1 + NEAR]:
            kinds = {kind for kind, _ in TERMS.get(word, ())}
            if "part" in kinds:
                return True
            if word not in GLUE and not kinds & {"place", "side"}:
                return False
        return False

    def _goes_back(self, place: int) -> bool:
        """Say whether an action without a part of its own is said of the last clause's part."""
        for word in self._words[place + 1 : place + 1 + NEAR]:
            if any(kind == "part" for kind, _ in TERMS.get(word, ())):
                return False
            if word not in GLUE and word not in lexicon.PREPOSITIONS and word not in TERMS:
                break
        return True

    def _neutral_look(self, place: int) -> bool:
        near = self._words[max(0, place - 5) : place + 3]
        return any(word in ("expression", "face", "look", "emotion", "display") for word in near)

    def _other_one(self, place: int, side: str) -> None:
        """Take "the right one": the part that was spoken of, on the other side."""
        name, places, _ = same((self._parts or self._subjects)[-1])
        self._close()
        _, start, end = self._tokens[place]
        self._parts = self._group = [Part(name, places, side, start, end)]
        self._next = place + 2

    def _take_side_word(self, place: int, value: str) -> None:
        if self._word(place + 1) == "one" and (self._parts or self._subjects):
            self._other_one(place, value)
            return
        following = self._words[place + 1 : place + 2 + NEAR]
        names_part = any(kind in ("part", "place") for kind, _ in TERMS.get(self._word(place + 1), ()))
        sides_next = self._word(place + 1) in ("side", "sides", "the") and self._word(place - 1) != "to"
        if self._words[place] == "both" and not names_part and not sides_next:
            return  # "both AU6 and AU12", "drawn out to both sides"
        if self._compared or any(word in _COMPARED for word in following[:2]):
            return
        ahead = [
            word
            for word in following
            if word not in ("side", "sides", "sided", "half", "of", "the", "and", "right")
        ]
        comes = ahead[:1] and (ahead[0] in ("au", "aus", "action", "face") or any(
            kind in ("part", "place", "unit", "action") for kind, _ in TERMS.get(ahead[0], ())
        ))  # fmt: skip
        back = self._linked is None and self._sided is not None and ahead[:1] == ["face"]
        if (comes and not back) or self._sided is None:
            both = self._side is not None and self._side[0] != value
            self._side = ("both" if both else value, place)
        else:
            # "AU6 and AU12 are active on the left" speaks of both.
            whole = self._predicate and isinstance(self._sided, Mention)
            for one in self._items if whole else (self._sided,):
                both = one.side is not None and one.side != value
                one.side = "both" if both else value


def _ends_of(words: list[str], place: int) -> bool:
    """Say whether "the ends of the" stands before."""
    before = [word for word in words[max(0, place - NEAR) : place] if word not in ("the", "of", "his", "her")]
    return (
        bool(before) and before[-1] in ("ends", "end", "angles", "edges") and "of" in words[place - 2 : place]
    )
