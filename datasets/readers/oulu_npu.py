"""OULU-NPU: phones, sessions, and protocols as lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.text import Row, failure, table
from facedata.datasets.readers.tree import files, per_frame
from facedata.datasets.record import Failure

__all__ = ["OuluNpu"]

_NAME = re.compile(r"([1-6])_([1-3])_(\d{1,2})_([1-5])")
_SPLITS = {"train": "train", "dev": "val", "test": "test"}
_INSTRUMENTS = {
    "2": ("print", "printer 1"),
    "3": ("print", "printer 2"),
    "4": ("replay", "display 1"),
    "5": ("replay", "display 2"),
}
_Protocol = Literal[
    "1", "2", "3_1", "3_2", "3_3", "3_4", "3_5", "3_6", "4_1", "4_2", "4_3", "4_4", "4_5", "4_6"
]  # fmt: skip


class OuluNpuChoices(Choices):
    """Which videos to read."""

    protocol: _Protocol | None = None
    """Read one protocol's lists, with its splits (3_2 is fold 2 of protocol III); without it, all videos."""


class OuluNpu(Reader):
    """Videos named Phone_Session_User_File; the labels of lists are checked against the names."""

    name = "oulu-npu"
    title = "OULU-NPU"
    choices = OuluNpuChoices
    tree: ClassVar[str] = """\
OULU-NPU/
  Train_files/1_1_01_1.avi         Phone_Session_User_File: File 1 live, 2-3 print, 4-5 replay
  Train_files/1_1_01_1.txt         eye positions: frame,x,y,x,y (optional)
  Dev_files/*.avi                  users 21-35
  Test_files/*.avi                 users 36-55
  Protocols/Protocol_1/{Train,Dev,Test}.txt        +1,1_1_01_1
  Protocols/Protocol_3/{Train,Dev,Test}_{1..6}.txt"""
    source: ClassVar[str] = """\
Boulkenafet et al., "OULU-NPU: a mobile face presentation attack database with real-world variations", FG
2017. Seen in public code: names, users of the splits, list lines, the labels -1 (print) and -2 (replay) of
test lists. From memory: the columns of the eye files and that their frames count from 0."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the videos, of one protocol where it is chosen."""
        videos = {file.stem: file for file in files(root, {".avi"})}
        if not videos:
            raise SourceError(f"{root} holds no .avi of OULU-NPU; the tree should be\n{self.tree}")
        yield Note("labels: the last number of a name: 1 is live, 2-3 print, 4-5 replay")
        if choices.protocol is None:
            for file in videos.values():
                yield from self._entry(root, file, self._meaning(file.stem))
            return
        for split in _SPLITS:
            path = _list_of(root, choices.protocol, split)
            for row in table(root, path, header=("label", "video")):
                if isinstance(row, Failure):
                    yield row
                else:
                    yield from self._listed(root, row, split, videos)

    def _listed(
        self, root: Path, row: Row, split: str, videos: dict[str, PurePosixPath]
    ) -> Iterator[Entry | Failure]:
        stem = row["video"].removesuffix(".avi")
        values = self._meaning(stem)
        if isinstance(values, dict):
            # Training and development lists call every attack -1; test lists tell prints from replays.
            attack = values.get("attack")
            expected = {"live": {"+1", "1"}}.get(values["label"]) or (
                {"-1"} if attack == "print" else {"-1", "-2"}
            )
            if row["label"] not in {"+1", "1", "-1", "-2"}:
                values = f"label {row['label']!r} is none of +1, -1 and -2; mend the list"
            elif row["label"] not in expected:
                values = (
                    f"label {row['label']} for {stem}, which is {attack or 'live'} by its name; mend the list"
                )
        if isinstance(values, str):
            yield failure(row.where, "bad-label", values)
            return
        file = videos.get(stem, PurePosixPath(f"{split.capitalize()}_files/{stem}.avi"))
        yield from self._entry(root, file, {**values, "split": _SPLITS[split]}, row.where)

    def _entry(
        self, root: Path, file: PurePosixPath, values: dict[str, Any] | str, where: str = ""
    ) -> Iterator[Entry | Failure]:
        if isinstance(values, str):
            yield failure(str(file), "bad-name", values)
            return
        problems: list[Failure] = []
        eyes = per_frame(root, (root / file).with_suffix(".txt"), 4, _eyes, problems)
        yield from problems
        yield Entry(str(file), values, eyes, where, every=True)

    def _meaning(self, stem: str) -> dict[str, Any] | str:
        if (match := _NAME.fullmatch(stem)) is None or not 1 <= int(match[3]) <= 55:
            return f"{stem} is not Phone(1-6)_Session(1-3)_User(1-55)_File(1-5); rename or remove it"
        phone, session, user, file = match.groups()
        values: dict[str, Any] = {
            "domain": self.name,
            "subject": self.subject(f"{int(user):02d}"),
            "split": "train" if int(user) <= 20 else "val" if int(user) <= 35 else "test",
            "label": "live" if file == "1" else "spoof",
        }
        attributes = {"phone": int(phone), "session": int(session)}
        if file in _INSTRUMENTS:
            values["attack"], attributes["instrument"] = _INSTRUMENTS[file]  # type: ignore[assignment]
        return {**values, "attributes": attributes}


def _eyes(numbers: Sequence[float]) -> dict[str, Any]:
    return {"landmarks": [numbers[0:2], numbers[2:4]]}


def _list_of(root: Path, protocol: str, split: str) -> Path:
    number, _, fold = protocol.partition("_")
    name = split.capitalize() + (f"_{fold}" if fold else "")
    for folder in ("Protocols", "Protocols/Protocols", ""):
        path = root / folder / f"Protocol_{number}" / f"{name}.txt"
        if path.is_file():
            return path
    raise UsageError(
        f"--choose protocol={protocol}: {root}/Protocols/Protocol_{number}/{name}.txt is missing; restore it"
    )
