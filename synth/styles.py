"""The styles of `synth sample`: which of them may go over a live face, and their pictures, each read once."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.sample import Sample
from facedata.datasets.words import Words
from facedata.synth.card import held_out, own_kinds
from facedata.synth.pairs import Face, read_faces
from facedata.synth.pictures import Shelf

__all__ = ["Styles", "find_styles"]

_KEPT = 4096  # pictures: 50 MB at 64 px, 800 MB at 256


@dataclass(frozen=True)
class Styles:
    """Faces of the dataset at `root` that may be styles: attacks by their kind, live faces by None.

    What they are looked up by is made at the first need, and once.
    """

    root: Path
    version: str
    faces: tuple[Face, ...]
    side: int

    def __reduce__(self) -> tuple[type[Styles], tuple[Any, ...]]:
        """Pickle what it was made of: pictures are read anew where it goes."""
        return type(self), (self.root, self.version, self.faces, self.side)

    def kinds(self, parent: Sample, *, live: bool) -> list[str | None]:
        """Return the kinds of attack of which some face may be the style of `parent`, sorted.

        With `live` that is [None] where a live face may be, and [] where none may.
        """
        pools = self._pools(parent)
        found = [kind for kind in pools if (kind is None) is live and len(pools[kind].allowed(parent))]
        return sorted(found, key=str)

    def draw(self, parent: Sample, kind: str | None, words: Words) -> Face:
        """Draw a style of `kind`: each face that may be one is as likely as the others."""
        allowed = self._pools(parent)[kind].allowed(parent)
        return self.faces[allowed[words.integer(0, len(allowed) - 1)]]

    def number(self, face: Face) -> int:
        """Return the place of a face among `faces`, which is its number on the shelf."""
        return self._numbers[face.sample_id]

    @cached_property
    def shelf(self) -> Shelf:
        """Their pictures."""
        return Shelf(Dataset.open(self.root), [face.image for face in self.faces], self.side, _KEPT)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {face.sample_id: number for number, face in enumerate(self.faces)}

    @cached_property
    def _by_split(self) -> dict[str | None, dict[str | None, _Pool]]:
        return {}

    def _pools(self, parent: Sample) -> dict[str | None, _Pool]:
        """Return the faces of `parent`'s split by kind; where one has no split, nothing is crossed."""
        if parent.split not in self._by_split:
            places: dict[str | None, list[int]] = defaultdict(list)
            for number, face in enumerate(self.faces):
                if face.split is None or parent.split is None or face.split == parent.split:
                    places[face.attack if face.label == "spoof" else None].append(number)
            self._by_split[parent.split] = {kind: _Pool(self.faces, own) for kind, own in places.items()}
        return self._by_split[parent.split]


class _Pool:
    """Numbers of faces of one split and kind, and which of them a live face may not have."""

    def __init__(self, faces: Sequence[Face], numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self._of_subject: dict[str | None, set[int]] = defaultdict(set)
        self._of_content: dict[str, set[int]] = defaultdict(set)
        for place, number in enumerate(numbers):
            if faces[number].subject is not None:
                self._of_subject[faces[number].subject].add(place)
            self._of_content[faces[number].content_hash].add(place)

    def allowed(self, parent: Sample) -> _Without:
        """Return the numbers of faces of other people, and of other pictures, than `parent`."""
        same_person = self._of_subject.get(parent.subject, set())
        return _Without(self._numbers, same_person | self._of_content.get(parent.content_hash, set()))


class _Without:
    """Numbers without those at a few places, as a list of them would be: it costs what the few do."""

    def __init__(self, numbers: Sequence[int], refused: Iterable[int]) -> None:
        self._numbers, self._refused = numbers, sorted(refused)
        # How many allowed ones stand before each refused place: rising, so it can be searched.
        self._before = [place - rank for rank, place in enumerate(self._refused)]

    def __len__(self) -> int:
        return len(self._numbers) - len(self._refused)

    def __getitem__(self, rank: int) -> int:
        return self._numbers[rank + bisect_right(self._before, rank)]


def find_styles(dataset: Dataset, card: dict[str, Any], *, live: bool) -> Styles:
    """Return the attacks of a dataset that a model of this card can follow; with `live` its live faces too.

    Raises UsageError where a style is of a domain that the training held out, and SourceError where there are
    fewer than two attacks to look like, or no live face to look like.
    """
    faces = read_faces(dataset)
    out, kinds = held_out(card), own_kinds(card)
    found = [face for face in faces if face.label == "spoof" and face.attack in kinds]
    if not found:
        raise SourceError(
            f"{dataset.root} has no attack of a kind that the model knows ({', '.join(kinds)}); "
            "give another --style, or train on its kinds"
        )
    if odd := sorted({face.domain for face in found if face.domain and face.domain in out}):
        raise UsageError(
            f"{dataset.root} has styles of {', '.join(odd)}, which the model's training held out: "
            "attacks in their style would leak the test; filter them out first"
        )
    if len(found) < 2:
        raise SourceError(f"{dataset.root} has one style; all attacks would look like it, give more")
    if live:
        looks = [one for one in faces if one.label == "live" and one.domain not in out]
        if not looks:
            raise SourceError(
                f"{dataset.root} has no live face to be the style of negatives; give one that has, or leave "
                "out --negatives"
            )
        found += looks
    side = int(card["config"]["network"]["resolution"])
    return Styles(dataset.root.resolve(), dataset.version, tuple(found), side)
