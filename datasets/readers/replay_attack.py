"""Replay-Attack: webcam videos of clients, with face boxes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from facedata.datasets.readers.base import Entry, Note, Reader
from facedata.datasets.readers.text import failure
from facedata.datasets.readers.tree import files, per_frame
from facedata.datasets.record import Failure

__all__ = ["ReplayAttack"]

_SPLITS = {"train": "train", "devel": "val", "test": "test"}
_REAL = re.compile(r"client(\d+)_session(\d+)_webcam_authenticate_(adverse|controlled)_(\d+)")
_ATTACK = re.compile(
    r"attack_(print|mobile|highdef)_client(\d+)_session(\d+)_(highdef|mobile)_(photo|video)_(adverse|controlled)"
)


class ReplayAttack(Reader):
    """Videos under real and attack; the folder and the name must agree."""

    name = "replay-attack"
    title = "Replay-Attack"
    tree: ClassVar[str] = """\
Replay-Attack/
  {train,devel,test}/real/client001_session01_webcam_authenticate_adverse_1.mov
  {train,devel,test}/attack/{fixed,hand}/attack_highdef_client003_session01_highdef_photo_adverse.mov
  face-locations/{train,devel,test}/...face        frame x y width height (optional)"""
    source: ClassVar[str] = """\
Chingovska, Anjos and Marcel, "On the effectiveness of local binary patterns in face anti-spoofing", BIOSIG
2012. Seen in public code: folders, names, face files. From memory: that the displays of the mobile (iPhone
3GS) and highdef (iPad) attacks are liquid crystal ones, and that a box of zeros means no face found."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the videos of the three sets; enrolment videos are passed over."""
        del choices
        yield Note("labels: folder real is live, folder attack is spoof; devel is the split val")
        enrolment = 0
        for file in files(root, {".mov", ".mp4", ".avi"}):
            if "enroll" in file.parts:
                enrolment += 1
                continue
            values = self._meaning(file)
            if isinstance(values, str):
                yield failure(str(file), "bad-name", values)
                continue
            problems: list[Failure] = []
            boxes = per_frame(root, _face_file(root, file), 4, _box, problems)
            yield from problems
            yield Entry(str(file), values, boxes, every=True)
        if enrolment:
            yield Note(
                f"passed over: {enrolment} enrolment videos, which belong to no anti-spoofing protocol"
            )

    def _meaning(self, file: PurePosixPath) -> Mapping[str, Any] | str:
        folders = file.parts[:-1]
        split = next((_SPLITS[name] for name in folders if name in _SPLITS), None)
        if split is not None and "real" in folders and (match := _REAL.fullmatch(file.stem)):
            client, session, light, take = match.groups()
            attack, attributes = None, {"take": take}
        elif split is not None and "attack" in folders and (match := _ATTACK.fullmatch(file.stem)):
            instrument, client, session, camera, content, light = match.groups()
            attack = "print" if instrument == "print" else "replay/lcd"
            attributes = {"instrument": instrument, "content": content, "source_camera": camera}
            attributes["support"] = folders[-1]
        else:
            return "not {train,devel,test}/{real,attack/...}/<name of its kind>.mov; rename or remove it"
        values = {
            "domain": self.name,
            "split": split,
            "subject": self.subject(client),
            "label": "live" if attack is None else "spoof",
            "attributes": {"session": session, "light": light, **attributes},
        }
        return values if attack is None else {**values, "attack": attack}


def _face_file(root: Path, file: PurePosixPath) -> Path:
    """Return the face file of a video: the same path, with face-locations before the split's folder."""
    split = next(number for number, name in enumerate(file.parts) if name in _SPLITS)
    parts = (*file.parts[:split], "face-locations", *file.parts[split:])
    return root.joinpath(*parts).with_suffix(".face")


def _box(numbers: Sequence[float]) -> dict[str, Any] | None:
    x, y, width, height = numbers[:4]
    return {"box": [x, y, width, height]} if width > 0 and height > 0 else None
