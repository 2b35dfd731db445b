"""EmotioNet: pictures from the web, by address, with action units that are present, absent or unknown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.expressions import au_values, presence, whole
from facedata.datasets.readers.sequences import picture_folder
from facedata.datasets.readers.text import Row, failure, relative, table
from facedata.datasets.record import Failure

__all__ = ["EmotioNet"]

_UNIT = re.compile(r"AU\s*0*(\d+)", re.IGNORECASE)
_UNKNOWN = 999
_PICTURES = ("imgs", "images", "Aligned")


class EmotioNetChoices(Choices):
    """Where the pictures are."""

    images: str | None = None
    """The folder that the pictures were downloaded to."""


class EmotioNet(Reader):
    """Units that are present, not graded; 999 is unknown, and not in the picture's domain.

    The address of a picture is in `attributes.url`. No persons are named.
    """

    name = "emotionet"
    title = "EmotioNet"
    choices = EmotioNetChoices
    tree: ClassVar[str] = """\
EmotioNet/
  EmotioNet_FACS_aws_2020_24600.csv    URL, 'URL orig', "'AU 1'", ...: 0, 1, or 999 unknown; or in labels/
  imgs/N_0000000001_00001.jpg          named by the end of the URL; or imgs/N_0000000001/..."""
    source: ClassVar[str] = """\
Fabian Benitez-Quiroz, Srinivasan and Martinez, "EmotioNet: an accurate, real-time algorithm for the automatic
annotation of a million facial expressions in the wild", CVPR 2016. Seen in public code: the list with its
stray quotes and spaces, 60 columns of units, 999, names by the end of the URL, both places of pictures."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield a picture for each line of the list."""
        found = sorted(path for place in (".", "labels") for path in (root / place).glob("EmotioNet_FACS*"))
        lists = [path for path in found if path.suffix.lower() == ".csv"]
        if len(lists) != 1:
            held = ", ".join(relative(root, path) for path in found) or "none"
            raise SourceError(
                f"{root} should hold one EmotioNet_FACS*.csv and holds {held} (save .xlsx as CSV); the tree "
                f"of {self.title} should be\n{self.tree}"
            )
        images = picture_folder(root, choices.images, _PICTURES)
        yield Note("EmotioNet: units are 1 present (not graded), 0 absent, 999 unknown: not coded")
        yield Note("EmotioNet names no persons: one may stand in several pictures")
        for row in table(root, lists[0], needed=("URL",)):
            if isinstance(row, Failure):
                yield row
                continue
            name = PurePosixPath(unquote(urlsplit(row["URL"]).path)).name
            try:
                values = _units(row)
            except ValueError as error:
                yield failure(row.where, "bad-value", f"{error}; mend the line")
                continue
            if not name or name == "..":
                yield failure(row.where, "bad-value", f"{row['URL']!r} names no picture; mend the line")
                continue
            values |= {"domain": self.name, "attributes": {"url": row["URL"]}}
            yield Entry(_place(root, images, name), values, where=row.where)


def _units(row: Row) -> dict[str, Any]:
    """Return the fields of a line; raise ValueError where a code is outside the convention."""
    levels: dict[int, float | None] = {}
    for column, text in row.cells.items():
        unit = _UNIT.fullmatch(column)
        if unit is None:
            continue
        code = whole(text)
        if code not in (0, 1, _UNKNOWN):
            raise ValueError(f"{column} {text!r} is not 0, 1 or 999")
        if code != _UNKNOWN:
            levels[int(unit[1])] = presence(code or 0)
    return au_values(levels)


def _place(root: Path, images: str, name: str) -> str:
    """Return where the picture is: in the folder itself, or in one of the first part of its name."""
    nested = f"{images}/{name.rpartition('_')[0]}/{name}"
    return nested if (root / nested).is_file() else f"{images}/{name}"
