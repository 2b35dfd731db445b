"""One sentence, read from left to right: what is said in it, and what is denied."""

from __future__ import annotations

from dataclasses import dataclass, field

from facedata.annotate.checks import lexicon
from facedata.annotate.checks.lexicon import FRAMES, GLUE, RESTING, TERMS

__all__ = ["Mention", "Sentence", "Token"]

Token = tuple[str, int, int]
"""Lower-case word or mark, and where it lies in the text."""

_LINKS = frozenset((",", "and", "or", "+", "/", "&", "nor", "plus"))
_LETTERS = {"l": "left", "r": "right"}
_COMPARED = frozenset("stronger weaker more less greater higher".split())
_STATES = frozenset("is was be as shows show this picture image verdict answer label here :".split())
_KNOWN = frozenset().union(
    TERMS, lexicon.DENIERS, lexicon.NEEDS, lexicon.ABSENT, lexicon.ENDERS, lexicon.OPEN, lexicon.LOCATIVE,
    lexicon.BE, lexicon.VISIBLE, _LINKS, _LETTERS, _COMPARED,
    (":", "(", ")", "other", "except", "besides", "apart", "which", "who", "au", "aus", "action", "yes"),
)  # fmt: skip
_PASSED = GLUE | lexicon.PREPOSITIONS
_SHOWN = frozenset(("shown", "seen", "visible", "here"))
_PRINTED = frozenset("face faces photo photograph picture portrait image sheet paper copy".split())
_SINGULAR = frozenset("is was does has stays remains".split())
_NEAR = 4  # words that an adjective may stand before its noun, or that a verb may follow a subject


@dataclass(slots=True)
class Mention:
    """One thing said. `value` is a unit's number, or an expression, label, medium or cue.

    `denied` is None where nothing is said about presence ("not coded", "would be"). `others` are units that
    the same words may mean; `side` is left, right, both or None; start and end are places in the text; `form`
    is `number`, or `words` for a name or a description.
    """

    kind: str
    value: str | int
    denied: bool | None
    start: int
    end: int
    side: str | None = None
    others: tuple[int, ...] = ()
    form: str = "words"


@dataclass(slots=True)
class _Action:
    name: str
    denied: bool | None
    place: int
    start: int
    end: int


@dataclass(slots=True)
class _Part:
    name: str
    places: set[str]
    side: str | None
    start: int
    end: int
    actions: list[_Action] = field(default_factory=list)

    def full_name(self) -> str:
        """Return the part with its place, as the frames call it."""
        if self.name in ("lip", "lid") and len(self.places) == 1:
            return f"{'upper' if 'upper' in self.places else 'lower'} {self.name}"
        return self.name


class Sentence:
    """A reader of one sentence; `read` returns what it says."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._words = [token[0] for token in tokens]
        self._said: list[Mention] = []
        self._topics: list[Mention] = []
        self._subjects: list[_Part] = []
        self._depth = 0
        self._linked: int | None = None
        self._linked_by_or = False
        self._last_link = 0
        self._next = 0
        self._begin(denying=False)

    def read(self) -> list[Mention]:
        """Return what the sentence says, in the order of the text."""
        count = len(self._words)
        while self._next < count:
            place = self._next
            self._next += 1
            word = self._words[place]
            if word in _KNOWN:
                self._take(place, word)
            elif word not in _PASSED:
                self._pending = []
        self._close()
        return sorted(self._said, key=lambda mention: mention.start)

    # Clauses

    def _begin(self, *, denying: bool | None) -> None:
        self._denying: bool | None = denying
        self._denied_at = -1
        self._whole_list = False
        self._items: list[Mention] = []
        self._parts: list[_Part] = []
        self._group: list[_Part] = []
        self._pending: list[_Action] = []
        self._places: set[str] = set()
        self._side: tuple[str, int] | None = None
        self._predicate = False
        self._one = False
        self._compared = False
        self._sided: Mention | _Part | None = None

    def _close(self, *, denying: bool | None = False) -> None:
        """End the clause; its last parts are what a clause without one is about."""
        said = list(self._items)
        if self._places & {"inner", "outer"} and (brow := self._last("brow")):
            brow.places |= self._places
        for part in self._parts:
            for name in _names(part):
                said += _units(part, name)
        if self._parts:
            self._subjects = self._group or [self._parts[-1]]
        self._said += said
        self._topics = []
        self._begin(denying=denying)

    def _last(self, name: str) -> _Part | None:
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
        if self._predicate or own_verb:
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
        for word in self._words[place + 1 : place + 1 + _NEAR]:
            if word in _LINKS or word in ":()":
                return False
            if word in lexicon.BE:
                return True
        return False

    # Words

    def _take(self, place: int, word: str) -> None:
        if place == 0 and word in ("no", "yes") and self._word(1) in (",", ":"):
            return  # the answer to a question: what follows stands for itself
        if word in lexicon.DENIERS or word in lexicon.NEEDS:
            if self._deny(place, word):
                return
        elif word in lexicon.ABSENT:
            self._absent(place)
            return
        elif word in ("other", "except", "besides", "apart") and self._denying:
            self._denying = False
            return
        if word in _LINKS:
            self._link(place, word)
        elif word == ":":
            self._colon(place)
        elif word in "()":
            self._depth += 1 if word == "(" else -1
            self._pending = []
        elif word in lexicon.ENDERS:
            self._close(denying=None if word in lexicon.OPEN else False)
        elif word in ("which", "who"):
            last = self._items[-1:]
            self._close()
            self._topics = last
        elif word in lexicon.OPEN:
            self._open()
        elif word in lexicon.LOCATIVE:
            self._skip_place(place)
        elif word in ("au", "aus") or (word == "action" and self._word(place + 1) in ("unit", "units")):
            self._unit_numbers(place)
        elif (word in _LETTERS) and self._word(place + 1).isdigit() and self._touching(place):
            self._side = (_LETTERS[word], place)
            self._numbers(place + 1)
        elif (readings := TERMS.get(word)) is not None:
            self._term(place, word, readings)
        elif word in lexicon.BE:
            self._predicate = self._predicate or bool(self._items or self._parts or self._pending)
            self._one = word in _SINGULAR
        elif word in _COMPARED:
            self._compared = True
        elif self._items:  # what is left are the words for visible
            self._predicate = True

    def _word(self, place: int) -> str:
        return self._words[place] if 0 <= place < len(self._words) else ""

    def _touching(self, place: int) -> bool:
        return place + 1 < len(self._tokens) and self._tokens[place][2] == self._tokens[place + 1][1]

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
        if word == "," and self._words[0] in ("without", "instead", "unlike", "rather", "despite"):
            self._close()
            self._words[0] = ""

    def _colon(self, place: int) -> None:
        # "Absent: AU4, AU9" and "Not present: AU4": the denial holds for the list; "not live: ..." ends there.
        listing = self._denying is not False and place - self._denied_at <= 2 and self._words[place - 1] not in TERMS
        if self._items or self._parts or not listing:
            topics = list(self._items)
            self._close()
            self._topics = topics or self._topics
            word = self._word(place + 1)
            if word in ("no", "none", "not") and self._word(place + 2) in ("", *lexicon.VISIBLE):
                self._deny_topics()

    def _deny_topics(self) -> None:
        for mention in self._topics:
            mention.denied = True

    def _deny(self, place: int, word: str) -> bool:
        after = self._word(place + 1)
        if word in lexicon.NEEDS and after not in lexicon.NEEDS[word]:
            return False
        if after in lexicon.PSEUDO.get(word, ()):
            self._next += 1
            return True
        if word not in ("no", "without", "none") and self._reaches_back(place):
            return True
        self._pending = []
        self._denying, self._denied_at = True, place
        self._whole_list = word in ("none", "neither")
        if word.endswith("n't") or word == "cannot":
            self._predicate = self._predicate or bool(self._items or self._parts)
        return True

    def _reaches_back(self, place: int) -> bool:
        """Deny what stands before, for "AU4 is not seen"; say whether that is what the denier does."""
        for ahead in range(place + 1, min(place + 1 + _NEAR, len(self._words))):
            word = self._words[ahead]
            if word in lexicon.UNCODED:
                self._deny_back(None)
            elif word in lexicon.VISIBLE and not (self._word(place - 1) in ("is", "are") and word == "there"):
                if self._names_unit(ahead + 1):
                    return False  # "the face does not show AU4"
                self._deny_back(True)
            elif word in lexicon.ABSENT:
                self._predicate = True  # "is not absent" says that it is there
            elif word in _LINKS or word in TERMS or word in ("au", "aus", "action", ":"):
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

    def _names_unit(self, place: int) -> bool:
        while self._word(place) in GLUE:
            place += 1
        kinds = {kind for kind, _ in TERMS.get(self._word(place), ())}
        return self._word(place) in ("au", "aus", "action") or bool(kinds & {"part", "place", "unit", "expression"})

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
        names_next = first in ("au", "aus", "action") or any(kind == "part" for kind, _ in TERMS.get(first, ()))
        nothing_before = not (self._items or self._parts)
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

    def _skip_place(self, place: int) -> None:
        self._pending = []
        ahead = place + 1
        while self._word(ahead) in GLUE or any(k == "place" for k, _ in TERMS.get(self._word(ahead), ())):
            ahead += 1
        if any(kind == "part" for kind, _ in TERMS.get(self._word(ahead), ())):
            self._next = ahead + 1

    # Units by number

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
            while self._word(ahead) in _LINKS:
                ahead += 1
            if ahead == place + 1 or not self._word(ahead).isdigit():
                return
            self._link(ahead - 1, self._word(ahead - 1))
            place = ahead

    def _take_side(self, place: int) -> str | None:
        if self._side is None:
            return None
        (side, at), self._side = self._side, None
        return side if place - at <= 2 * _NEAR else None

    # Words that stand for something

    def _term(self, place: int, word: str, readings: tuple[tuple[str, str], ...]) -> None:
        if word == "lower" and self._names_half(place):
            readings = (("place", "lower"),)
        elif word == "part" and self._word(place + 1) == "of":
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
        if kind == "label" and not self._states(place):
            return  # "a live face scatters light" says nothing about this one
        if kind in ("medium", "cue") and self._of_the_camera(place):
            return
        if word == "printed" and self._word(place + 1) not in _PRINTED:
            return  # a printed pattern on a shirt
        self._arrive(place)
        _, start, end = self._tokens[place]
        unit = int(value) if kind == "unit" else value
        item = Mention(kind, unit, self._denying, start, end, self._take_side(place))
        self._items.append(item)
        self._pending, self._sided = [], item

    def _states(self, place: int) -> bool:
        before, after = self._words[max(0, place - _NEAR) : place], self._words[place + 1 : place + 1 + _NEAR]
        return not _STATES.isdisjoint(before) or not _SHOWN.isdisjoint(after)

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
        part = _Part(name, self._places, self._take_side(place), start, end)
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
                self._parts.pop()
                self._group = []
            return "lip corner"
        ahead = place + 1
        while self._word(ahead) in GLUE:
            ahead += 1
        following = self._word(ahead)
        if ahead > place + 1 and following in ("lip", "lips", "mouth", "eye", "eyes", "brow", "brows", "jaw"):
            self._next = ahead + 1
            if following in ("lip", "lips", "mouth"):
                self._places = set()
                return "lip corner"
            return "eye corner" if following in ("eye", "eyes") else "other"
        if before in ("eye", "eyes"):
            return "eye corner"
        return "lip corner"

    def _over(self, begin: int, end: int) -> bool:
        """Say whether a preposition of place stands between: "wrinkles over the nose"."""
        return any(word in lexicon.PREPOSITIONS and word != "of" for word in self._words[begin + 1 : end])

    def _action(self, place: int, word: str, name: str) -> None:
        _, start, end = self._tokens[place]
        if name == "rest" and word == "neutral" and self._neutral_look(place):
            self._arrive(place)
            self._items.append(Mention("expression", "neutral", self._denying, start, end))
            return
        if name == "rest" and any(part.actions for part in self._group):
            self._deny_back(self._denying is not True)  # "the lid tightener remains at rest"
            return
        action = _Action(name, self._denying, place, start, end)
        if not (word in lexicon.AGENTS and self._group):
            self._pending.append(action)
        if self._items and self._linked is None:
            self._predicate = True  # "AU25 parts the lips"
        if not self._parts and not self._items and self._subjects and self._goes_back(place):
            again = _Part("", set(), None, start, end)
            again.name, again.places, again.side = _same(self._subjects[-1])
            self._parts.append(again)
            self._group = [again]
        for part in self._group or self._parts[-1:]:
            part.actions.append(action)
            self._predicate = True

    def _goes_back(self, place: int) -> bool:
        """Say whether an action without a part of its own is said of the last clause's part."""
        for word in self._words[place + 1 : place + 1 + _NEAR]:
            if any(kind == "part" for kind, _ in TERMS.get(word, ())):
                return False
            if word not in GLUE and word not in lexicon.PREPOSITIONS and word not in TERMS:
                break
        return True

    def _neutral_look(self, place: int) -> bool:
        near = self._words[max(0, place - 5) : place + 3]
        return any(word in ("expression", "face", "look", "emotion", "display") for word in near)

    def _take_back(self, action: _Action) -> None:
        for part in self._parts:
            part.actions = [one for one in part.actions if one is not action]

    def _take_side_word(self, place: int, value: str) -> None:
        following = self._words[place + 1 : place + 2 + _NEAR]
        names_part = any(kind in ("part", "place") for kind, _ in TERMS.get(self._word(place + 1), ()))
        if value == "both" and self._words[place] == "both" and not names_part:
            if self._word(place + 1) not in ("side", "sides", "the") or self._word(place - 1) == "to":
                return  # "both AU6 and AU12", "drawn out to both sides"
        if self._compared or any(word in _COMPARED for word in following[:2]):
            return
        ahead = [word for word in following if word not in ("side", "sided", "half", "of", "the", "and", "right")]
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
    before = [word for word in words[max(0, place - _NEAR) : place] if word not in ("the", "of", "his", "her")]
    return bool(before) and before[-1] in ("ends", "end", "angles", "edges") and "of" in words[place - 2 : place]


def _same(part: _Part) -> tuple[str, set[str], str | None]:
    return part.name, set(part.places), part.side


def _names(part: _Part) -> list[str]:
    if part.name == "brow" and part.places & {"inner", "outer"}:
        return [f"{place} brow" for place in ("inner", "outer") if place in part.places]
    return [part.full_name()]


def _units(part: _Part, name: str) -> list[Mention]:
    """Return what a part and what happens to it say of units."""
    said = []
    for denied in (False, True):
        actions = [action for action in part.actions if action.denied is denied]
        left = {action.name for action in actions}
        if not left:
            continue
        start = min(part.start, *(action.start for action in actions))
        end = max(part.end, *(action.end for action in actions))
        if left == {"rest"} and not denied:
            said += [Mention("unit", au, True, start, end, part.side) for au in RESTING.get(name, ())]
        for frame in FRAMES.get(name, ()):
            if frame.actions <= left:
                left -= frame.actions | frame.absorbs
                unit, *others = frame.units
                said.append(
                    Mention("unit", unit, denied is not frame.denies, start, end, part.side, tuple(others))
                )
    return said
