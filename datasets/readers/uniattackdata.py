"""UniAttackData (challenge of CVPR 2024) and UniAttackData+ (of ICCV 2025): physical and digital attacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.text import clean, failure, lines, relative
from facedata.datasets.record import Failure

__all__ = ["UniAttackData"]

_PROTOCOL = re.compile(r"p\d(\.\d)?")
_SPLITS = {"train": "train", "dev": "val", "val": "val", "test": "test"}

# Codes of the second release: group, kind, species.
_SPECIES = {
    "1_0_0": ("print", "print"),
    "1_0_1": ("replay", "replay"),
    "1_0_2": ("paper/cut", "cutout"),
    "1_1_0": ("mask/transparent", "transparent mask"),
    "1_1_1": ("mask/plaster", "plaster mask"),
    "1_1_2": ("mask/resin", "resin mask"),
    "2_0_0": ("digital/attribute-edit", "attribute edit"),
    "2_0_1": ("digital/swap", "face swap"),
    "2_0_2": ("digital/reenactment", "video-driven"),
    "2_1_0": ("digital/adversarial", "pixel-level adversarial"),
    "2_1_1": ("digital/adversarial", "semantic-level adversarial"),
    "2_2_0": ("digital/generated", "identity-consistent generation"),
    "2_2_1": ("digital/generated", "style generation"),
    "2_2_2": ("digital/generated", "prompted generation"),
}


class UniAttackDataChoices(Choices):
    """What the lists of the first release do not say."""

    live: Literal["0", "1"] | None = None
    """The number that stands for a live face in lists of 0 and 1."""

    protocol: Literal["p1", "p2.1", "p2.2"] | None = None
    """The protocol to read, where there are several: each names its own training and test pictures."""


class UniAttackData(Reader):
    """Lists of `path label`, in two releases of different labels."""

    name = "uniattackdata"
    title = "UniAttackData"
    choices = UniAttackDataChoices
    tree: ClassVar[str] = """\
UniAttackData/                     the first release: lists of `path label`, label 0 or 1
  phase1/p1/train_label.txt          p1/train/000001.jpg 1
  phase1/p1/train/*.jpg              (the folder may begin at phase1, phase2 or p1 itself)
  phase1/{p1,p2.1,p2.2}/dev.txt      a path a line, without labels in phase 1
UniAttackData+/                    the second release: lists of `path code`, code group_kind_species
  Protocol-{train,val}.txt           Data-train/20445.png 2_1_0
  Data-{train,val}/*.png"""
    source: ClassVar[str] = """\
Fang et al., "Unified physical-digital face attack detection", IJCAI 2024. Seen in public code: both list
forms, and the codes 0_0_0 (live) to 2_2_2 of the second release. Public code disagrees on whether 1 is live
or attack in the first release, so that it has to be said. From memory: that the live faces and the physical
attacks come from CASIA-SURF CeFA."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the pictures of the lists; a line without a label is an unlabelled picture."""
        lists = _lists(root)
        if not lists:
            raise SourceError(f"{root} holds no list of UniAttackData; the tree should be\n{self.tree}")
        protocols = sorted({path.parent.name for path in lists if _PROTOCOL.fullmatch(path.parent.name)})
        if choices.protocol is not None:
            lists = [path for path in lists if path.parent.name == choices.protocol]
            if not lists:
                raise UsageError(
                    f"--choose protocol={choices.protocol}: {root} has no list of it; it has {protocols}"
                )
        elif len(protocols) > 1:
            raise UsageError(
                f"{root} holds the protocols {', '.join(protocols)}, whose splits overlap; "
                f"choose one: --choose protocol={protocols[0]}"
            )
        stated: set[str] = set()
        for path in lists:
            yield from self._list(root, path, choices.live, stated)
        yield Note(
            "leak: live faces and physical attacks are said to be of CASIA-SURF CeFA; keep the two apart"
        )
        if stated & {"0", "1"}:
            yield Note(f"labels: {choices.live} is live, as --choose live={choices.live} says")
        if stated & {"0_0_0", *_SPECIES}:
            yield Note(
                "labels: codes group_kind_species; 0_0_0 is live, 1_... a physical and 2_... a digital attack"
            )

    def _list(self, root: Path, path: Path, live: str | None, stated: set[str]) -> Iterator[Entry | Failure]:
        split = next(name for word, name in _SPLITS.items() if word in path.stem.lower())
        for where, text in lines(root, path):
            file, _, label = text.rpartition(" ") if " " in text else (text, "", "")
            values: dict[str, Any] = {"domain": self.name, "split": split}
            label = clean(label)
            if label in ("0", "1"):
                if live is None:
                    raise UsageError(
                        f"{where}: label {label} means live or attack; say which: --choose live=1 or live=0"
                    )
                values["label"] = "live" if label == live else "spoof"
            elif label == "0_0_0":
                values["label"] = "live"
            elif label in _SPECIES:
                attack, words = _SPECIES[label]
                values |= {"label": "spoof", "attack": attack, "attributes": {"code": label, "attack": words}}
            elif label:
                yield failure(where, "bad-label", f"label {label!r} is neither 0, 1 nor a code such as 2_1_0")
                continue
            stated.add(label)
            yield Entry(self._place(root, path, clean(file)), values, where=where)

    @staticmethod
    def _place(root: Path, path: Path, file: str) -> str:
        """Return the path under the root: lists name files from their own folder or the one above it."""
        above = path.parent.parent if _PROTOCOL.fullmatch(path.parent.name) else path.parent
        for folder in (path.parent, above):
            if folder.is_relative_to(root) and (folder / file).is_file():
                return f"{relative(root, folder)}/{file}" if folder != root else file
        return file


def _lists(root: Path) -> list[Path]:
    named = [
        path
        for path in root.rglob("*.txt")
        if path.stem.lower().startswith(("train", "dev", "val", "test", "protocol-"))
    ]
    return sorted(path for path in named if any(word in path.stem.lower() for word in _SPLITS))
