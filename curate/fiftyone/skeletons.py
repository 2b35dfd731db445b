"""Lines between landmarks, where their number says what they are."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Skeleton", "skeleton"]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A name for each point, without which the App fails to draw them, and lines through points by number."""

    names: tuple[str, ...]
    lines: tuple[tuple[int, ...], ...]


def skeleton(points: int | None) -> Skeleton | None:
    """Return the skeleton of 5, 68 or 106 landmarks, None of any other number.

    >>> skeleton(68).lines[1]
    (17, 18, 19, 20, 21)
    """
    if points == 5:
        names = ("right eye", "left eye", "nose tip", "right mouth corner", "left mouth corner")
        return Skeleton(names, ((0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (3, 4)))
    parts = _PARTS.get(points or 0)
    if parts is None:
        return None
    named: list[str] = []
    lines: list[tuple[int, ...]] = []
    first = 0
    for name, count, closed in parts:
        named += [f"{name} {number}" for number in range(1, count + 1)]
        line = tuple(range(first, first + count))
        if name:
            lines.append((*line, first) if closed else line)
        first += count
    return Skeleton(tuple(name.strip() for name in named), tuple(lines))


_PARTS = {
    # iBUG's 300-W (Sagonas et al., Image and Vision Computing 47, 2016), image-left first
    68: (
        *(("jaw", 17, False), ("left brow", 5, False), ("right brow", 5, False)),
        *(("bridge of the nose", 4, False), ("base of the nose", 5, False)),
        *(("left eye", 6, True), ("right eye", 6, True), ("outer lips", 12, True), ("inner lips", 8, True)),
    ),
    # The layouts of 106 points begin with the jaw and number the other parts in several ways.
    106: (("jaw", 33, False), ("", 73, False)),
}
"""Name, number of points, and whether the line closes; a part without a name has no line."""
