"""What rows say of faces as arrays: what was coded, and, apart from that, what was not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import SourceError
from facedata.datasets.items import printable
from facedata.datasets.readers.expressions import EXPRESSIONS

__all__ = ["Coding", "Labels", "coding_of", "labels_of"]

OTHER = "other"
"""What a source calls an expression that is none of its classes; it is learned only where it is asked for."""


@dataclass(frozen=True, slots=True)
class Coding:
    """What was coded of one face, and nothing else.

    `votes` by expression, one vote where there is only a label; levels of the coded `units`, 0 where one does
    not show and None where it shows and was not graded; `valence` and `arousal` are NaN where not rated.
    """

    votes: Mapping[str, float]
    units: Mapping[int, float | None]
    valence: float
    arousal: float


@dataclass(frozen=True)
class Labels:
    """Labels of n faces over c expressions and u units, float32 and bool.

    `shares` (n, c) of votes add up to 1, or to 0 where no expression is known. `present` (n, u) is 1 where a
    unit shows, and holds where `coded`; `level` (n, u) is 0-5, and holds where `graded`; `affect` (n, 2) is
    valence and arousal in [-1, 1], and holds where `rated`.
    """

    shares: NDArray[np.float32]
    present: NDArray[np.float32]
    coded: NDArray[np.bool_]
    level: NDArray[np.float32]
    graded: NDArray[np.bool_]
    affect: NDArray[np.float32]
    rated: NDArray[np.bool_]

    def of(self, items: Sequence[Sequence[int]]) -> Labels:
        """Return the labels of items, each some of these faces: the means of what was coded of its faces."""
        item = np.repeat(np.arange(len(items)), [len(one) for one in items])
        face = np.concatenate([np.asarray(one, np.intp) for one in items])

        def mean(values: NDArray[Any], kept: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
            sums = np.zeros((len(items), values.shape[1]), np.float32)
            counts = np.zeros((len(items), kept.shape[1]), np.float32)
            np.add.at(sums, item, np.where(kept[face], values[face], 0))
            np.add.at(counts, item, kept[face])
            return sums / np.maximum(counts, 1), counts > 0

        shares, _ = mean(self.shares, self.shares.sum(1, keepdims=True) > 0)
        return Labels(
            shares,
            *mean(self.present, self.coded),
            *mean(self.level, self.graded),
            *mean(self.affect, self.rated),
        )


def coding_of(row: Mapping[str, Any], votes: Mapping[str, Any] | None, named: Sequence[str]) -> Coding:
    """Return what a row says; `votes` are those of its attributes, None to go by its expression alone.

    Expressions are those of EXPRESSIONS, `other`, and what `named` adds. Raises SourceError naming the sample
    where an expression is none of these, a level is not 0-5, or valence or arousal is not in [-1, 1].
    """
    sample, said = row["sample_id"], row["expression"]
    if said is not None and said not in (*EXPRESSIONS, OTHER, *named):
        raise SourceError(
            f"{sample} has the expression {printable(str(said))!r}, which is none of "
            f"{', '.join((*EXPRESSIONS, OTHER))}; mend it (facedata edit), or name it in rows.classes"
        )
    counts = dict(_counts(sample, votes or {}, named)) or ({said: 1.0} if said is not None else {})
    coded = set(row["au_domain"] or ())
    levels = {one["au"]: one["intensity"] for one in row["au"] or ()}
    for unit, level in levels.items():
        if level is not None and not 0 <= level <= 5:
            raise SourceError(f"{sample}: AU{unit} has the intensity {level:g}, not 0 to 5 or null; {_MEND}")
    affect = {name: math.nan if row[name] is None else row[name] for name in ("valence", "arousal")}
    for name, value in affect.items():
        if row[name] is not None and not -1 <= value <= 1:
            raise SourceError(f"{sample}: {name} is {value:g}, not in [-1, 1] or null; {_MEND}")
    return Coding(counts, {unit: levels.get(unit, 0.0) for unit in sorted(coded)}, **affect)


_MEND = "mend the row (facedata edit), or its source; facedata validate names all such rows"


def _counts(sample: str, votes: Mapping[str, Any], named: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield the votes for expressions; those for none of them (`unknown`, `non-face`) are left out."""
    for name, count in votes.items():
        number = isinstance(count, (int, float)) and not isinstance(count, bool)
        if not number or not math.isfinite(count) or count < 0:
            raise SourceError(f"{sample}: {printable(str(name))!r} has {count!r} votes, no number; {_MEND}")
        if name in (*EXPRESSIONS, OTHER, *named) and count > 0:
            yield name, float(count)


def labels_of(codings: Sequence[Coding], classes: Sequence[str], units: Sequence[int]) -> Labels:
    """Return what was coded, as arrays over `classes` and `units`."""
    count, known = len(codings), {name: number for number, name in enumerate(classes)}
    shares = np.zeros((count, len(classes)), np.float32)
    level = np.zeros((count, len(units)), np.float32)
    coded, graded = (np.zeros((count, len(units)), bool) for _ in range(2))
    present = np.zeros((count, len(units)), np.float32)
    for number, one in enumerate(codings):
        for name, votes in one.votes.items():
            if name in known:
                shares[number, known[name]] = votes
        for place, unit in enumerate(units):
            if unit in one.units:
                coded[number, place] = True
                value = one.units[unit]
                present[number, place] = value is None or value > 0
                graded[number, place] = value is not None
                level[number, place] = value or 0.0
    affect = np.array([(one.valence, one.arousal) for one in codings], np.float32).reshape(count, 2)
    rated = np.isfinite(affect)
    total = shares.sum(1, keepdims=True)
    shares /= np.where(total > 0, total, 1)
    return Labels(
        shares,
        present,
        coded,
        level,
        graded,
        np.where(rated, affect, 0),
        rated,
    )
