"""The faces that a recipe of labels learns from, and those that it is watched by: never those of a test."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.sample import json_object
from facedata.recipes.labels.config import LabelRowsConfig, LabelsConfig
from facedata.recipes.labels.regions import Marks
from facedata.recipes.labels.truth import OTHER, Coding, Labels, coding_of, labels_of
from facedata.recipes.rows import choose_parts

__all__ = ["COLUMNS", "Face", "Faces", "LabelledParts", "choose_faces", "face_of"]

COLUMNS = (
    *("sample_id", "image", "label", "attack", "domain", "subject", "width", "height", "box", "landmarks"),
    *("expression", "au", "au_domain", "valence", "arousal", "attributes", "operator", "variant", "source"),
)


@dataclass(frozen=True, slots=True)
class Face:
    """What a recipe of labels needs of a row beside its labels.

    `person` and `clip` are keys, None where nobody is named and where the picture is no frame; `frame` is its
    number in the clip.
    """

    sample_id: str
    image: str
    domain: str | None
    person: str | None
    clip: str | None
    frame: int
    marks: Marks


@dataclass(frozen=True)
class Faces:
    """Faces with their labels, in the same order."""

    faces: tuple[Face, ...]
    labels: Labels


@dataclass(frozen=True)
class LabelledParts:
    """Faces to learn from and faces for development; `of` says in words where the latter come from.

    `classes` are the expressions and `units` the action units that are learned; `left_out` units are not,
    because the faces to learn from all show them, or none does.
    """

    train: Faces
    dev: Faces
    of: str
    classes: tuple[str, ...]
    units: tuple[int, ...]
    left_out: tuple[int, ...]


def choose_faces(dataset: Dataset, config: LabelsConfig) -> LabelledParts:
    """Return the faces to learn from and those for development, by the rules of `facedata.recipes.rows`.

    Faces are live, or of no label, unless `rows.spoofs`; each has at least one label that is learned.

    Raises SourceError where nothing could be learned (no unit coded, one expression only, ...) or a label is
    none, UsageError where a domain, a class or a unit that was asked for is not there.
    """
    name = dataset.root.resolve().name
    codings: list[Coding | SourceError | None] = []
    for row in dataset.rows((*_CODED, "sample_id", "label", "attributes")):
        kept = config.rows.spoofs or row["label"] != "spoof"
        codings.append(_coding(row, config) if kept else None)
    usable = np.array([_says(one, config) for one in codings], bool)
    rows, seed = config.rows, config.loop.seed
    train, dev, of = choose_parts(dataset, rows.hold_out, rows.dev_share, None, seed, usable)
    told: dict[str, list[Coding]] = {}
    for part, mask in (("train", train), ("development", dev)):
        if not mask.any():
            raise SourceError(f"{name}: no rows for {part} {_lacking(part, config)}")
        told[part] = list(_sound(itertools.compress(codings, mask)))
    _refuse_ungraded(told["train"], config, name)
    classes = _classes(told, config, name)
    units, left_out = _units(told["train"], config, name)
    faces: dict[str, list[Face]] = {"train": [], "development": []}
    for row, learned, watched in zip(dataset.rows(COLUMNS), train, dev, strict=True):
        if learned or watched:
            faces["train" if learned else "development"].append(face_of(row))
    parts = [Faces(tuple(faces[part]), labels_of(told[part], classes, units)) for part in told]
    return LabelledParts(parts[0], parts[1], of, classes, units, left_out)


def face_of(row: dict[str, Any]) -> Face:
    """Return the face of a row of COLUMNS."""
    source = row["source"] or {}
    origin = source.get("dataset") or ""
    found = json_object(row["attributes"]) or {}
    frame, clip = source.get("frame"), None
    if found.get("sequence") is not None and isinstance(found.get("frame"), int):
        frame, clip = found["frame"], f"{origin}\0{found['sequence']}"
    elif frame is not None:
        # frames that have nothing in common but their file are known by hashes of their own (sha256)
        clip = "\0".join(map(str, (origin, source.get("file"), source.get("sha256"))))
    if clip is not None:  # what is made of a clip is another one, and so is each variant
        clip = "\0".join(map(str, (clip, row["label"], row["attack"], row["operator"], row["variant"])))
    box, landmarks = row["box"], row["landmarks"]
    return Face(
        **{name: row[name] for name in ("sample_id", "image", "domain")},
        person=None if row["subject"] is None else f"{origin}\0{row['subject']}",
        clip=clip,
        frame=frame or 0,
        marks=Marks(
            None if landmarks is None else tuple((x, y) for x, y in landmarks),
            None if box is None else tuple(box),
            row["width"],
            row["height"],
        ),
    )


_CODED = ("expression", "au", "au_domain", "valence", "arousal")


def _coding(row: dict[str, Any], config: LabelsConfig) -> Coding | SourceError:
    """Return what a row says, or what is wrong with it: that matters only where the row is learned from."""
    votes = (json_object(row["attributes"]) or {}).get("votes") if config.losses.soft else None
    try:
        return coding_of(row, votes if isinstance(votes, dict) else None, config.rows.classes)
    except SourceError as error:
        return error


def _sound(codings: Iterable[Coding | SourceError | None]) -> Iterator[Coding]:
    for one in codings:
        if isinstance(one, SourceError):
            raise one
        if one is not None:
            yield one


def _learned(votes: Coding, config: LabelRowsConfig) -> set[str]:
    return set(votes.votes) & set(config.classes) if config.classes else set(votes.votes) - {OTHER}


def _says(one: Coding | SourceError | None, config: LabelsConfig) -> bool:
    """Whether anything is known of a face that is learned, or something of it is wrong."""
    if not isinstance(one, Coding):
        return one is not None
    losses, wanted = config.losses, set(config.rows.units)
    return bool(
        (losses.expression and _learned(one, config.rows))
        or (losses.units and (wanted & set(one.units) if wanted else one.units))
        or (losses.affect and not (math.isnan(one.valence) and math.isnan(one.arousal)))
    )


def _lacking(part: str, config: LabelsConfig) -> str:
    if part == "development":
        return "are left: there are no people to spare; see rows.dev_share and splits (facedata split)"
    losses = config.losses
    sought = {
        "have a coded action unit (au_domain)": losses.units,
        "name an expression": losses.expression,
        "have valence or arousal": losses.affect,
    }
    said = " or ".join(words for words, weight in sought.items() if weight)
    return f"{said}; see rows in the configuration, or give them labels (facedata edit, facedata merge)"


def _refuse_ungraded(codings: Sequence[Coding], config: LabelsConfig, name: str) -> None:
    """Raise SourceError where a loss of numbers has none to learn from, which its mean would hide."""
    graded = any(level for one in codings for level in one.units.values())
    rated = any(math.isfinite(one.valence) or math.isfinite(one.arousal) for one in codings)
    for loss, known, what in (
        ("intensity", graded, "a unit with an intensity (au)"),
        ("affect", rated, "valence or arousal"),
    ):
        if getattr(config.losses, loss) and not known:
            raise SourceError(f"{name}: no row to train on has {what}; set losses.{loss}: 0, or grade some")


def _classes(told: dict[str, list[Coding]], config: LabelsConfig, name: str) -> tuple[str, ...]:
    if not config.losses.expression:
        return ()
    shown = {
        part: sorted({best for one in codings if (best := _best(one, config.rows)) is not None})
        for part, codings in told.items()
    }
    if absent := [one for one in config.rows.classes if one not in shown["train"]]:
        raise UsageError(
            f"rows.classes: no row of {name} to train on shows {absent[0]!r}; "
            f"they show {', '.join(shown['train'])}"
        )
    for part, names in shown.items():
        if len(names) < 2:
            there = f"shows one expression ({names[0]})" if names else "names no expression"
            raise SourceError(
                f"{name}: every row for {part} {there}; two are needed: merge others in (facedata merge), or "
                "split otherwise (facedata split)"
            )
    return tuple(shown["train"])


def _best(one: Coding, config: LabelRowsConfig) -> str | None:
    names = _learned(one, config)
    return max(names, key=lambda name: (one.votes[name], name), default=None)


def _units(
    codings: Sequence[Coding], config: LabelsConfig, name: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the units to learn, and those of which the rows to train on show one side only."""
    if not config.losses.units:
        return (), ()
    coded = sorted({unit for one in codings for unit in one.units})
    wanted = sorted(set(config.rows.units)) or coded
    if absent := [unit for unit in wanted if unit not in coded]:
        there = ", ".join(map(str, coded)) or "none"
        raise UsageError(f"rows.units: AU{absent[0]} is coded on no row of {name} to train on; {there} are")
    sides: dict[int, set[bool]] = {unit: set() for unit in wanted}
    for one in codings:
        for unit in sides.keys() & one.units.keys():
            level = one.units[unit]
            sides[unit].add(level is None or level > 0)
    learned = tuple(unit for unit in wanted if len(sides[unit]) == 2)
    if not learned:
        raise SourceError(
            f"{name}: every coded unit shows on all rows to train on, or on none; both are needed: merge "
            "others in (facedata merge), or split otherwise (facedata split)"
        )
    return learned, tuple(unit for unit in wanted if unit not in learned)
