"""A clause as it takes up parts of the face, their sides, and what happens to them."""

from __future__ import annotations

from facedata.annotate.checks import lexicon
from facedata.annotate.checks.clause import NEAR, Clause
from facedata.annotate.checks.known import COMPARED
from facedata.annotate.checks.lexicon import GLUE, TERMS, word_set
from facedata.annotate.checks.parts import Action, Mention, Part, same

__all__ = ["Face"]

_WITH_CORNERS = word_set("lip lips mouth eye eyes brow brows eyebrow eyebrows jaw")


class Face(Clause):
    """What a reader does with the words for parts, actions and sides; `Sentence` calls it word by word."""

    def _take_side(self, place: int) -> str | None:
        if self._side is None:
            return None
        (side, at), self._side = self._side, None
        return side if place - at <= 2 * NEAR else None

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
        if self._compared or any(word in COMPARED for word in following[:2]):
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
