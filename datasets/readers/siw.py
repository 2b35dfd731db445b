"""SiW: subject, sensor, type, medium and session in each name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from facedata.datasets.readers.base import Entry, Note, Reader
from facedata.datasets.readers.text import failure
from facedata.datasets.readers.tree import files, per_frame
from facedata.datasets.record import Failure

__all__ = ["Siw"]

_NAME = re.compile(r"(\d{3})-(\d+)-([1-3])-(\d+)-(\d+)")
_ATTACKS = {"2": "print", "3": "replay"}


class Siw(Reader):
    """Videos by name; the folders Train and Test give the split."""

    name = "siw"
    title = "SiW (Spoof in the Wild)"
    tree: ClassVar[str] = """\
SiW_release/
  {Train,Test}/live/001/001-1-1-1-1.mov      subject-sensor-type-medium-session
  {Train,Test}/spoof/001/001-1-2-1-1.mov     type 1 live, 2 print, 3 replay
  {Train,Test}/live/001/001-1-1-1-1.face     left top right bottom, a line a frame (optional)"""
    source: ClassVar[str] = """\
Liu, Jourabloo and Liu, "Learning deep models for face anti-spoofing: binary or auxiliary supervision", CVPR
2018. Seen in public code: folders, names, types, face files. From memory: nothing that labels depend on."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the videos."""
        del choices
        yield Note(
            "labels: the third number of a name: 1 live, 2 print, 3 replay; there is no development set"
        )
        for file in files(root, {".mov", ".mp4", ".avi"}):
            values = self._meaning(file)
            if isinstance(values, str):
                yield failure(str(file), "bad-name", values)
                continue
            problems: list[Failure] = []
            boxes = per_frame(root, (root / file).with_suffix(".face"), 4, _box, problems, counted=True)
            yield from problems
            yield Entry(str(file), values, boxes, every=True)

    def _meaning(self, file: PurePosixPath) -> Mapping[str, Any] | str:
        folders = [name.lower() for name in file.parts[:-1]]
        split = next((name for name in folders if name in ("train", "test")), None)
        match = _NAME.fullmatch(file.stem)
        if match is None or split is None:
            return "not {Train,Test}/.../subject-sensor-type(1-3)-medium-session.mov; rename or remove it"
        subject, sensor, kind, medium, session = match.groups()
        label = "live" if kind == "1" else "spoof"
        if stated := {"live", "spoof"} & set(folders[-2:]) - {label}:
            return f"lies under {stated.pop()}, but its name says {label} (type {kind}); move or rename it"
        values = {
            "domain": self.name,
            "subject": self.subject(subject),
            "split": split,
            "label": label,
            "attributes": {"sensor": int(sensor), "medium": int(medium), "session": int(session)},
        }
        return values if label == "live" else {**values, "attack": _ATTACKS[kind]}


def _box(numbers: Sequence[float]) -> dict[str, Any] | None:
    left, top, right, bottom = numbers[:4]
    return {"box": [left, top, right - left, bottom - top]} if right > left and bottom > top else None
