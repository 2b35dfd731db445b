"""DISFA: twelve action units graded 0-5, frame by frame, of 27 persons who watched a film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.expressions import au_values, whole
from facedata.datasets.readers.sequences import frames_of, missing_frames, picture_folder
from facedata.datasets.readers.text import failure, lines
from facedata.datasets.record import Failure

__all__ = ["Disfa"]

_UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
_EIGHT = (1, 2, 4, 6, 9, 12, 25, 26)
_LABELS = "ActionUnit_Labels"
_IN_DISFA_PLUS = "SN001, SN003, SN004, SN007, SN009, SN010, SN013, SN025, SN027"
_VIDEOS = {
    "left": "Videos_LeftCamera/LeftVideo{}_comp.avi",
    "right": "Video_RightCamera/RightVideo{}_Comp.avi",
}


class DisfaChoices(Choices):
    """What is read of the recordings and of the codes."""

    camera: Literal["left", "right"] = "left"
    """Whose videos are read."""

    units: Literal["12", "8"] = "12"
    """All units that are coded, or the eight that much published work reports."""

    images: str | None = None
    """A folder of frames to read in place of the videos: SN001/00001.jpg, numbered as the labels are."""


class Disfa(Reader):
    """Graded units by frame, of the videos or of frames that were taken from them.

    All intensities are kept; published work counts 2 and more as present, on twelve units or on 1, 2, 4, 6,
    9, 12, 25 and 26. A unit whose file is missing, or whose line cannot be read, is not coded. DISFA+ was
    recorded with persons of DISFA (SN001, 003, 004, 007, 009, 010, 013, 025, 027), and FEAFA+ holds 27 of its
    clips.
    """

    name = "disfa"
    title = "DISFA"
    choices = DisfaChoices
    tree: ClassVar[str] = """\
DISFA/
  ActionUnit_Labels/SN001/SN001_au1.txt        lines frame,intensity: frames from 1, intensities 0-5
  Videos_LeftCamera/LeftVideoSN001_comp.avi
  Video_RightCamera/RightVideoSN001_Comp.avi   read with --choose camera=right
  images/SN001/00001.jpg                       read in place of videos with --choose images=images"""
    source: ClassVar[str] = """\
Mavadati et al., "DISFA: a spontaneous facial action intensity database", IEEE TAC 2013. Seen in public code:
the label files, the units, the videos of the left camera, the set of eight, positive from intensity 2. From
memory: the videos of the right camera."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield a video with its coded frames for each person, or a picture for each coded frame."""
        if not (root / _LABELS).is_dir():
            raise SourceError(f"{root} has no {_LABELS}; the tree of {self.title} should be\n{self.tree}")
        images = None if choices.images is None else picture_folder(root, choices.images, ())
        units = _UNITS if choices.units == "12" else _EIGHT
        yield Note(
            f"DISFA: {len(units)} units graded 0-5 and no expressions; published work counts 2 and more as "
            "present; label frame 1 is the first of the video"
        )
        yield Note(f"DISFA+ was recorded with persons of DISFA ({_IN_DISFA_PLUS}): keep each in one split")
        yield Note("FEAFA+ holds 27 clips of DISFA under labels of its own")
        for folder in sorted(path for path in (root / _LABELS).iterdir() if path.is_dir()):
            coding = _Coding()
            for unit in units:
                path = folder / f"{folder.name}_au{unit}.txt"
                if path.is_file():
                    yield from coding.add(root, path, unit)
                else:
                    where = f"{_LABELS}/{folder.name}/{path.name}"
                    yield failure(where, "missing", "no such file; the unit is not coded for this person")
            if images is None:
                place = _VIDEOS[choices.camera].format(folder.name)
                frames = coding.frames()
                values = {"subject": f"{self.name}/{folder.name}", "domain": self.name}
                yield Entry(place, values, frames, where=f"{_LABELS}/{folder.name}")
            else:
                yield from self._pictures(root, f"{images}/{folder.name}", folder.name, coding)

    def _pictures(self, root: Path, place: str, subject: str, coding: _Coding) -> Iterator[Entry | Failure]:
        frames = frames_of(root, place)
        yield from frames.failures
        absent = sorted(coding.levels.keys() - frames.files.keys())
        yield from missing_frames([(coding.where[frame], frame) for frame in absent], place)
        for frame in sorted(coding.levels.keys() & frames.files.keys()):
            values: dict[str, Any] = {"subject": f"{self.name}/{subject}", "domain": self.name}
            values |= au_values(coding.levels[frame])
            values["attributes"] = {"sequence": subject, "frame": frame}
            yield Entry(frames.files[frame], values, where=coding.where[frame])


class _Coding:
    """What the files of one person code: level by unit by frame, and the first line that names the frame."""

    def __init__(self) -> None:
        self.levels: dict[int, dict[int, float | None]] = {}
        self.where: dict[int, str] = {}

    def add(self, root: Path, path: Path, unit: int) -> Iterator[Failure]:
        """Read a unit's file; a frame whose line cannot be read is not coded for the unit."""
        seen: dict[int, str] = {}
        for where, text in lines(root, path):
            words = [whole(word) for word in text.split(",")]
            frame, level = words if len(words) == 2 else (None, None)
            if frame is None or frame < 1 or level is None or not 0 <= level <= 5:
                reason = f"{text!r} is no frame (from 1) with an intensity of 0-5; mend the line"
                yield failure(where, "bad-value", reason)
            elif seen.setdefault(frame, where) != where:
                reason = f"frame {frame} is coded at {seen[frame]} already, which counts; remove one"
                yield failure(where, "doubled-frame", reason)
            else:
                self.where.setdefault(frame, where)
                self.levels.setdefault(frame, {})[unit] = float(level)

    def frames(self) -> dict[int, dict[str, Any]]:
        """Return the fields of the video's frames, which count from 0."""
        return {
            frame - 1: {**au_values(levels), "where": self.where[frame]}
            for frame, levels in sorted(self.levels.items())
        }
