"""A face that a tool found in a picture, and where its output says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from facedata.datasets.readers.text import failure
from facedata.datasets.record import Failure

__all__ = ["Detection", "best_faces", "landmarks", "named_runs", "numbers", "units"]


@dataclass(frozen=True, slots=True)
class Detection:
    """One face. `picture` is the path of the picture or video without its ending, as far as the output tells.

    `frame` is the 0-based frame of a video, None for a picture. `face` tells faces of one picture apart,
    where the tool numbers them; `score` is what the tool thinks of it, by which the best one is chosen.
    `values` are JSON-ready. `where` is the output's file and line.
    """

    picture: str
    frame: int | None
    face: int
    score: float
    values: Mapping[str, Any]
    where: str


def numbers(cells: Mapping[str, str], names: Iterable[str], digits: int = 4) -> list[float] | None:
    """Return the numbers of some columns, rounded, or None where one is not there.

    Raises ValueError, naming the column, where a cell holds no finite number.
    """
    found = []
    for name in names:
        if name not in cells:
            return None
        try:
            number = float(cells[name])
        except ValueError:
            number = float("nan")
        if not abs(number) < float("inf"):
            raise ValueError(f"{name} {cells[name]!r} is not a number")
        found.append(round(number, digits))
    return found


def landmarks(cells: Mapping[str, str], count: int = 68) -> list[list[float]] | None:
    """Return the (x, y) pairs of the columns x_0 to y_67, in pixels, where they are there."""
    across = numbers(cells, (f"x_{number}" for number in range(count)), 2)
    down = numbers(cells, (f"y_{number}" for number in range(count)), 2)
    return None if across is None or down is None else [list(pair) for pair in zip(across, down, strict=True)]


def units(cells: Mapping[str, str], pattern: str) -> dict[str, str]:
    """Return the column of each unit whose name the pattern matches; its group is the unit's number."""
    found = {name: re.fullmatch(pattern, name) for name in cells}
    return {str(int(match[1])): name for name, match in found.items() if match}


def best_faces(said: Iterable[Detection | Failure], others: list[str]) -> Iterator[Detection | Failure]:
    """Yield one face a picture or frame, the one of the highest score; a doubled line is a failure.

    The lines of further faces go into `others`.
    """
    best: dict[tuple[str, int | None], Detection] = {}
    seen: dict[tuple[str, int | None, int], str] = {}
    for one in said:
        if isinstance(one, Failure):
            yield one
            continue
        key = (one.picture, one.frame)
        first = seen.setdefault((*key, one.face), one.where)
        if first != one.where:
            frame = "" if one.frame is None else f" frame {one.frame}"
            reason = f"{one.picture}{frame} is described at {first} already, which counts; remove one"
            yield failure(one.where, "doubled-frame", reason)
        elif key not in best:
            best[key] = one
        else:
            loser, best[key] = sorted((best[key], one), key=lambda face: (face.score, -face.face))
            others.append(loser.where)
    yield from best.values()


def named_runs(places: Iterable[str]) -> Iterator[str]:
    """Yield `file:2-5` for places of one file whose lines follow each other: `file:2`, `file:3`, ...

    >>> list(named_runs(["a:2", "a:3", "b:4", "b:6"]))
    ['a:2-3', 'b:4', 'b:6']
    """
    file, first, last = "", 0, 0
    for place in [*places, ":0"]:
        name, _, line = place.rpartition(":")
        if file and (name, int(line)) != (file, last + 1):
            yield f"{file}:{first}" if first == last else f"{file}:{first}-{last}"
        if (name, int(line)) != (file, last + 1):
            file, first = name, int(line)
        last = int(line)
