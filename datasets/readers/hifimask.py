"""CASIA-SURF HiFiMask: frames of masks, in folders whose names are numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.base import Entry, Note, Reader
from facedata.datasets.readers.text import clean, failure, lines
from facedata.datasets.readers.tree import files
from facedata.datasets.record import Failure

__all__ = ["HiFiMask"]

_FOLDER = re.compile(r"(\d+)_(\d+)_(\d+)_(\d+)_(\d+)_(\d+)")
_FIELDS = ("skin", "subject", "type", "scene", "light", "sensor")
_LISTS = re.compile(r"(train|val|dev|test)(_label|_list)?\.txt", re.IGNORECASE)
_SPLITS = {"train": "train", "val": "val", "dev": "val", "test": "test"}


class HiFiMask(Reader):
    """Lists of `path label`; pictures that no list names are counted, never labelled by guess."""

    name = "hifimask"
    title = "CASIA-SURF HiFiMask"
    tree: ClassVar[str] = """\
HiFiMask/
  train_label.txt          train/1_01_0_1_1_1/0001.png 1        label 1 live, 0 mask
  {val,test}_label.txt     or val.txt, test.txt: a path a line, without labels
  train/<skin>_<subject>_<type>_<scene>_<light>_<sensor>/0001.png
  {val,test}/0000/0001.png"""
    source: ClassVar[str] = """\
Liu et al., "Contrastive context-aware learning for 3D high-fidelity mask face presentation attack detection",
TIFS 2022. Seen in public code: the folders' names, label 1 for live. From memory: the names of the lists.
Which type is which mask was not found: the number is kept as it is."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the pictures of the lists."""
        del choices
        lists = sorted(path for path in root.glob("*.txt") if _LISTS.fullmatch(path.name))
        lists += sorted(path for path in root.glob("*/*.txt") if _LISTS.fullmatch(path.name))
        if not lists:
            raise SourceError(f"{root} holds no list of HiFiMask; the tree should be\n{self.tree}")
        yield Note("labels: the last word of a line, 1 live and 0 mask")
        listed = 0
        for path in lists:
            for one in self._list(root, path):
                listed += isinstance(one, Entry)
                yield one
        there = sum(1 for _ in files(root, {".png", ".jpg"}))
        if there > listed:
            yield Note(f"passed over: {there - listed} pictures that no list names")

    def _list(self, root: Path, path: Path) -> Iterator[Entry | Failure]:
        match = _LISTS.fullmatch(path.name)
        split = _SPLITS[match[1].lower()] if match else ""
        above = "" if path.parent == root else f"{path.parent.name}/"
        for where, text in lines(root, path):
            words = [clean(word) for word in text.split()]
            if len(words) > 2:
                yield failure(where, "ragged", f"{len(words)} words where a path and a label are expected")
                continue
            if len(words) == 2 and words[1] not in ("0", "1"):
                yield failure(where, "bad-label", f"label {words[1]!r} is not 1 (live) or 0 (mask)")
                continue
            values: dict[str, Any] = {"domain": self.name, "split": split, **self._meaning(words[0])}
            if len(words) == 2:
                values["label"] = "live" if words[1] == "1" else "spoof"
                if words[1] == "0":
                    values["attack"] = "mask"
            yield Entry(above + words[0], values, where=where)

    def _meaning(self, file: str) -> dict[str, Any]:
        match = _FOLDER.fullmatch(PurePosixPath(file).parent.name)
        if match is None:
            return {}
        fields = dict(zip(_FIELDS, match.groups(), strict=True))
        subject = self.subject(f"{fields['skin']}-{fields.pop('subject')}")
        return {"subject": subject, "attributes": {name: int(number) for name, number in fields.items()}}
