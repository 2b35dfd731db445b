"""CASIA-SURF: colour, depth and infrared of prints with holes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.text import clean, failure, lines
from facedata.datasets.record import Failure

__all__ = ["CasiaSurf"]

# The list with labels first: a list without them is read only where no other names the split.
_LISTS = {
    "train": ("train_list.txt", "Training.txt"),
    "val": ("val_private_list.txt", "val_public_list.txt"),
    "test": ("test_private_list.txt", "test_public_list.txt"),
}
_MODALITIES = ("color", "depth", "ir")
_ATTACK = re.compile(r"(\d\d)_(e|en|enm)_(s|b)")
_HOLES = {"e": ["eyes"], "en": ["eyes", "nose"], "enm": ["eyes", "nose", "mouth"]}


class CasiaSurfChoices(Choices):
    """What is read of each capture."""

    modality: Literal["color", "depth", "ir"] = "color"
    """Which of the three pictures of a capture."""


class CasiaSurf(Reader):
    """Lists of three pictures and a label."""

    name = "casia-surf"
    title = "CASIA-SURF"
    choices = CasiaSurfChoices
    tree: ClassVar[str] = """\
CASIA-SURF/
  train_list.txt                 color.jpg depth.jpg ir.jpg label, from the root; label 1 live, 0 attack
  val_private_list.txt           (val_public_list.txt, without labels, where it is missing)
  test_private_list.txt          (test_public_list.txt)
  Training/real_part/CLKJ_CS0110/real.rssdk/{color,depth,ir}/91.jpg
  Training/fake_part/CLKJ_AS0005/04_en_b.rssdk/{color,depth,ir}/101.jpg
    holes: e eyes, en eyes and nose, enm eyes, nose and mouth;  s flat, b bent
  Val/0000/000000-{color,depth,ir}.jpg
  Testing/0000/000000-{color,depth,ir}.jpg"""
    source: ClassVar[str] = """\
Zhang et al., "A dataset and benchmark for large-scale multi-modal face anti-spoofing", CVPR 2019. Seen in
public code: lists, their order and labels, folders. From memory: what the letters of the attacks mean."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the pictures of one modality."""
        found = False
        for split, names in _LISTS.items():
            path = next((root / name for name in names if (root / name).is_file()), None)
            if path is not None:
                found = True
                yield from self._list(root, path, split, _MODALITIES.index(choices.modality))
        if not found:
            raise SourceError(f"{root} holds no list of CASIA-SURF; the tree should be\n{self.tree}")
        yield Note(f"labels: the last word of a line, 1 live and 0 attack; modality {choices.modality}")
        yield Note("the attacks of training are not those of validation and test, by design")

    def _list(self, root: Path, path: Path, split: str, column: int) -> Iterator[Entry | Failure]:
        for where, text in lines(root, path):
            words = [clean(word) for word in text.split()]
            if len(words) not in (3, 4):
                yield failure(
                    where, "ragged", f"{len(words)} words where 3 pictures and a label are expected"
                )
                continue
            values: dict[str, Any] = {"domain": self.name, "split": split}
            if len(words) == 4:
                if words[3] not in ("0", "1"):
                    yield failure(where, "bad-label", f"label {words[3]!r} is not 1 (live) or 0 (attack)")
                    continue
                values["label"] = "live" if words[3] == "1" else "spoof"
            file = words[column].replace("\\", "/")
            meaning = self._meaning(PurePosixPath(file), values.get("label"))
            if isinstance(meaning, str):
                yield failure(where, "bad-label", meaning)
            else:
                yield Entry(file, {**values, **meaning}, where=where)

    def _meaning(self, file: PurePosixPath, label: str | None) -> dict[str, Any] | str:
        """Return what the path says: only training pictures lie in folders of persons and attacks."""
        if len(file.parts) < 5 or file.parts[-5] not in ("real_part", "fake_part"):
            return {"attack": "paper/cut"} if label == "spoof" else {}
        part, person, recording = file.parts[-5:-2]
        stated = "live" if part == "real_part" else "spoof"
        if label is not None and stated != label:
            return f"{file} lies under {part}, but its label says {label}; mend the list"
        values: dict[str, Any] = {"subject": self.subject(person)}
        if match := _ATTACK.match(recording):
            attributes = {"holes": _HOLES[match[2]], "bent": match[3] == "b", "attack": match[0]}
            values |= {"attack": "paper/cut", "attributes": attributes}
        return values
