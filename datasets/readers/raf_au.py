"""RAF-AU: action units of in-the-wild faces, present or not, with the side where one side acts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.expressions import au_values
from facedata.datasets.readers.text import failure, lines
from facedata.datasets.record import Failure

__all__ = ["RafAu"]

_LIST = "RAFAU_label.txt"
_NAME = re.compile(r"(\d+)\.jpg")
_UNIT = re.compile(r"([LR]?)(\d{1,2})")
_SIDES = {"L": "left", "R": "right"}


class RafAuChoices(Choices):
    """Which picture of a face is read, and what its list leaves open."""

    images: Literal["aligned", "original"] = "aligned"
    """Aligned faces, or the pictures as they were found."""

    null: Literal["uncoded", "absent"] = "uncoded"
    """Whether a line `null` says that the face was not coded, or that it shows none of the units."""


class RafAu(Reader):
    """Units that are present, not graded; the domain is every unit that the list names anywhere.

    `1+2+L12` gives units 1, 2 and 12, and `attributes.au_side` says that 12 is on the left. Whether `null`
    means that nothing shows or that nobody coded is not known: by default such a face has no units and no
    domain. The pictures are those of RAF-ML.
    """

    name = "raf-au"
    title = "RAF-AU"
    choices = RafAuChoices
    tree: ClassVar[str] = """\
RAF-AU/
  RAFAU_label.txt              0001.jpg 1+2+L12, or 0002.jpg null
  aligned/0001_aligned.jpg
  original/0001.jpg            read with --choose images=original"""
    source: ClassVar[str] = """\
Yan et al., "RAF-AU database: in-the-wild facial expressions with subjective emotion judgement and objective
AU annotations", ACCV 2020. Seen in public code: the list (4,601 lines, 253 of them null, spaces at the ends)
and the aligned pictures. From memory: the folder of the originals. Assumed, since the list does not say it:
that every unit that the list names anywhere was looked for on every face."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield a picture for each line of the list."""
        if not (root / _LIST).is_file():
            raise SourceError(f"{root} has no {_LIST}; the tree of {self.title} should be\n{self.tree}")
        found = [_parse(where, text) for where, text in lines(root, root / _LIST)]
        faces = [face for face in found if isinstance(face, _Face)]
        domain = sorted({unit for face in faces for unit in face.units or ()})
        yield Note(
            f"RAF-AU: units are present, not graded; the {len(domain)} that the list names are taken as "
            f"coded on every face: {', '.join(map(str, domain))}"
        )
        if nulls := sum(face.units is None for face in faces):
            yield Note(
                f"RAF-AU: {nulls} lines are null, read as {choices.null}; "
                "--choose null=absent or null=uncoded settles it"
            )
        yield Note("RAF-AU's pictures are those of RAF-ML: keep each in one split of both")
        yield from (line for line in found if isinstance(line, Failure))
        for face in faces:
            file = f"{face.stem}_aligned.jpg" if choices.images == "aligned" else f"{face.stem}.jpg"
            values = {"domain": self.name, **_values(face, domain, choices.null)}
            yield Entry(f"{choices.images}/{file}", values, where=face.where)


@dataclass(frozen=True, slots=True)
class _Face:
    """A line: the picture's stem and, by unit, its side or nothing; None where the line is `null`."""

    where: str
    stem: str
    units: dict[int, str] | None


def _parse(where: str, text: str) -> _Face | Failure:
    words = text.split()
    name = _NAME.fullmatch(words[0])
    if len(words) != 2 or name is None:
        return failure(where, "bad-line", f"{text!r} is not of the form 0001.jpg 1+2+L12; mend the line")
    if words[1] == "null":
        return _Face(where, name[1], None)
    units: dict[int, str] = {}
    for word in words[1].split("+"):
        unit = _UNIT.fullmatch(word)
        if unit is None:
            return failure(where, "bad-value", f"{word!r} is no unit such as 12 or L12; mend the line")
        number, side = int(unit[2]), _SIDES.get(unit[1], "")
        if units.setdefault(number, side) != side:
            units[number] = "both" if units[number] and side else ""  # 12 beside L12 is the whole unit
    return _Face(where, name[1], units)


def _values(face: _Face, domain: list[int], null: str) -> dict[str, Any]:
    if face.units is None and null == "uncoded":
        return {}
    units = face.units or {}
    values = au_values({unit: None if unit in units else 0.0 for unit in domain})
    if sides := {str(unit): side for unit, side in sorted(units.items()) if side}:
        values["attributes"] = {"au_side": sides}
    return values
