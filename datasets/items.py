"""One input file, of whatever source, loaded the same way.

An item is small and picklable: it crosses to a worker, which loads it there. Most items are one picture; a
video is one item too, so that its frames are decoded in one pass and never part.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.canonical import canonical_json, content_hash, identifier_of
from facedata.datasets.errors import PictureError
from facedata.datasets.pictures import read_picture
from facedata.datasets.plain import printable
from facedata.datasets.reading import read_bytes, steadily
from facedata.datasets.record import Failure
from facedata.datasets.sample import Sample, Source, ingested_id

__all__ = [
    "FileItem",
    "Item",
    "Loaded",
    "check_file",
    "check_size",
    "ingested",
    "place_of",
    "printable",
    "read_file",
]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A picture and its row: `data` are the bytes to store, `pixels()` the decoded uint8 RGB picture.

    The sample's references (`image`, `layers`) are filled in when it is stored. `layers` holds the encoded
    truth that comes with the picture, by name.
    """

    sample: Sample
    data: bytes
    suffix: str
    pixels: Callable[[], NDArray[np.uint8]]
    layers: Mapping[str, bytes] = field(default_factory=dict)


class Item(Protocol):
    """An input picture before it is read."""

    @property
    def key(self) -> str:
        """Hexadecimal key that decides the shard: it depends on the item alone."""
        ...

    @property
    def place(self) -> str:
        """Where it lies in the source, for messages and rows."""
        ...

    def stamp(self) -> str:
        """Return what changes whenever the item's content may have changed."""
        ...

    def load(self, max_pixels: int) -> Iterator[Loaded | Failure]:
        """Yield its samples, and a failure for each that cannot be had.

        PictureError, raised at any point, ends the item; the samples before it are kept.
        """
        ...


def place_of(path: str) -> str:
    """Return a relative path as text; bytes that are no UTF-8 become escapes, so any name survives."""
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:  # half a character, which a list may spell and no file is called
        name = path.encode("utf-8", "backslashreplace")
    return name.decode("utf-8", "backslashreplace").replace(os.sep, "/")


@dataclass(frozen=True, slots=True)
class FileItem:
    """A picture file. `values` are sample fields that the source declares for it (label, subject, ...)."""

    root: str
    path: str
    values: Callable[[str], Mapping[str, Any]] | Mapping[str, Any] = field(default_factory=dict)
    follow_links: bool = False
    dataset: str | None = None

    @property
    def key(self) -> str:
        """Key of the shard: a hash of the place."""
        return identifier_of('"place"', canonical_json(self.place))  # a quarter of what `identifier` takes

    @property
    def place(self) -> str:
        """Path relative to the source's root, with forward slashes."""
        return place_of(self.path)

    def stamp(self) -> str:
        """Return size and modification time, or the reason why they cannot be had."""
        try:
            found = os.stat(os.path.join(self.root, self.path))  # noqa: PTH116,PTH118 - a million times
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            return f"error {getattr(error, 'errno', 'name')}"
        return f"{found.st_size} {found.st_mtime_ns}"

    def load(self, max_pixels: int) -> Iterator[Loaded | Failure]:
        """Yield the one picture that the file is."""
        yield self.read(max_pixels)

    def read(self, max_pixels: int) -> Loaded:
        """Read the file, or raise PictureError."""
        name = printable(self.place)
        data = read_file(self.root, self.path, name, 8 * max_pixels, follow_links=self.follow_links)
        values = self.values(self.place) if callable(self.values) else self.values
        return ingested(data, self.place, values, self.dataset, max_pixels)


def ingested(
    data: bytes, place: str, values: Mapping[str, Any], dataset: str | None, max_pixels: int
) -> Loaded:
    """Return the sample of a picture's bytes, or raise PictureError; its id is of both."""
    name = printable(place)
    picture = read_picture(data, name, max_pixels)
    height, width = picture.pixels.shape[:2]
    sha256 = content_hash(data)
    values = dict(values)
    licence = values.pop("licence", None)
    sample = Sample(
        sample_id=ingested_id(sha256, place),
        image="",
        content_hash=sha256 if picture.conversion is None else content_hash(picture.data),
        width=width,
        height=height,
        source=Source(
            dataset=dataset, file=place, sha256=sha256, conversion=picture.conversion, licence=licence
        ),
        **values,
    )
    if problems := sample.problems():
        raise PictureError("bad-values", f"{name}: {'; '.join(problems)}; mend the list")
    return Loaded(sample, picture.data, picture.suffix, lambda: picture.pixels)


def read_file(root: str, path: str, name: str, max_bytes: int, *, follow_links: bool) -> bytes:
    """Return the bytes of the picture file `path` under `root`, or raise PictureError."""
    size = check_file(root, path, name, follow_links=follow_links)
    check_size(size, name, max_bytes)
    try:
        return read_bytes(Path(root, path))
    except OSError as error:
        raise PictureError("unreadable", f"{name}: cannot be read ({error}); check its rights") from None


def check_size(size: int, name: str, max_bytes: int) -> None:
    """Raise PictureError where a file is larger than a picture can be."""
    if size > max_bytes:
        raise PictureError(
            "too-large",
            f"{name}: {size / 1e6:.0f} MB is more than any picture under the pixel limit; "
            "shrink it or raise --max-pixels",
        )


def check_file(root: str, path: str, name: str, *, follow_links: bool) -> int:
    """Return the size in bytes of a regular file, or raise PictureError where there is none to be read."""
    file = Path(root, path)
    try:
        # A folder's listing follows no link to a folder, but a list may name a file beyond one.
        leads_out = not follow_links and not file.resolve().is_relative_to(Path(root).resolve())
        found = steadily(file.stat, file)
    except FileNotFoundError:
        raise PictureError("missing", f"{name}: no such file; restore it or take it off the list") from None
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise PictureError("unreadable", f"{name}: cannot be read ({error}); check its rights") from None
    if leads_out:
        raise PictureError(
            "link", f"{name}: a link to a place outside the folder; copy it in or pass --follow-links"
        )
    if not stat.S_ISREG(found.st_mode):  # reading a pipe or a device might never end
        raise PictureError("not-a-file", f"{name}: not a regular file; remove it")
    return found.st_size
