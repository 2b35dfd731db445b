"""FER2013: 35,887 grey faces of 48 x 48 pixels, written as numbers into one CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from facedata.datasets.errors import SourceError
from facedata.datasets.pixel_rows import parse_pixels
from facedata.datasets.readers.base import Entry, Note, Reader
from facedata.datasets.readers.expressions import codes_note, whole
from facedata.datasets.readers.streams import streamed
from facedata.datasets.readers.text import failure
from facedata.datasets.record import Failure

__all__ = ["FER_SPLITS", "Fer2013", "fer_expression", "fer_file"]

_CODES = {
    0: "anger",
    1: "disgust",
    2: "fear",
    3: "happiness",
    4: "sadness",
    5: "surprise",
    6: "neutral",
}
FER_SPLITS = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
"""The challenge's sets: that of the public ranking is used for validation, the private one for testing."""

_FILES = ("fer2013.csv", "icml_face_data.csv")
_COLUMNS = ("emotion", "pixels", "Usage")


class Fer2013(Reader):
    """Expressions as the challenge's authors labelled them; FERPlus has ten people's votes.

    Expressions: 0 anger, 1 disgust, 2 fear, 3 happiness, 4 sadness, 5 surprise, 6 neutral. PublicTest is read
    as val, PrivateTest as test. A picture is made from its row's numbers and stored as PNG; `source.frame` is
    the row, from 0. Some pictures repeat, also across the sets: `facedata validate` names them.
    """

    name = "fer2013"
    title = "FER2013"
    opener = "facedata.datasets.pixel_rows:PixelRows"
    tree: ClassVar[str] = """\
FER2013/
  fer2013.csv      emotion,pixels,Usage: 0-6, 2304 numbers, Training or PublicTest or PrivateTest
                   (or icml_face_data.csv, the same with spaces in its header)"""
    source: ClassVar[str] = """\
Goodfellow et al., "Challenges in representation learning", ICONIP 2013. Seen in public code: the columns, the
codes, the names of the sets."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the file as one of frames, a frame a row."""
        del choices
        file = fer_file(root)
        if file is None:
            raise SourceError(f"{root} has no fer2013.csv; the tree of {self.title} should be\n{self.tree}")
        yield codes_note(self.title, _CODES)
        yield Note("FER2013: PublicTest is read as val, PrivateTest as test; no persons are named")
        yield Note("FER2013 repeats pictures, some across its sets (facedata validate names them)")
        yield Note("FERPlus labels the pictures of FER2013: keep each in one split of both")
        frames: dict[int, dict[str, Any]] = {}
        for number, row in enumerate(streamed(root / file, file, _COLUMNS)):
            if isinstance(row, Failure):
                yield row
                continue
            try:
                parse_pixels(row["pixels"])
                expression, split = fer_expression(row["emotion"]), FER_SPLITS.get(row["Usage"])
                if expression is None:
                    raise ValueError(f"emotion {row['emotion']!r} is not in 0-6")
                if split is None:
                    raise ValueError(f"Usage {row['Usage']!r} is not one of {', '.join(FER_SPLITS)}")
                frames[number] = {"expression": expression, "split": split, "where": row.where}
            except ValueError as error:
                yield failure(row.where, "bad-value", f"{error}; mend the line")
        if frames:
            yield Entry(file, {"domain": self.name}, frames, where=file)


def fer_file(root: Path) -> str | None:
    """Return the name of FER2013's file under `root`, or None."""
    return next((name for name in _FILES if (root / name).is_file()), None)


def fer_expression(text: str) -> str | None:
    """Return the expression that FER2013 gives, or None where its code is outside the table."""
    code = whole(text)
    return None if code is None else _CODES.get(code)
