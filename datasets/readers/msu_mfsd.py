"""MSU-MFSD: a laptop and a phone film live faces, prints and two displays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.base import Entry, Note, Reader
from facedata.datasets.readers.text import clean, failure, lines
from facedata.datasets.readers.tree import files, per_frame
from facedata.datasets.record import Failure

__all__ = ["MsuMfsd"]

_NAME = re.compile(
    r"(real|attack)_client(\d{1,3})_(android|laptop)_(SD|HD)(?:_(ipad_video|iphone_video|printed_photo))?_scene(\d+)"
)
_SPECIES = {"ipad_video": "replay/lcd", "iphone_video": "replay/lcd", "printed_photo": "print"}
_LISTS = {"train": "train_sub_list.txt", "test": "test_sub_list.txt"}


class MsuMfsd(Reader):
    """Videos by name, split by two lists of clients."""

    name = "msu-mfsd"
    title = "MSU-MFSD"
    tree: ClassVar[str] = """\
MSU-MFSD/
  scene01/real/real_client001_android_SD_scene01.mp4          laptop: .mov
  scene01/attack/attack_client001_android_SD_{ipad_video,iphone_video,printed_photo}_scene01.mp4
  scene01/{real,attack}/*.face     frame,left,top,right,bottom,eye x,eye y,eye x,eye y (optional)
  train_sub_list.txt               the clients of train, a number a line
  test_sub_list.txt                the clients of test"""
    source: ClassVar[str] = """\
Wen, Han and Jain, "Face spoof detection with image distortion analysis", TIFS 2015. Seen in public code:
names, lists, the columns of face files. From memory: that iPad and iPhone of that time have liquid crystal
displays."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the videos; a client that is on no list has no split."""
        del choices
        splits: dict[int, str] = {}
        for split, name in _LISTS.items():
            yield from _clients(root, name, split, splits)
        yield Note("labels: by name, real is live and attack is spoof; there is no development set")
        yield Note("some laptop videos were filmed upside down; they are stored as their files say, unturned")
        for file in files(root, {".mp4", ".mov"}):
            values = self._meaning(file, splits)
            if isinstance(values, str):
                yield failure(str(file), "bad-name", values)
                continue
            problems: list[Failure] = []
            found = per_frame(root, (root / file).with_suffix(".face"), 4, _face, problems)
            yield from problems
            if "split" not in values:
                yield failure(str(file), "no-split", "its client is on neither list; add it to one")
                continue
            yield Entry(str(file), values, found, every=True)

    def _meaning(self, file: PurePosixPath, splits: Mapping[int, str]) -> dict[str, Any] | str:
        match = _NAME.fullmatch(file.stem)
        if match is None or (match[1] == "real") != (match[5] is None):
            return "not (real|attack)_clientNNN_(android|laptop)_(SD|HD)[_instrument]_sceneNN; rename it"
        kind, client, camera, quality, instrument, scene = match.groups()
        attributes = {"camera": camera, "quality": quality, "scene": scene}
        values: dict[str, Any] = {"domain": self.name, "subject": self.subject(f"{int(client):03d}")}
        if split := splits.get(int(client)):
            values["split"] = split
        if kind == "real":
            return {**values, "label": "live", "attributes": attributes}
        attributes["instrument"] = instrument
        return {**values, "label": "spoof", "attack": _SPECIES[instrument], "attributes": attributes}


def _clients(root: Path, name: str, split: str, splits: dict[int, str]) -> Iterator[Failure]:
    path = next((place for place in (root / name, root / "information" / name) if place.is_file()), None)
    if path is None:
        raise SourceError(f"{root} holds no {name}, which says who is in {split}; restore it")
    for where, text in lines(root, path):
        number = clean(text).removeprefix("client")
        if not number.isdigit():
            yield failure(where, "bad-client", f"{text!r} is no client's number; mend the list")
        elif splits.setdefault(int(number), split) != split:
            yield failure(
                where, "two-splits", f"client {number} is in {splits[int(number)]} already; take one off"
            )


def _face(numbers: Sequence[float]) -> dict[str, Any] | None:
    left, top, right, bottom = numbers[:4]
    if right <= left or bottom <= top:
        return None
    face: dict[str, Any] = {"box": [left, top, right - left, bottom - top]}
    if len(numbers) >= 8:
        face["landmarks"] = [list(numbers[4:6]), list(numbers[6:8])]
    return face
