"""What a folder tree says of its pictures, by the names of its folders.

A folder named after a label (`live`, `spoof`), a kind of attack (`print`) or a split (`train`) says so for
all pictures below it; a picture of which the names say nothing stays unlabelled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from facedata.datasets.errors import UsageError
from facedata.datasets.sample import LABELS

__all__ = ["ATTACK_WORDS", "LABEL_WORDS", "SPLIT_WORDS", "FolderLabels", "parse_label_map"]

LABEL_WORDS = {
    "live": "live",
    "real": "live",
    "genuine": "live",
    "bonafide": "live",
    "bona_fide": "live",
    "bona-fide": "live",
    "spoof": "spoof",
    "attack": "spoof",
    "fake": "spoof",
}
"""Words of the field's datasets for the two labels; lower case. ISO/IEC 30107 says bona fide and attack."""

ATTACK_WORDS = ("print", "replay", "mask", "paper", "cut", "projector")
"""Folder names that say spoof and name the attack species at once."""

SPLIT_WORDS = {"train": "train", "val": "val", "valid": "val", "dev": "val", "devel": "val", "test": "test"}


def parse_label_map(text: str | None) -> dict[str, str]:
    """Return the mapping of `live=1,spoof=0`: from the source's words, lower case, to labels.

    >>> parse_label_map("live=1,spoof=0")
    {'1': 'live', '0': 'spoof'}
    """
    words: dict[str, str] = {}
    for pair in (text or "").split(","):
        if not pair.strip():
            continue
        label, separator, word = pair.partition("=")
        if not separator or label.strip() not in LABELS or not word.strip():
            raise UsageError(f"--label-map {pair.strip()!r} is not of the form live=WORD or spoof=WORD")
        word = word.strip().lower()
        if words.get(word, label.strip()) != label.strip():
            raise UsageError(f"--label-map gives {word!r} both labels; name it once")
        words[word] = label.strip()
    return words


@dataclass(frozen=True, slots=True)
class FolderLabels:
    """A rule from a picture's place to sample fields; picklable, so that a worker can apply it.

    `words` adds to the known words or overrides them; `default` is the label of pictures whose folders say
    nothing; `values` are fields of every picture (domain, split, ...).
    """

    words: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, place: str) -> dict[str, Any]:
        """Return the fields that the folders above `place` state; raise UsageError where they disagree."""
        found: dict[str, Any] = {}
        for folder in PurePosixPath(place).parts[:-1]:
            for name, value in self._meaning(folder.lower()).items():
                if found.setdefault(name, value) != value:
                    raise UsageError(
                        f"{place}: its folders say both {found[name]!r} and {value!r}; settle it with "
                        f"--label-map, or give a CSV list instead"
                    )
        if "label" not in found and self.default is not None:
            found["label"] = self.default
        return {**found, **self.values}

    def notes(self, places: Iterable[str]) -> list[str]:
        """Return, for people, which labels were read from folder names."""
        counts: Counter[str | None] = Counter()
        last, label = "", None
        for place in places:
            folder, separator, _ = place.rpartition("/")
            if folder + separator != last or not counts:  # a listing goes folder by folder
                last, label = folder + separator, self(place).get("label")
            counts[label] += 1
        unlabelled = counts.pop(None, 0)
        notes = []
        if counts:
            origin = "folder names" if self.default is None else "folder names and --label"
            stated = ", ".join(f"{label} {number}" for label, number in sorted(counts.items()))
            notes.append(f"labels read from {origin}: {stated}")
        if unlabelled:
            notes.append(f"without a label: {unlabelled}; pass --label live if they are bona fide")
        return notes

    def _meaning(self, folder: str) -> dict[str, str]:
        if folder in self.words:
            return {"label": self.words[folder]}
        if folder in LABEL_WORDS:
            return {"label": LABEL_WORDS[folder]}
        if folder in ATTACK_WORDS:
            return {"label": "spoof", "attack": folder}
        if folder in SPLIT_WORDS:
            return {"split": SPLIT_WORDS[folder]}
        return {}
