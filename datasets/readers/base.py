"""What a reader is: the one place that knows how a dataset's authors laid it out.

A reader walks a tree and its lists and says, entry by entry, which picture or video there is and what is
known of it. It opens no picture: that is the engine's work. What it cannot place becomes a `Failure` that
names file and line, and the rest is read.

Every reader may rely on these, which are checked in one place, where entries become items: a file that is
named twice is made once and the second is a failure; a path that climbs out of the root is a failure; a file
or a frame that is not there is a failure that names the list's line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from facedata.datasets.record import Failure

__all__ = ["Choices", "Entry", "Note", "Reader"]


class Choices(BaseModel):
    """What a user settles of a reader's reading, by `--choose NAME=VALUE`; a reader declares its own fields.

    A field whose convention cannot be seen from the files has no default: where it matters and is not given,
    the reader raises UsageError with the flag that settles it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture file, or a video, that a dataset names.

    `file` is its place under the root, with forward slashes. `values` are fields of `Sample` (label, attack,
    subject, domain, split, box, landmarks, expression, au, au_domain, ..., attributes, and `licence`),
    JSON-ready but for `au`, which maps a number to an intensity. One more key is understood: `box_in`,
    (width, height) of the frame that `box` and `landmarks` are given in, where that is not the picture
    itself; they are scaled to the picture when it is read ((1, 1): shares of the sides).

    For a video `frames` gives, by 0-based frame number, what is known of single frames beside `values`; only
    those frames are read, unless `every` says that it is no list of frames but adds to all of them. A frame's
    values may hold `where`, its own list line. `where` is the list's `file:line` that named the entry, for
    messages.
    """

    file: str
    values: Mapping[str, Any] = field(default_factory=dict)
    frames: Mapping[int, Mapping[str, Any]] | None = None
    where: str = ""
    every: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A line for people and the record: the label convention found, a known leak, files passed over."""

    text: str


class Reader(ABC):
    """Reads one dataset's layout. Stateless; a new one is a module with a subclass, in the catalogue."""

    name: ClassVar[str]
    """What `facedata ingest` calls it: `oulu-npu`."""

    title: ClassVar[str]
    """What its authors call it."""

    tree: ClassVar[str]
    """The tree it expects, a line a level, as the documentation and the error messages show it."""

    source: ClassVar[str]
    """The publication, and what of the layout was checked against public code and what was not."""

    choices: ClassVar[type[Choices]] = Choices
    """What can be settled by `--choose`."""

    opener: ClassVar[str | None] = None
    """`module:callable` that opens the dataset's files that are neither pictures nor videos, as
    `facedata.datasets.frames.FrameFile` describes; None where there are none."""

    def subject(self, number: str) -> str:
        """Return a person's name in rows: with the dataset's, so that no two datasets' persons are one.

        >>> class Some(Reader):
        ...     name, title, tree, source = "some", "Some", "", ""
        ...     def read(self, root, choices): yield from ()
        >>> Some().subject("007")
        'some/007'
        """
        return f"{self.name}/{number}"

    @classmethod
    def described(cls) -> dict[str, tuple[str, str]]:
        """Return, choice by choice, its values as `a|b` (or the kind of value), and what it settles."""
        told = {}
        for name, choice in cls.choices.model_fields.items():
            what = (choice.description or "").strip()
            if choice.default is not None and not choice.is_required():
                what += f" Default: {choice.default}."
            told[name] = (_values(choice.annotation), what)
        return told

    @abstractmethod
    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield what lies under `root`, in any order; `choices` is an instance of the class of that name.

        Raises SourceError where the tree is not this dataset's, naming what is missing, and UsageError where
        a convention is ambiguous, naming the flag that settles it.
        """


def _values(annotation: Any) -> str:
    """Return the values that a choice of that type takes, for people."""
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        return "|".join(_values(one) for one in get_args(annotation) if one is not NoneType)
    return {bool: "yes|no", str: "NAME"}.get(annotation) or getattr(annotation, "__name__", "VALUE").upper()
