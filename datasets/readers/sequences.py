"""Picture files that are the frames of a sequence, found by the number that ends their names.

The same dataset is met as `00001.jpg`, `0001.png` and `1.jpg`: the number is what counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from facedata.datasets.errors import UsageError
from facedata.datasets.pictures import SUFFIXES
from facedata.datasets.readers.text import failure
from facedata.datasets.record import Failure

__all__ = ["Frames", "frames_of", "line_of", "missing_frames", "picture_folder"]

_NUMBERED = re.compile(r"(?!\.).*?(\d+)(\.\w+)")


@dataclass(frozen=True, slots=True)
class Frames:
    """The pictures of the folder `place`: place by number, and those of which two have one number."""

    place: str
    files: dict[int, str] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


def frames_of(root: Path, place: str) -> Frames:
    """List the pictures of the folder `place` under `root` by number; one that is not there has none.

    Of two files with one number the first by name is taken, and the other one is a failure.
    """
    files: dict[int, str] = {}
    failures: list[Failure] = []
    try:
        names = sorted(entry.name for entry in os.scandir(root / place))
    except OSError:
        return Frames(place)
    for name in names:
        found = _NUMBERED.fullmatch(name)
        if found is None or found[2].lower() not in SUFFIXES:
            continue
        number, file = int(found[1]), PurePosixPath(place, name).as_posix()
        if number in files:
            reason = f"frame {number} is in {files[number]} already, which counts; remove one"
            failures.append(failure(file, "doubled-frame", reason))
        else:
            files[number] = file
    return Frames(place, files, tuple(failures))


def line_of(where: str) -> int:
    """Return the line number of a place such as `list.csv:17`."""
    return int(where.rpartition(":")[2])


def missing_frames(coded: Iterable[tuple[str, int]], folder: str) -> Iterator[Failure]:
    """Yield a failure for each run of frames that a list codes and `folder` has no picture of.

    `coded` gives (file:line, frame) in the order of the list; a run of lines is named by its first and last.
    """
    run: list[tuple[str, int]] = []
    for where, frame in [*coded, ("", 0)]:
        if run and (not where or not _follows(run[-1], (where, frame))):
            (start, first), (end, last) = run[0], run[-1]
            span = start if first == last else f"{start}-{line_of(end)}"
            frames = f"frame {first}" if first == last else f"frames {first}-{last} ({len(run)})"
            reason = f"{folder} has no picture of {frames}; restore it if there was one"
            yield failure(span, "missing", reason)
            run = []
        run.append((where, frame))


def _follows(before: tuple[str, int], after: tuple[str, int]) -> bool:
    same_file = before[0].rpartition(":")[0] == after[0].rpartition(":")[0]
    return same_file and line_of(after[0]) == line_of(before[0]) + 1 and after[1] == before[1] + 1


def picture_folder(root: Path, chosen: str | None, candidates: Sequence[str], holding: str = "") -> str:
    """Return the folder under `root` that the pictures lie in: the chosen one, or the first candidate there.

    With `holding`, a folder counts where it has that folder in it. Raises UsageError where there is none.
    """
    for place in candidates if chosen is None else [chosen]:
        if Path(root, place, holding).is_dir():
            return PurePosixPath(place).as_posix()
    expected = PurePosixPath(chosen or candidates[0], holding)
    raise UsageError(
        f"{root} has no folder {expected}; name the pictures' folder with --choose images=FOLDER"
    )
