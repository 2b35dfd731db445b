"""CASIA-FASD: twelve videos a person, told apart by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from facedata.datasets.readers.base import Entry, Note, Reader
from facedata.datasets.readers.tree import named
from facedata.datasets.record import Failure

__all__ = ["CasiaFasd"]

_KINDS = {  # video name: attack, quality
    "1": (None, "low"),
    "2": (None, "normal"),
    "HR_1": (None, "high"),
    "3": ("paper/curved", "low"),
    "4": ("paper/curved", "normal"),
    "HR_2": ("paper/curved", "high"),
    "5": ("paper/cut", "low"),
    "6": ("paper/cut", "normal"),
    "HR_3": ("paper/cut", "high"),
    "7": ("replay", "low"),
    "8": ("replay", "normal"),
    "HR_4": ("replay", "high"),
}
_KIND_NAMES = {"paper/curved": "warped photo", "paper/cut": "cut photo", "replay": "video"}
_PART = re.compile(r"(train|test)(_release)?", re.IGNORECASE)


class CasiaFasd(Reader):
    """A folder a person in each half; persons of the halves are others, though both count from 1."""

    name = "casia-fasd"
    title = "CASIA-FASD"
    tree: ClassVar[str] = """\
CASIA-FASD/
  train_release/<person>/{1..8,HR_1..HR_4}.avi     persons 1-20
  test_release/<person>/{1..8,HR_1..HR_4}.avi      persons 1-30, others than in train_release
    1, 2, HR_1 live;  3, 4, HR_2 warped photo;  5, 6, HR_3 cut photo;  7, 8, HR_4 video replay"""
    source: ClassVar[str] = """\
Zhang et al., "A face antispoofing database with diverse attacks", ICB 2012. Seen in public code: folders,
names and their labels. From memory: which of two numbers is low and which normal quality."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the videos."""
        del choices
        yield Note(
            "labels: 1, 2, HR_1 live; 3, 4, HR_2 warped photo; 5, 6, HR_3 cut photo; 7, 8, HR_4 video replay "
            "(some public lists call HR_4 live: it is an attack)"
        )
        yield Note("there is no development set: hold persons of train out, never videos")
        yield from named(root, {".avi", ".mp4"}, self._meaning)

    def _meaning(self, file: PurePosixPath) -> Mapping[str, Any] | str:
        part = _PART.fullmatch(file.parts[-3]) if len(file.parts) > 2 else None
        if part is None or file.stem not in _KINDS:
            return "not {train,test}_release/<person>/{1..8,HR_1..HR_4}.avi; rename or remove it"
        half, person = part[1].lower(), file.parts[-2]
        attack, quality = _KINDS[file.stem]
        attributes = {"quality": quality}
        values = {"domain": self.name, "subject": self.subject(f"{half}-{person}"), "split": half}
        if attack is None:
            return {**values, "label": "live", "attributes": attributes}
        attributes["instrument"] = _KIND_NAMES[attack]
        return {**values, "label": "spoof", "attack": attack, "attributes": attributes}
