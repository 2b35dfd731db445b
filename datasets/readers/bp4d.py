"""BP4D-Spontaneous: action units by frame, as occurrence codes and, for five units, intensities."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.expressions import au_values, presence, whole
from facedata.datasets.readers.sequences import frames_of, missing_frames, picture_folder
from facedata.datasets.readers.text import failure, lines, table
from facedata.datasets.record import Failure

__all__ = ["Bp4d"]

_TWELVE = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
_UNKNOWN = 9
_OCCURRENCE, _INTENSITY = "AUCoding/AU_OCC", "AUCoding/AU_INT"
_CLIP = re.compile(r"([FM]\d+)_(T\d+)\.csv")
_PICTURES = ("images", "Sequences(2D+3D)", "2D+3D", ".")


class Bp4dChoices(Choices):
    """What is read of the codes, and where the pictures are."""

    units: Literal["12", "all"] = "12"
    """The twelve units that published work reports, or every unit that has a column."""

    images: str | None = None
    """The folder that holds F001, F002, ... of pictures."""


class Bp4d(Reader):
    """Pictures of coded frames; a unit of code 9 could not be seen, and is not in that frame's domain.

    A unit is graded where AU_INT grades it, and present, not graded, elsewhere; where AU_OCC and AU_INT
    disagree, AU_OCC counts and a note tells how often. The tasks were meant to raise emotions: they are in
    `attributes.task`, since what is felt need not show.
    """

    name = "bp4d"
    title = "BP4D"
    choices = Bp4dChoices
    tree: ClassVar[str] = """\
BP4D/
  AUCoding/AU_OCC/F001_T1.csv               header 0,1,2,4,...: column 0 the frame, units 0, 1, or 9 unknown
  AUCoding/AU_INT/AU06/F001_T1_AU06.csv     lines frame,intensity: 0-5, or 9 unknown
  images/F001/T1/2440.jpg                   or --choose images=FOLDER, the folder of F001"""
    source: ClassVar[str] = """\
Zhang et al., "BP4D-Spontaneous: a high-resolution spontaneous 3D dynamic facial expression database", Image
and Vision Computing 2014. Seen in public code: the folders, header and 9 of the occurrence files, the twelve
units, the names of the pictures. From memory: how frame numbers are padded (any padding is read), and the
lines of the intensity files."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield a picture for each coded frame."""
        files = sorted((root / _OCCURRENCE).glob("*.csv"))
        if not files:
            raise SourceError(
                f"{root} has no {_OCCURRENCE}/*.csv; the tree of {self.title} should be\n{self.tree}"
            )
        clips = {path: _CLIP.fullmatch(path.name) for path in files}
        first = next((clip[1] for clip in clips.values() if clip), "F001")
        images = picture_folder(root, choices.images, _PICTURES, holding=first)
        yield Note(
            "BP4D: occurrence codes are 0, 1 and 9 (unknown: not coded on that frame); a unit is graded "
            "where AU_INT grades it, and present, not graded, where it does not"
        )
        yield Note("BP4D: the tasks were meant to raise emotions; they are in attributes.task, no expression")
        clashes: Counter[str] = Counter()
        for path, clip in clips.items():
            if clip is None:
                where = f"{_OCCURRENCE}/{path.name}"
                yield failure(where, "bad-name", "not of the form F001_T1.csv; rename it")
            else:
                coding = _Clip(root, clip[1], clip[2], choices.units)
                yield from coding.read(path)
                clashes[coding.name] += coding.clashes
                yield from self._pictures(root, PurePosixPath(images, clip[1], clip[2]).as_posix(), coding)
        if total := clashes.total():
            most = ", ".join(f"{clip} {number}" for clip, number in clashes.most_common(3))
            yield Note(
                f"BP4D: AU_OCC and AU_INT disagree on {total} codes (most in {most}); AU_OCC counts, and the "
                "unit is not graded there"
            )

    def _pictures(self, root: Path, place: str, coding: _Clip) -> Iterator[Entry | Failure]:
        frames = frames_of(root, place)
        yield from frames.failures
        absent = [(where, frame) for frame, where in coding.where.items() if frame not in frames.files]
        yield from missing_frames(absent, place)
        for frame, levels in coding.levels.items():
            if frame in frames.files:
                values = {
                    "subject": f"{self.name}/{coding.subject}",
                    "domain": self.name,
                    **au_values(levels),
                }
                values["attributes"] = {"sequence": coding.name, "frame": frame, "task": coding.task}
                yield Entry(frames.files[frame], values, where=coding.where[frame])


class _Clip:
    """The codes of one clip: level by unit by frame, and the line that codes the frame."""

    def __init__(self, root: Path, subject: str, task: str, units: str) -> None:
        self.root, self.subject, self.task = root, subject, task
        self.name = f"{subject}_{task}"
        self.chosen = frozenset(_TWELVE) if units == "12" else None
        self.levels: dict[int, dict[int, float | None]] = {}
        self.where: dict[int, str] = {}
        self.clashes = 0

    def read(self, path: Path) -> Iterator[Failure]:
        """Read the occurrence file, then what intensity files there are."""
        yield from self._occurrences(path)
        for folder in sorted((self.root / _INTENSITY).glob("AU*")):
            unit = whole(folder.name.removeprefix("AU"))
            graded = folder / f"{self.name}_{folder.name}.csv"
            if unit is not None and graded.is_file():
                yield from self._intensities(graded, unit)

    def _occurrences(self, path: Path) -> Iterator[Failure]:
        for row in table(self.root, path, needed=("0",)):
            if isinstance(row, Failure):
                yield row
                continue
            codes = {whole(unit): whole(code) for unit, code in row.cells.items() if unit != "0"}
            frame = whole(row["0"])
            bad = [unit for unit, code in codes.items() if code not in (0, 1, _UNKNOWN)]
            if frame is None:
                yield failure(row.where, "bad-value", f"{row['0']!r} is no frame number; mend the line")
            elif bad:
                reason = f"AU {bad[0]} has a code that is not 0, 1 or 9; mend the line"
                yield failure(row.where, "bad-value", reason)
            elif self.where.setdefault(frame, row.where) != row.where:
                reason = f"frame {frame} is coded at {self.where[frame]} already, which counts; remove one"
                yield failure(row.where, "doubled-frame", reason)
            else:
                self.levels[frame] = {
                    unit: presence(code or 0)
                    for unit, code in codes.items()
                    if unit is not None and code != _UNKNOWN and (self.chosen is None or unit in self.chosen)
                }

    def _intensities(self, path: Path, unit: int) -> Iterator[Failure]:
        """Grade the unit where it is present; count where a grade and an occurrence disagree."""
        seen: dict[int, str] = {}
        for where, text in lines(self.root, path):
            words = [whole(word) for word in text.split(",")]
            if where.endswith(":1") and None in words:
                continue  # a header
            frame, level = words if len(words) == 2 else (None, None)
            if frame is None or level is None or not (0 <= level <= 5 or level == _UNKNOWN):
                reason = f"{text!r} is no frame with an intensity of 0-5 or 9; mend the line"
                yield failure(where, "bad-value", reason)
            elif seen.setdefault(frame, where) != where:
                reason = f"frame {frame} is graded at {seen[frame]} already, which counts; remove one"
                yield failure(where, "doubled-frame", reason)
            elif level != _UNKNOWN and unit in (levels := self.levels.get(frame, {})):
                if (levels[unit] is None) == (level > 0):
                    levels[unit] = float(level)
                else:
                    self.clashes += 1
