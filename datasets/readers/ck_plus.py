"""CK+ (extended Cohn-Kanade): posed sequences from neutral to peak, with FACS codes of the peak."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Literal

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.expressions import au_values, codes_note, finite, whole
from facedata.datasets.readers.sequences import frames_of
from facedata.datasets.readers.text import failure, lines, relative
from facedata.datasets.record import Failure

__all__ = ["CkPlus"]

_CODES = {
    0: "neutral",
    1: "anger",
    2: "contempt",
    3: "disgust",
    4: "fear",
    5: "happiness",
    6: "sadness",
    7: "surprise",
}
_PICTURES = "cohn-kanade-images"
_CODED = re.compile(r"(S\d+_\d+_\d+)_(facs|emotion)\.txt")
Levels = dict[int, float | None]


class CkPlusChoices(Choices):
    """Which frames of a sequence are read."""

    frames: Literal["peak", "first", "all"] = "peak"
    """The coded peak; the first frame beside it, as neutral by the recording's protocol; or all frames."""


class CkPlus(Reader):
    """FACS units of the peak frame (0 is present, not graded) and, for 327 sequences, an emotion.

    Expressions: 0 neutral, 1 anger, 2 contempt, 3 disgust, 4 fear, 5 happiness, 6 sadness, 7 surprise. The
    codes are of the peak alone. A sequence begins neutral by the protocol of the recording, and nobody coded
    that frame: with `frames=first`, `attributes.annotation` says so. UNBC-McMaster has pain scores (PSPI) in
    files of the same name: they are refused.
    """

    name = "ck-plus"
    title = "CK+"
    choices = CkPlusChoices
    tree: ClassVar[str] = """\
CK+/
  cohn-kanade-images/S005/001/S005_001_00000011.png
  FACS/S005/001/S005_001_00000011_facs.txt           lines of unit and intensity: 9.0e+00  4.0e+00
  Emotion/S005/001/S005_001_00000011_emotion.txt     one number; some sequences have none"""
    source: ClassVar[str] = """\
Lucey et al., "The extended Cohn-Kanade dataset (CK+)", CVPR Workshops 2010. Seen in public code: folders and
names, two numbers a line, the emotion codes. From memory: that intensity 0 says present and not graded.
Assumed: that every unit that the FACS files name anywhere was looked for on every peak."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the coded frames of each sequence, and what `frames` adds."""
        if not (root / _PICTURES).is_dir() or not (root / "FACS").is_dir():
            raise SourceError(
                f"{root} has no {_PICTURES} and FACS; the tree of {self.title} should be\n{self.tree}"
            )
        facs, emotions = _coded(root, "FACS", "facs"), _coded(root, "Emotion", "emotion")
        known: dict[str, dict[str, Any]] = {stem: {} for stem in sorted(facs.keys() | emotions.keys())}
        for stem, path in emotions.items():
            try:
                known[stem]["expression"] = _emotion(path)
            except ValueError as error:
                yield failure(f"{relative(root, path)}:1", "bad-value", f"{error}; mend the file")
        units: dict[str, Levels] = {}
        for stem, path in facs.items():
            found = _facs(root, path)
            if isinstance(found, Failure):
                yield found
            else:
                units[stem] = found
        domain = sorted({unit for levels in units.values() for unit in levels})
        for stem, levels in units.items():
            known[stem] |= au_values({unit: levels.get(unit, 0.0) for unit in domain})
        yield codes_note(self.title, _CODES)
        yield Note(
            f"CK+: intensity 0 is read as present, not graded; the {len(domain)} units that the FACS files "
            "name are taken as coded on every peak; no other frame is coded"
        )
        for folder, stems in groupby(known, key=lambda stem: stem.rpartition("_")[0]):
            peaks = {int(stem.rpartition("_")[2]): known[stem] for stem in stems}
            yield from self._sequence(root, folder, peaks, choices.frames)

    def _sequence(
        self, root: Path, folder: str, peaks: dict[int, dict[str, Any]], wanted: str
    ) -> Iterator[Entry | Failure]:
        subject, number = folder.split("_")
        frames = frames_of(root, f"{_PICTURES}/{subject}/{number}")
        yield from frames.failures
        for frame in sorted(peaks.keys() - frames.files.keys()):
            reason = f"it is coded, and {frames.place} has no picture of it; restore it"
            yield failure(f"{folder}_{frame:08d}", "missing", reason)
        first = min(frames.files, default=None)
        for frame, file in sorted(frames.files.items()):
            values: dict[str, Any] = {"subject": f"{self.name}/{subject}", "domain": self.name}
            attributes: dict[str, Any] = {"sequence": folder, "frame": frame}
            if frame in peaks:
                values |= peaks[frame]
            elif wanted == "first" and frame == first:
                values["expression"] = "neutral"
                attributes["annotation"] = "neutral by protocol"
            elif wanted != "all":
                continue
            yield Entry(file, {**values, "attributes": attributes})


def _coded(root: Path, folder: str, kind: str) -> dict[str, Path]:
    """Return the code files under a folder by `S005_001_00000011`."""
    files: dict[str, Path] = {}
    for path in sorted((root / folder).rglob("*_*.txt")):
        name = _CODED.fullmatch(path.name)
        if name is not None and name[2] == kind:
            files[name[1]] = path
        elif path.name.endswith("_facs.txt"):
            raise _unbc(relative(root, path))
    return files


def _facs(root: Path, path: Path) -> Levels | Failure:
    """Return level by unit, None where it is present and not graded.

    One line that cannot be read costs the file: what it codes would pass for absent.
    """
    levels: Levels = {}
    for where, text in lines(root, path):
        words = text.split()
        if len(words) == 1 and "." in text:
            raise _unbc(where)
        unit, level = whole(words[0]), finite(words[-1])
        if len(words) != 2 or unit is None or level is None or not 0 <= level <= 5 or not 1 <= unit <= 99:
            reason = f"{text!r} is no unit with an intensity of 0-5; the frame's units are left out, mend it"
            return failure(where, "bad-value", reason)
        if levels.setdefault(unit, level or None) != (level or None):
            reason = f"unit {unit} has two intensities; the frame's units are left out, mend it"
            return failure(where, "bad-value", reason)
    return levels


def _unbc(where: str) -> SourceError:
    return SourceError(
        f"{where}: no FACS file of CK+: UNBC-McMaster calls its pain scores (PSPI) so too, one number a "
        "frame, and they are no action units; give the FACS folder of CK+"
    )


def _emotion(path: Path) -> str:
    words = path.read_text("utf-8-sig", "replace").split()
    code = whole(words[0]) if len(words) == 1 else None
    if code is None or code not in _CODES:
        raise ValueError(f"{' '.join(words)[:40]!r} is no emotion of 0-7")
    return _CODES[code]
