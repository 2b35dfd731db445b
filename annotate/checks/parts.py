"""What one sentence says: mentions, and parts of the face with what happens to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from facedata.annotate.checks.lexicon import FRAMES, RESTING

__all__ = ["Action", "Mention", "Part", "names", "same", "units"]


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
class Action:
    """Something that happens, as a word of the lexicon; `place` counts the sentence's words."""

    name: str
    denied: bool | None
    place: int
    start: int
    end: int


@dataclass(slots=True)
class Part:
    """A part of the face that is spoken of; `places` are words such as inner and upper."""

    name: str
    places: set[str]
    side: str | None
    start: int
    end: int
    actions: list[Action] = field(default_factory=list)

    def full_name(self) -> str:
        """Return the part with its place, as the frames call it."""
        if self.name in ("lip", "lid") and len(self.places) == 1:
            return f"{'upper' if 'upper' in self.places else 'lower'} {self.name}"
        return self.name


def same(part: Part) -> tuple[str, set[str], str | None]:
    """Return name, places and side, for a clause that goes on about the same part."""
    return part.name, set(part.places), part.side


def names(part: Part) -> list[str]:
    """Return what the frames call a part: "inner and outer brows" are two."""
    if part.name == "brow" and part.places & {"inner", "outer"}:
        return [f"{place} brow" for place in ("inner", "outer") if place in part.places]
    return [part.full_name()]


def units(part: Part, name: str) -> list[Mention]:
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
