"""Walking a dataset's folders, and the files of face boxes that lie beside videos."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from facedata.datasets.items import place_of
from facedata.datasets.readers.base import Entry
from facedata.datasets.readers.text import failure, lines
from facedata.datasets.record import Failure

__all__ = ["coordinates", "files", "named", "per_frame"]

_MOST = 1e9  # pixels, or frames: what is farther off is no place in a picture


def files(root: Path, endings: Collection[str]) -> Iterator[PurePosixPath]:
    """Yield the files under `root` of those endings (lower case, with the dot), sorted by folder, relative.

    Hidden files and folders are passed over, and links to folders are not followed.
    """
    for folder, names, found in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(found):
            if Path(name).suffix.lower() in endings and not name.startswith("."):
                yield PurePosixPath(place_of(os.path.relpath(Path(folder, name), root)))


def named(
    root: Path, endings: Collection[str], meaning: Callable[[PurePosixPath], Mapping[str, Any] | str]
) -> Iterator[Entry | Failure]:
    """Yield an entry for each file, with what its path means, or a failure where `meaning` gives a reason."""
    for file in files(root, endings):
        found = meaning(file)
        if isinstance(found, str):
            yield failure(str(file), "bad-name", found)
        else:
            yield Entry(str(file), found)


def coordinates(words: Sequence[str]) -> list[float]:
    """Return numbers that a picture may have; raise ValueError where one is none, such as infinity."""
    numbers = [float(word) for word in words]
    if not all(abs(number) < _MOST for number in numbers):
        raise ValueError("too large")
    return numbers


def per_frame(
    root: Path,
    path: Path,
    columns: int,
    meaning: Callable[[Sequence[float]], Mapping[str, Any] | None],
    problems: list[Failure],
    *,
    counted: bool = False,
) -> dict[int, dict[str, Any]] | None:
    """Return what a file beside a video says of its frames, by 0-based number; None where there is no file.

    A line is a frame's number and at least `columns` numbers, separated by commas or spaces; where `counted`,
    the first line is frame 0 and states no number. `meaning` turns them into fields, or None where they say
    that there is no face. Lines that are none of this and frames that stand twice go to `problems`.
    """
    if not path.is_file():
        return None
    found: dict[int, dict[str, Any]] = {}
    for where, text in lines(root, path):
        try:
            numbers = coordinates(text.replace(",", " ").split())
        except ValueError:
            problems.append(failure(where, "bad-box", f"{text!r} is no line of numbers; mend it"))
            continue
        number = int(where.rpartition(":")[2]) - 1 if counted or not numbers else numbers.pop(0)
        if len(numbers) < columns or number != int(number) or number < 0:
            problems.append(
                failure(where, "ragged", f"{text!r} is not a frame and {columns} numbers; mend the line")
            )
        elif int(number) in found:
            problems.append(failure(where, "listed-twice", f"frame {int(number)} stands twice; take one off"))
        elif (fields := meaning(numbers)) is not None:
            found[int(number)] = dict(fields)
    return found
