"""CelebA-Spoof: a JSON object of 44 numbers a picture, and boxes in a frame of their own."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.text import failure, json_pairs, read_text, relative
from facedata.datasets.readers.tree import coordinates
from facedata.datasets.record import Failure

__all__ = ["CelebASpoof"]

_SPOOFS = [
    (None, "live"),
    ("print/photo", "photo"),
    ("print/poster", "poster"),
    ("print/paper", "A4"),
    ("paper/cut", "face mask"),
    ("paper/cut", "upper body mask"),
    ("paper/cut", "region mask"),
    ("replay", "PC"),
    ("replay", "pad"),
    ("replay", "phone"),
    ("mask", "3D mask"),
]
_LIGHTS = [None, "normal", "strong", "back", "dark"]
_PLACES = [None, "indoor", "outdoor"]
_TRAITS = [
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
]
_BOX_FRAME = (224, 224)


class CelebASpoofChoices(Choices):
    """Which lists to read."""

    protocol: str = "intra_test"
    """The folder under metas whose train and test lists are read."""


class CelebASpoof(Reader):
    """Pictures of two lists; numbers 40 (spoof type) and 43 (live or spoof) must agree."""

    name = "celeba-spoof"
    title = "CelebA-Spoof"
    choices = CelebASpoofChoices
    tree: ClassVar[str] = """\
CelebA_Spoof/
  metas/intra_test/{train,test}_label.json    {"Data/train/1/live/000184.jpg": [44 numbers], ...}
    0-39 the attributes of CelebA, 40 spoof type (0 live), 41 light, 42 place, 43 spoof (1) or live (0)
  Data/{train,test}/<person>/{live,spoof}/000184.jpg
  Data/{train,test}/<person>/{live,spoof}/000184_BB.txt    x y width height (score), of a 224 x 224 frame"""
    source: ClassVar[str] = """\
Zhang et al., "CelebA-Spoof: large-scale face anti-spoofing dataset with rich annotations", ECCV 2020. Seen in
public code: the lists of 44 numbers, the spoof types, the box frame. From memory: the order of the 40
attributes and that light counts normal, strong, back, dark."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the pictures of the train and the test list."""
        found = 0
        for split in ("train", "test"):
            path = root / "metas" / choices.protocol / f"{split}_label.json"
            if path.is_file():
                found += 1
                yield from self._list(root, path, split)
        if not found:
            raise SourceError(
                f"{root} holds no metas/{choices.protocol}/{{train,test}}_label.json; restore them, or "
                "choose another folder of metas with --choose protocol=NAME"
            )
        yield Note(
            "labels: number 40 (0 live, 1-10 spoof types), checked against number 43 (0 live, 1 spoof)"
        )
        yield Note(
            "leak: the live pictures are pictures of CelebA; keep models and tests built on CelebA apart"
        )

    def _list(self, root: Path, path: Path, split: str) -> Iterator[Entry | Failure]:
        for where, file, numbers in json_pairs(root, path):
            values = self._meaning(file, numbers)
            if isinstance(values, str):
                yield failure(where, "bad-label", f"{file}: {values}; mend the list")
                continue
            box = _box(root, file)
            if isinstance(box, Failure):
                yield box
            elif box is not None:
                values |= {"box": box, "box_in": _BOX_FRAME}
            yield Entry(file, {**values, "split": split}, where=where)

    def _meaning(self, file: str, numbers: Any) -> dict[str, Any] | str:
        whole = isinstance(numbers, list) and {*map(type, numbers)} == {int}
        if not whole or len(numbers) != len(_TRAITS) + 4:
            return "not 44 whole numbers"
        spoof, light, place, flag = numbers[-4:]
        if not (0 <= spoof < len(_SPOOFS) and 0 <= light < len(_LIGHTS) and 0 <= place < len(_PLACES)):
            return f"spoof type {spoof}, light {light}, place {place}: one is outside of 0-10, 0-4, 0-2"
        if flag != int(spoof != 0):
            return f"spoof type {spoof} (number 40) disagrees with {flag} (number 43: 0 live, 1 spoof)"
        folders = file.split("/")[:-1]
        attack, kind = _SPOOFS[spoof]
        attributes: dict[str, Any] = {"traits": [_TRAITS[n] for n in range(len(_TRAITS)) if numbers[n] == 1]}
        if attack is not None:
            attributes |= {"spoof_type": kind, "light": _LIGHTS[light], "place": _PLACES[place]}
        values: dict[str, Any] = {
            "domain": self.name,
            "label": "live" if attack is None else "spoof",
            "attributes": {name: value for name, value in attributes.items() if value},
        }
        if attack is not None:
            values["attack"] = attack
        if len(folders) >= 2:
            values["subject"] = self.subject(folders[-2])
        return values


def _box(root: Path, file: str) -> list[float] | Failure | None:
    """Return the picture's box in its own frame, or None where there is no box file, or a box of no size."""
    place = f"{root}/{posixpath.splitext(file)[0]}_BB.txt"
    if not os.path.isfile(place):  # noqa: PTH113 - once a picture, of which there are 600,000
        return None
    path = Path(place)
    words = read_text(path).split()
    try:
        x, y, width, height = coordinates(words[:4])
    except ValueError:
        return failure(f"{relative(root, path)}:1", "bad-box", f"{' '.join(words)!r} is not x y width height")
    return [x, y, width, height] if width > 0 and height > 0 else None
