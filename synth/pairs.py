"""Pairs to learn from: an attack, the live face that it shows, and other attacks of its kind for a style.

Nobody learns from a pair of two people, and a style is never the target itself nor, where there is a choice,
a picture of the same person: else the network could copy who is shown from it. A style of the target's own
session (the same medium, device, camera and light) says how the target should look; one of another session
says no more than its kind.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.words import Words
from facedata.synth.alignment import fit_of
from facedata.synth.config import Pairing

__all__ = ["LIVE", "Face", "Pair", "Pairs", "find_live", "find_pairs", "read_faces"]

LIVE = "live"
"""The one kind that a network of live faces knows."""

_COLUMNS = [
    "sample_id",
    "image",
    "content_hash",
    "split",
    "subject",
    "domain",
    "label",
    "attack",
    "parent_id",
    "width",
    "height",
]


@dataclass(frozen=True, slots=True)
class Face:
    """The part of a row that pairing looks at."""

    sample_id: str
    image: str
    content_hash: str
    split: str | None
    subject: str | None
    domain: str | None
    label: str | None
    attack: str | None
    parent_id: str | None
    width: int = 0
    height: int = 0
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Numbers of faces: `content` is live, `target` the attack that shows it.

    `fit` takes the pixels of the content to the target's, 3 x 3; None: they have one frame.
    """

    content: int
    target: int
    fit: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Faces, pairs of them, and the kinds of attack in the order of their indices.

    `styles` gives for each kind the numbers of the faces that may be its style, `mates` those of each kind
    and session.
    """

    faces: tuple[Face, ...]
    pairs: tuple[Pair, ...]
    kinds: tuple[str, ...]
    styles: dict[str, tuple[int, ...]]
    left_out: int
    mates: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)

    def kind_of(self, pair: Pair) -> str:
        """Return the kind of a pair's target."""
        target = self.faces[pair.target]
        return target.attack or "" if target.label == "spoof" else LIVE

    def size_of(self, pair: Pair) -> tuple[int, int]:
        """Return the width and height of a pair's target, px."""
        target = self.faces[pair.target]
        return target.width, target.height

    def style_of(self, pair: Pair, words: Words) -> int:
        """Draw a pair's style: another picture of the target's kind, of another person if there is one.

        It is of the target's session where that shows another person under the same kind.
        """
        target = self.faces[pair.target]
        kind = self.kind_of(pair)
        choice = self.styles[kind]
        if target.session is not None:
            mates = self.mates[kind, target.session]
            if any(self.faces[one].subject != target.subject for one in mates):
                choice = mates
        number = words.integer(0, len(choice) - 1)
        fallback = None
        for step in range(len(choice)):  # a person has few pictures, so the first tries hit
            one = choice[(number + step) % len(choice)]
            if one == pair.target:
                continue
            if self.faces[one].subject is None or self.faces[one].subject != target.subject:
                return one
            fallback = one if fallback is None else fallback
        if fallback is None:
            raise SourceError(f"kind {target.attack} has one picture, which cannot be its own style")
        return fallback


def read_faces(dataset: Dataset) -> list[Face]:
    """Return the rows of a dataset as faces, in the order of their ids."""
    return [
        Face(**row, session=_session(attributes))
        for row in dataset.rows([*_COLUMNS, "attributes"])
        for attributes in [row.pop("attributes")]
    ]


def _session(attributes: str | None) -> str | None:
    if not attributes or '"session"' not in attributes:  # most have none: reading JSON takes long
        return None
    found = json.loads(attributes).get("session")
    return None if found is None else str(found)


def find_live(dataset: Dataset, wanted: Pairing) -> Pairs:
    """Return the live faces of a dataset, each a pair with itself, for a network that knows nothing else.

    Raises SourceError where there are fewer than two, and UsageError as `find_pairs` does.
    """
    faces, used = _used(dataset, wanted)
    live = tuple(number for number in used if faces[number].label == "live")
    if len(live) < 2:
        raise SourceError(f"{dataset.root.name} has {len(live)} live faces to learn from; give more")
    return Pairs(tuple(faces), tuple(Pair(one, one) for one in live), (LIVE,), {LIVE: live}, 0)


def find_pairs(dataset: Dataset, wanted: Pairing) -> Pairs:
    """Return the pairs of a dataset.

    Raises SourceError where there are none, UsageError where a domain to hold out is not there, or where a
    spoof and the live face it was made from are said to be two people.
    """
    faces, used = _used(dataset, wanted)
    pairs = _by_parent(faces, used) if wanted.by == "parent" else _by_subject(faces, used)
    styles: dict[str, list[int]] = defaultdict(list)
    mates: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number in used:
        face = faces[number]
        if face.label == "spoof" and face.attack:
            styles[face.attack].append(number)
            if face.session is not None:
                mates[face.attack, face.session].append(number)
    kept = [pair for pair in pairs if len(styles[faces[pair.target].attack or ""]) > 1]
    if not kept:
        raise SourceError(_none(dataset, wanted, faces, used, bool(pairs)))
    kept = _fitted(dataset, faces, kept, wanted)
    kinds = sorted({faces[pair.target].attack or "" for pair in kept})
    return Pairs(
        tuple(faces),
        tuple(kept),
        tuple(kinds),
        {kind: tuple(styles[kind]) for kind in kinds},
        len(pairs) - len(kept),
        {key: tuple(numbers) for key, numbers in mates.items()},
    )


def _used(dataset: Dataset, wanted: Pairing) -> tuple[list[Face], list[int]]:
    """Return all rows, and the numbers of those that training may use."""
    faces = read_faces(dataset)
    domains = {face.domain for face in faces}
    if odd := [name for name in wanted.hold_out if name not in domains]:
        known = ", ".join(sorted(name for name in domains if name)) or "none"
        raise UsageError(f"hold_out: no domain {odd[0]!r} in {dataset.root.name}; its domains are {known}")
    splits = sorted({face.split for face in faces if face.split})
    if wanted.split and wanted.split not in splits:
        known = ", ".join(splits) or "none"
        raise UsageError(f"split: no {wanted.split!r} in {dataset.root.name}; its splits are {known}")
    split = wanted.split or ("train" if any(face.split == "train" for face in faces) else None)
    used = [
        number
        for number, face in enumerate(faces)
        if (split is None or face.split == split) and face.domain not in wanted.hold_out
    ]
    return faces, used


def _by_parent(faces: Sequence[Face], used: Sequence[int]) -> list[Pair]:
    live = {faces[number].sample_id: number for number in used if faces[number].label == "live"}
    pairs = []
    for number in used:
        face = faces[number]
        content = live.get(face.parent_id or "")
        if face.label != "spoof" or not face.attack or content is None:
            continue
        if faces[content].subject != face.subject:
            raise UsageError(
                f"{face.sample_id} shows {face.subject!r} and its parent {face.parent_id} "
                f"{faces[content].subject!r}: a pair of two people; mend the subject with facedata edit"
            )
        pairs.append(Pair(content, number))
    return pairs


def _fitted(dataset: Dataset, faces: Sequence[Face], pairs: Sequence[Pair], wanted: Pairing) -> list[Pair]:
    """Return the pairs with where their contents lie in their targets."""
    wanted_ids = {faces[number].sample_id for pair in pairs for number in (pair.content, pair.target)}
    points: dict[str, NDArray[np.float32]] = {
        row["sample_id"]: np.asarray(row["landmarks"], np.float32)
        for row in dataset.rows(["sample_id", "landmarks"])
        if row["landmarks"] and row["sample_id"] in wanted_ids
    }

    fitted = []
    for pair in pairs:
        content, target = (points.get(faces[number].sample_id) for number in (pair.content, pair.target))
        fit = fit_of(content, target, same_moment=wanted.by == "parent")
        fitted.append(Pair(pair.content, pair.target, fit))
    return fitted


def _by_subject(faces: Sequence[Face], used: Sequence[int]) -> list[Pair]:
    """Pair each attack with a live face of the same person, of the same domain where there is one."""
    live: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for number in used:
        face = faces[number]
        if face.label == "live" and face.subject:
            live[face.subject, face.domain].append(number)
            live[face.subject, "*"].append(number)
    pairs = []
    for number in used:
        face = faces[number]
        if face.label != "spoof" or not face.attack or not face.subject:
            continue
        choice = live.get((face.subject, face.domain)) or live.get((face.subject, "*"))
        if choice:
            pairs.append(Pair(Words.of("pair", face.sample_id).choice(choice), number))
    return pairs


def _none(dataset: Dataset, wanted: Pairing, faces: Sequence[Face], used: Sequence[int], alone: bool) -> str:
    name = dataset.root.name
    if alone:
        return f"{name}: every kind of attack has one picture, which cannot be its own style; add pictures"
    labels = {faces[number].label for number in used}
    if not {"live", "spoof"} <= labels:
        missing = "live faces" if "live" not in labels else "spoofs with their attack named"
        mend = "facedata augment makes pairs from live faces"
        return f"{name}: no pairs, for there are no {missing} in the rows that training may use; {mend}"
    if wanted.by == "parent":
        return (
            f"{name}: no spoof has its live parent in the dataset; keep the originals (facedata augment "
            "--originals keep), or pair by the person (pairs: {by: subject})"
        )
    return (
        f"{name}: no person has both a live face and a spoof; say who is shown (subject), or pair by parent"
    )
