"""RAF-DB, the basic expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.expressions import codes_note, whole
from facedata.datasets.readers.text import failure, lines
from facedata.datasets.record import Failure

__all__ = ["RafDb"]

_CODES = {
    1: "surprise",
    2: "fear",
    3: "disgust",
    4: "happiness",
    5: "sadness",
    6: "anger",
    7: "neutral",
}
_LIST = "EmoLabel/list_patition_label.txt"
_NAME = re.compile(r"((train|test)_\d+)\.jpg")


class RafDbChoices(Choices):
    """Which of the two pictures of a face is read."""

    images: Literal["aligned", "original"] = "aligned"
    """Aligned faces of 100 x 100 pixels, or the pictures as they were found."""


class RafDb(Reader):
    """The seven basic classes of RAF-DB, with the split that the file names state.

    Expressions: 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral. Compound
    expressions are not read. No persons are named, so one may stand in both splits.
    """

    name = "raf-db"
    title = "RAF-DB"
    choices = RafDbChoices
    tree: ClassVar[str] = """\
RAF-DB/                                       (the folder may begin at basic itself)
  basic/EmoLabel/list_patition_label.txt        train_00001.jpg 5
  basic/Image/aligned/train_00001_aligned.jpg
  basic/Image/original/train_00001.jpg          read with --choose images=original"""
    source: ClassVar[str] = """\
Li, Deng and Du, "Reliable crowdsourcing and deep locality-preserving learning for expression recognition in
the wild", CVPR 2017. Seen in public code: the list (patition is spelt so), its codes, the aligned pictures.
From memory: the folder of the originals."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield a picture for each line of the list."""
        base = next((base for base in ("", "basic/") if (root / base / _LIST).is_file()), None)
        if base is None:
            raise SourceError(f"{root} has no {_LIST}; the tree of {self.title} should be\n{self.tree}")
        yield codes_note(self.title, _CODES)
        yield Note("RAF-DB names no persons: one may stand in both splits. Compound expressions are not read")
        ending = "_aligned.jpg" if choices.images == "aligned" else ".jpg"
        for where, text in lines(root, root / base / _LIST):
            words = text.split()
            name = _NAME.fullmatch(words[0])
            expression = _CODES.get(whole(words[-1]) or 0)
            if len(words) != 2 or name is None:
                reason = f"{text!r} is not of the form train_00001.jpg 5; mend the line"
                yield failure(where, "bad-line", reason)
            elif expression is None:
                yield failure(where, "bad-value", f"expression {words[1]!r} is not in 1-7; mend the line")
            else:
                values = {"expression": expression, "split": name[2], "domain": self.name}
                yield Entry(f"{base}Image/{choices.images}/{name[1]}{ending}", values, where=where)
