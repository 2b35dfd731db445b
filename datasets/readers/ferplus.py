"""FERPlus: ten people's votes on each picture of FER2013."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from facedata.datasets.errors import SourceError
from facedata.datasets.pixel_rows import parse_pixels
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.expressions import whole
from facedata.datasets.readers.fer2013 import FER_SPLITS, fer_expression, fer_file
from facedata.datasets.readers.streams import streamed
from facedata.datasets.readers.text import failure, table
from facedata.datasets.record import Failure

__all__ = ["FerPlus"]

_VOTES = "fer2013new.csv"
_CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
_OTHERS = {"unknown": "unknown", "NF": "non-face"}
_NAME = re.compile(r"fer(\d{7})\.png")


class FerPlusChoices(Choices):
    """How votes become a label."""

    rule: Literal["majority", "plurality"] = "majority"
    """Single votes dropped and more than half of the rest (the published code's), or the most votes."""


class FerPlus(Reader):
    """The expression that the votes agree on, the votes themselves, and FER2013's own label.

    `expression` is what the votes agree on by `rule`, nothing where they do not, or where they say unknown or
    no face (`attributes.annotation`). `attributes.votes` holds the votes, `attributes.fer2013_expression` the
    old label. The pictures, and their ids, are those of FER2013.
    """

    name = "ferplus"
    title = "FERPlus"
    choices = FerPlusChoices
    opener = "facedata.datasets.pixel_rows:PixelRows"
    tree: ClassVar[str] = """\
FERPlus/
  fer2013.csv         emotion,pixels,Usage, as FER2013 has it
  fer2013new.csv      Usage,Image name,neutral,...,contempt,unknown,NF: votes; the same rows in their order"""
    source: ClassVar[str] = """\
Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced label
distribution", ICMI 2016. Seen in public code: the columns, that the rows go by their order, names by the
row's number (empty where there is no face), the majority rule."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield FER2013's file as one of frames, a frame for each row that has votes."""
        file = fer_file(root)
        if file is None or not (root / _VOTES).is_file():
            lacking = "fer2013.csv" if file is None else _VOTES
            raise SourceError(f"{root} has no {lacking}; the tree of {self.title} should be\n{self.tree}")
        votes = list(table(root, root / _VOTES, needed=("Usage", "Image name", *_CLASSES, *_OTHERS)))
        yield Note(f"FERPlus: expression by {choices.rule} of ten votes, which are in attributes.votes")
        yield Note("FERPlus labels the pictures of FER2013: keep each in one split of both")
        yield Note("FERPlus: some pictures repeat across its sets (facedata validate names them)")
        yield from (vote for vote in votes if isinstance(vote, Failure))
        frames: dict[int, dict[str, Any]] = {}
        count = 0
        for number, row in enumerate(streamed(root / file, file, ("emotion", "pixels", "Usage"))):
            count += 1
            vote = votes[number] if number < len(votes) else None
            if isinstance(row, Failure):
                yield row
            if vote is None or isinstance(vote, Failure) or isinstance(row, Failure):
                continue
            name = _NAME.fullmatch(vote["Image name"])
            if (name is not None and int(name[1]) != number) or vote["Usage"] != row["Usage"]:
                raise SourceError(
                    f"{vote.where} is not about row {number} of {file} ({row.where}): rows go by their "
                    "order; restore both files"
                )
            try:
                parse_pixels(row["pixels"])
                judged = _judged(vote.cells, choices.rule, fer_expression(row["emotion"]))
            except ValueError as error:
                yield failure(f"{vote.where} and {row.where}", "bad-value", f"{error}; mend the line")
                continue
            frames[number] = {**judged, "where": vote.where}
        if count != len(votes):
            raise SourceError(
                f"{_VOTES} has {len(votes)} rows and {file} has {count}: rows go by their order, so "
                "nothing can be joined; restore both files"
            )
        if frames:
            yield Entry(file, {"domain": self.name}, frames, where=file)


def _judged(cells: Mapping[str, str], rule: str, before: str | None) -> dict[str, Any]:
    """Return the fields of a row of votes; raise ValueError where a value is outside the convention."""
    split = FER_SPLITS.get(cells["Usage"])
    if split is None:
        raise ValueError(f"Usage {cells['Usage']!r} is not one of {', '.join(FER_SPLITS)}")
    counts: dict[str, int] = {}
    for name in (*_CLASSES, *_OTHERS):
        number = whole(cells[name])
        if number is None or not 0 <= number <= 10:
            raise ValueError(f"{name} {cells[name]!r} is no number of votes of 0-10")
        counts[name] = number
    attributes: dict[str, Any] = {"votes": {name: number for name, number in counts.items() if number}}
    if before is not None:
        attributes["fer2013_expression"] = before
    values: dict[str, Any] = {"split": split, "attributes": attributes}
    winner = _winner(counts, rule)
    if winner in _OTHERS:
        attributes["annotation"] = _OTHERS[winner]
    elif winner is not None:
        values["expression"] = winner
    return values


def _winner(counts: Mapping[str, int], rule: str) -> str | None:
    """Return the class that the votes agree on, or None."""
    kept = {name: number for name, number in counts.items() if number > (1 if rule == "majority" else 0)}
    most = max(kept.values(), default=0)
    winners = [name for name, number in kept.items() if number == most]
    if len(winners) != 1 or (rule == "majority" and 2 * most <= sum(kept.values())):
        return None
    return winners[0]
