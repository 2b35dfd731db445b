"""What a reader is: the one place that knows how a dataset's authors laid it out.

A reader walks a tree and its lists and says, entry by entry, which picture or video there is and what is known
of it. It opens no picture: that is the engine's work. What it cannot place becomes a `Failure` that names file
and line, and the rest is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from facedata.datasets.record import Failure

__all__ = ["Choices", "Entry", "Note", "Reader"]


class Choices(BaseModel):
    """What a user settles of a reader's reading, by `--choose NAME=VALUE`; a reader declares its own fields.

    A field whose convention cannot be seen from the files has no default: where it matters and is not given,
    the reader raises UsageError with the flag that settles it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture file, or a video, that a dataset names.

    `file` is its place under the root, with forward slashes. `values` are fields of `Sample` (label, attack,
    subject, domain, split, box, landmarks, expression, au, au_domain, ..., attributes, and `licence`), JSON-ready
    but for `au`, which maps a number to an intensity. For a video `frames` gives, by 0-based frame number, what
    is known of single frames beside `values`; where it is given only those frames are read. `where` is the list's
    `file:line` that named the entry, for messages.
    """

    file: str
    values: Mapping[str, Any] = field(default_factory=dict)
    frames: Mapping[int, Mapping[str, Any]] | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A line for people and the record: the label convention that was found, a known leak, files passed over."""

    text: str


class Reader(ABC):
    """Reads one dataset's layout. Stateless; a new reader is a module with a subclass, listed in the catalogue."""

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

    @abstractmethod
    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield what lies under `root`, in any order; `choices` is an instance of the class of that name.

        Raises SourceError where the tree is not this dataset's, naming what is missing, and UsageError where a
        convention is ambiguous, naming the flag that settles it.
        """
