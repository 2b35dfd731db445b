"""Aff-Wild2 (ABAW): expressions, action units, valence and arousal of frames of videos from the web."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.expressions import EXPRESSIONS, au_values, finite, presence, whole
from facedata.datasets.readers.sequences import frames_of, line_of, missing_frames, picture_folder
from facedata.datasets.readers.text import clean, failure, lines, relative
from facedata.datasets.record import Failure

__all__ = ["AffWild2"]

_TASKS = {"au": "AU_", "expr": "EXPR_", "va": "VA_"}
_SETS = {"Train_Set": "train", "Validation_Set": "val"}
_BASES = ("annotations", "Annotations", ".")
_PICTURES = ("cropped_aligned", "cropped_aligned_images")
_UNIT = re.compile(r"AU0*(\d+)", re.IGNORECASE)
_INVALID, _INVALID_VA = -1, -5.0
Parse = Callable[[Sequence[str]], dict[str, Any]]


class AffWild2Choices(Choices):
    """What the files leave open."""

    task: Literal["au", "expr", "va"] | None = None
    """The one challenge to read; needed where the challenges put a video in different splits."""

    images: str | None = None
    """The folder of the cropped frames."""


class AffWild2(Reader):
    """Cropped frames with what the challenges say of them; what a challenge calls invalid is not coded.

    Expressions go by the names in the header: neutral, anger, disgust, fear, happiness, sadness, surprise,
    other. Units are present or absent, not graded. The challenges part the videos differently; where one is
    in train for one task and in val for another, a task has to be chosen. Each video counts as one person
    (`subject`). Frames without a crop are named as missing.
    """

    name = "aff-wild2"
    title = "Aff-Wild2"
    choices = AffWild2Choices
    tree: ClassVar[str] = """\
Aff-Wild2/
  annotations/AU_Detection_Challenge/{Train_Set,Validation_Set}/v1.txt   AU1,AU2,...: 0, 1, or -1 invalid
  annotations/EXPR_Classification_Challenge/Train_Set/v1.txt             Neutral,Anger,...: 0-7, or -1
  annotations/VA_Estimation_Challenge/Train_Set/v1.txt                   valence,arousal: [-1, 1], or -5
  cropped_aligned/v1/00001.jpg                                           the line after the header"""
    source: ClassVar[str] = """\
Kollias and Zafeiriou, "Aff-Wild2: extending the Aff-Wild database for affect recognition" (2018), as the ABAW
challenges give it out. Seen in public code: folders, headers, units, the codes of the expressions, -1 and -5,
and that the j-th line after the header is picture j, counted from 1."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield a picture for each frame that a chosen challenge codes."""
        videos = _videos(root, choices.task)
        if not videos:
            raise SourceError(
                f"{root} has no *_Challenge/Train_Set/*.txt; the tree of {self.title} should be\n{self.tree}"
            )
        images = picture_folder(root, choices.images, _PICTURES)
        splits = {video: _split(video, files) for video, files in videos.items()}
        yield Note(
            "Aff-Wild2: expressions by the names in the header (Other is other); -1 and, of valence and "
            "arousal, -5 are not coded; units are present or absent, not graded"
        )
        yield Note(
            "Aff-Wild2 names no persons: each video counts as one, so that its frames stay in one split; who "
            "is in several videos counts as several"
        )
        for video, files in sorted(videos.items()):
            frames = frames_of(root, f"{images}/{video}")
            yield from frames.failures
            known: dict[int, dict[str, Any]] = {}
            named: dict[int, str] = {}
            for path, _ in files.values():
                for found in _annotations(root, path):
                    if isinstance(found, Failure):
                        yield found
                        continue
                    where, frame, values = found
                    known.setdefault(frame, {}).update(values)
                    named.setdefault(frame, where)
            absent = [(named[frame], frame) for frame in sorted(known) if frame not in frames.files]
            yield from missing_frames(absent, frames.place)
            for frame in sorted(known.keys() & frames.files.keys()):
                fields: dict[str, Any] = {"subject": f"{self.name}/{video}", "domain": self.name}
                fields |= {"split": splits[video], **known[frame]}
                fields["attributes"] = {"sequence": video, "frame": frame}
                yield Entry(frames.files[frame], fields, where=named[frame])


def _videos(root: Path, chosen: str | None) -> dict[str, dict[str, tuple[Path, str]]]:
    """Return (file, split) by task by video, of the chosen task or of all."""
    videos: dict[str, dict[str, tuple[Path, str]]] = {}
    base = next((root / base for base in _BASES if any((root / base).glob("*_Challenge"))), root)
    for folder in sorted(base.glob("*_Challenge")):
        task = next((task for task, start in _TASKS.items() if folder.name.startswith(start)), None)
        if task is None or chosen not in (None, task):
            continue
        for name, split in _SETS.items():
            for path in sorted((folder / name).glob("*.txt")):
                before = videos.setdefault(path.stem, {}).setdefault(task, (path, split))
                if before[0] != path:
                    raise SourceError(
                        f"{relative(root, path)}: the video is in {relative(root, before[0])} as well; "
                        "remove one of them"
                    )
    return videos


def _split(video: str, files: Mapping[str, tuple[Path, str]]) -> str:
    splits = {split for _, split in files.values()}
    if len(splits) > 1:
        stated = ", ".join(f"{task} {split}" for task, (_, split) in sorted(files.items()))
        raise UsageError(
            f"{video} is in different splits ({stated}): what one task trains on, another would test; "
            "choose one: --choose task=au, task=expr or task=va"
        )
    return splits.pop()


def _annotations(root: Path, path: Path) -> Iterator[tuple[str, int, dict[str, Any]] | Failure]:
    """Yield (where, frame, fields) of lines that code something; a line's number says which frame it is."""
    parse: Parse | None = None
    last = 0
    for where, text in lines(root, path):
        cells = [clean(cell) for cell in text.split(",")]
        if parse is None:
            parse = _parser(cells)
            if parse is None or line_of(where) != 1:
                reason = f"{text!r} is no first line of units, expressions or valence,arousal; restore it"
                yield failure(where, "bad-header", reason)
                return
            continue
        frame = line_of(where) - 1
        for gap in range(last + 1, frame):
            reason = f"the line is empty where frame {gap} should be; restore it"
            yield failure(f"{relative(root, path)}:{gap + 1}", "bad-value", reason)
        last = frame
        try:
            values = parse(cells)
        except ValueError as error:
            yield failure(where, "bad-value", f"{error}; mend the line")
            continue
        if values:
            yield where, frame, values


def _parser(header: Sequence[str]) -> Parse | None:
    """Return what reads a line below this header, or None where it is none."""
    units = [int(found[1]) for name in header if (found := _UNIT.fullmatch(name))]
    if len(units) == len(header):
        return lambda cells: _units(cells, units)
    names = [name.lower() for name in header]
    if names == ["valence", "arousal"]:
        return _valence_arousal
    if set(names) <= {*EXPRESSIONS, "other"} and len(names) > 1:
        return lambda cells: _expression(cells, names)
    return None


def _units(cells: Sequence[str], units: Sequence[int]) -> dict[str, Any]:
    if len(cells) != len(units):
        raise ValueError(f"{len(cells)} columns where the header has {len(units)}")
    codes = [whole(cell) for cell in cells]
    for cell, code in zip(cells, codes, strict=True):
        if code not in (0, 1, _INVALID):
            raise ValueError(f"{cell!r} is not 0, 1 or -1")
    pairs = zip(units, codes, strict=True)
    return au_values({unit: presence(code or 0) for unit, code in pairs if code != _INVALID})


def _expression(cells: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    code = whole(cells[0]) if len(cells) == 1 else None
    if code is None or not _INVALID <= code < len(names):
        raise ValueError(f"{','.join(cells)!r} is no expression of 0-{len(names) - 1}, nor -1")
    return {} if code == _INVALID else {"expression": names[code]}


def _valence_arousal(cells: Sequence[str]) -> dict[str, Any]:
    numbers = [number for cell in cells if (number := finite(cell)) is not None]
    if len(numbers) != 2 or len(cells) != 2 or any(not -1 <= n <= 1 and n != _INVALID_VA for n in numbers):
        raise ValueError(f"{','.join(cells)!r} is no valence and arousal of [-1, 1], nor -5")
    pairs = zip(("valence", "arousal"), numbers, strict=True)
    return {name: number for name, number in pairs if number != _INVALID_VA}
