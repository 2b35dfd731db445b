"""A reader's entry as an item: a picture, or a video whose frames are samples of one family."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.canonical import content_hash, identifier
from facedata.datasets.errors import PictureError
from facedata.datasets.frames import FrameFile, opener_of
from facedata.datasets.framing import Framing, in_pixels
from facedata.datasets.items import Loaded, check_file, printable, read_file
from facedata.datasets.pictures import SUFFIXES, read_picture
from facedata.datasets.record import Failure
from facedata.datasets.sample import Sample, Source, ingested_id

__all__ = ["EntryItem", "Setting"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all items of a reader's source share. `values` override what the reader says (domain, split)."""

    root: str
    dataset: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    framing: Framing = field(default_factory=Framing)
    follow_links: bool = False
    opener: str | None = None


@dataclass(frozen=True, slots=True)
class EntryItem:
    """A picture or a video that a reader named. `fields` and `frames` are JSON, as `Entry` describes them."""

    setting: Setting
    file: str
    fields: str
    frames: str | None = None
    every: bool = False
    where: str = ""

    @property
    def key(self) -> str:
        """Key of the shard: a hash of the place, so that all frames of a video share it."""
        return identifier("place", self.place)

    @property
    def place(self) -> str:
        """Path relative to the dataset's root."""
        return self.file

    def stamp(self) -> str:
        """Return size and modification time, or why they cannot be had, and a hash of what the lists say."""
        said = identifier(self.fields, self.frames, self.every, self.where)
        try:
            found = Path(self.setting.root, self.file).stat()
        except OSError as error:
            return f"error {error.errno} {said}"
        return f"{found.st_size} {found.st_mtime_ns} {said}"

    def load(self, max_pixels: int) -> Iterator[Loaded | Failure]:
        """Yield the picture, or the frames that are taken; see Item."""
        try:
            if (opener := opener_of(self.file, self.setting.opener)) is not None:
                check_file(self.setting.root, self.file, self._name(), follow_links=self.setting.follow_links)
                opened = opener(Path(self.setting.root, self.file), self._name(), max_pixels)
                yield from self._frames(opened)
            elif Path(self.file).suffix.lower() in SUFFIXES:
                yield self._picture(max_pixels)
            else:
                raise PictureError(
                    "unsupported", f"{self._name()}: neither a picture nor a video by its name"
                )
        except PictureError as error:
            raise self._told(error) from None

    def _name(self) -> str:
        return printable(self.file)

    def _told(self, error: PictureError, where: str = "") -> PictureError:
        """Put the list's line before the message."""
        line = where or self.where
        return PictureError(error.kind, f"{line}: {error}") if line else error

    def _picture(self, max_pixels: int) -> Loaded:
        setting = self.setting
        data = read_file(
            setting.root, self.file, self._name(), 8 * max_pixels, follow_links=setting.follow_links
        )
        picture = read_picture(data, self._name(), max_pixels)
        height, width = picture.pixels.shape[:2]
        values = in_pixels(json.loads(self.fields), width, height)
        view = setting.framing.cut(picture.pixels, values, self._name())
        if view.pixels is picture.pixels:
            stored, suffix, changes = picture.data, picture.suffix, [picture.conversion, view.cut]
        else:
            encoding = setting.framing.encoding
            stored, suffix = encoding.encode(view.pixels), encoding.suffix
            changes = [picture.conversion, view.cut, f"to {suffix}"]
        return self._loaded(view.pixels, view.values, stored, suffix, changes, content_hash(data), None)

    def _frames(self, file: FrameFile) -> Iterator[Loaded | Failure]:
        known: dict[int, dict[str, Any]] = {}
        if self.frames is not None:
            known = {int(number): values for number, values in json.loads(self.frames).items()}
        chosen, last = self._chosen(file, known)
        wanted = self._strided if chosen is None else frozenset(chosen).__contains__
        missing = set(chosen or ())
        sha256 = _file_hash(Path(self.setting.root, self.file))
        shared = json.loads(self.fields)
        broken: PictureError | None = None
        try:
            for number, pixels in file.read(wanted, last):
                missing.discard(number)
                values = {**shared, **known.get(number, {})}
                where = values.pop("where", "")
                try:
                    own = content_hash(pixels.tobytes()) if file.apart else sha256
                    loaded = self._frame(number, pixels, values, own)
                except PictureError as error:
                    yield self._failure(number, self._told(error, where))
                else:
                    yield loaded
        except PictureError as error:
            broken = error
        for number in sorted(missing):
            where = known.get(number, {}).get("where", "")
            lacking = PictureError("missing-frame", f"{self._name()}: the video has no frame {number}")
            yield self._failure(number, self._told(lacking, where))
        if broken is not None:
            raise broken

    def _chosen(self, file: FrameFile, known: Mapping[int, Any]) -> tuple[Sequence[int] | None, int | None]:
        """Return the frames to take, None for every stride-th, and the last one that need be read.

        Where a list does not end the reading, the whole file is read, so that a cut one is noticed.
        """
        framing = self.setting.framing
        if self.frames is not None and not self.every:
            chosen = framing.pick(sorted(known))
            return chosen, max(chosen, default=-1)
        return (framing.pick(file.numbers()) if framing.frames is not None else None), None

    def _strided(self, number: int) -> bool:
        return number % self.setting.framing.stride == 0

    def _frame(self, number: int, pixels: NDArray[np.uint8], values: dict[str, Any], sha256: str) -> Loaded:
        height, width = pixels.shape[:2]
        framing = self.setting.framing
        view = framing.cut(pixels, in_pixels(values, width, height), f"{self._name()} frame {number}")
        data = framing.encoding.encode(view.pixels)
        suffix = framing.encoding.suffix
        return self._loaded(
            view.pixels, view.values, data, suffix, [view.cut, f"frame to {suffix}"], sha256, number
        )

    def _failure(self, number: int, error: PictureError) -> Failure:
        return Failure(place=f"{self.file} frame {number}", kind=error.kind, reason=str(error))

    def _loaded(
        self,
        pixels: NDArray[np.uint8],
        values: Mapping[str, Any],
        data: bytes,
        suffix: str,
        changes: Sequence[str | None],
        sha256: str,
        frame: int | None,
    ) -> Loaded:
        fields = {**values, **self.setting.values}
        height, width = pixels.shape[:2]
        sample = Sample(
            sample_id=ingested_id(sha256, self.place, frame),
            image="",
            content_hash=content_hash(data),
            width=width,
            height=height,
            source=Source(
                dataset=self.setting.dataset,
                file=self.place,
                frame=frame,
                licence=fields.pop("licence", None),
                sha256=sha256,
                conversion=", ".join(change for change in changes if change) or None,
            ),
            **fields,
        )
        if problems := sample.problems():
            raise PictureError("bad-values", f"{self._name()}: {'; '.join(problems)}; mend the list")
        return Loaded(sample, data, suffix, lambda: pixels)


def _file_hash(path: Path) -> str:
    """Return the SHA-256 of a file that may be larger than memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
