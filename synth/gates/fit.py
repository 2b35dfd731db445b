"""What the gates learn before they judge: from the pairs that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.embed.catalogue import open_embedder
from facedata.datasets.errors import SourceError
from facedata.datasets.words import Words
from facedata.synth.config import Pairing
from facedata.synth.gates.artefacts import artefacts_of, ranges_of
from facedata.synth.gates.base import Limits
from facedata.synth.gates.identity import Whitening, more_alike, unit
from facedata.synth.gates.judge import About, Judge, embedded
from facedata.synth.gates.kinds import KindModel, kind_features
from facedata.synth.pairs import LIVE, Face, Pair, find_pairs
from facedata.synth.pictures import Shelf, seen_quality

__all__ = ["fit_judge"]

_FOLDS = 5
_FEWEST_LIVE = 8
_CHUNK = 256  # pictures embedded at once


def fit_judge(
    dataset: Dataset,
    pairing: Pairing,
    side: int,
    *,
    embedder: str = "plain",
    limits: Limits | None = None,
) -> Judge:
    """Fit the gates on the rows of `dataset` that training may use, seen at `side` px.

    Limits that rest on real pictures are taken of people that the gate in question was not fitted on, in
    five folds. Raises SourceError where there are no pairs or too few live faces to compare with.
    """
    return _Fit(dataset, pairing, side, embedder, limits or Limits.model_validate({})).judge()


@dataclass(frozen=True, slots=True)
class _Shown:
    """Pairs with what they show: an attack by its species, or `live` where the face was filmed again."""

    pair: Pair
    kind: str
    fold: int

    @property
    def content(self) -> int:
        return self.pair.content

    @property
    def target(self) -> int:
        return self.pair.target


class _Fit:
    def __init__(self, dataset: Dataset, pairing: Pairing, side: int, embedder: str, limits: Limits) -> None:
        self.dataset, self.side, self.limits = dataset, side, limits
        self.embedder = open_embedder(embedder)
        found = find_pairs(dataset, pairing)
        self.faces = found.faces
        self.attacks = [
            _Shown(pair, found.kind_of(pair), _fold(found.faces[pair.content])) for pair in found.pairs
        ]
        self.styles = found.styles
        self.live = _live(found.faces, found.pairs, pairing)
        if len(self.live) < _FEWEST_LIVE:
            raise SourceError(
                f"{dataset.root.name} has {len(self.live)} live faces, too few for the gates to know people "
                f"apart; give one with {_FEWEST_LIVE} or more, or --gates none"
            )
        self.shelf = Shelf(dataset, [face.image for face in found.faces], side)
        self.again = _filmed_again(found.faces, self.live)

    def judge(self) -> Judge:
        shown = [*self.attacks, *self.again]
        kinds = sorted({one.kind for one in shown})
        targets = [one.target for one in self.attacks]
        numbers = sorted({*self.live, *(one.target for one in shown), *(one.content for one in shown)})
        vectors = dict(zip(numbers, self._vectors(numbers), strict=True))
        live = np.stack([vectors[number] for number in self.live])
        training = np.stack([vectors[number] for number in targets])
        whitening, identity = self._identity(live, vectors)
        model, kind_limits, refused = self._kinds(shown, kinds)
        qualities, quality_limit = self._quality()
        ranges = ranges_of(
            np.stack([artefacts_of(self.shelf.get(one.target)[0]) for one in shown]), self.limits.wider
        )
        copy_limit = _copy_limit(training, self.limits.copies, self.embedder.near)
        about = About(
            dataset={"name": self.dataset.root.resolve().name, "version": self.dataset.version},
            embedder=self.embedder.name,
            embedder_key=self.embedder.key,
            side=self.side,
            kinds=kinds,
            live=[(self.faces[number].sample_id, self.faces[number].subject) for number in self.live],
            training=[
                (self.faces[one.target].sample_id, self.faces[one.target].subject, one.kind)
                for one in self.attacks
            ],
            limits=self.limits,
            known={"identity refuses": identity, **refused},
        )
        arrays = {
            "live": live,
            "training": training.astype(np.float16),
            "centre": whitening.centre,
            "shift": whitening.shift,
            "factor": whitening.factor,
            "kind_centre": model.centre,
            "kind_scale": model.scale,
            "kind_weights": model.weights,
            "kind_bias": model.bias,
            "kind_limits": kind_limits,
            "ranges": ranges,
            "qualities": qualities,
            "quality_limit": np.float64(quality_limit),
            "copy_limit": np.float64(copy_limit),
        }
        return Judge(about, {name: np.asarray(one) for name, one in arrays.items()})

    def _vectors(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        parts = [
            embedded(self.embedder, [self.shelf.get(number)[0] for number in numbers[start : start + _CHUNK]])
            for start in range(0, len(numbers), _CHUNK)
        ]
        return np.concatenate(parts)

    def _identity(
        self, live: NDArray[np.float32], vectors: dict[int, NDArray[np.float32]]
    ) -> tuple[Whitening, float]:
        """Return the whitening of all pairs, and the share of real attacks that one of others refuses."""

        def of(pairs: Sequence[_Shown]) -> Whitening:
            content = np.stack([vectors[one.content] for one in pairs])
            return Whitening.of(live, content, np.stack([vectors[one.target] for one in pairs]))

        people = np.array([self.faces[number].subject or str(number) for number in self.live])
        refused, asked = 0, 0
        for fold in range(_FOLDS):
            fitted = [one for one in self.attacks if one.fold != fold]
            unseen = [one for one in self.attacks if one.fold == fold]
            if not fitted or not unseen:
                continue
            whitening = of(fitted)
            white = whitening.live(live)
            for one in unseen:
                others = white[people != (self.faces[one.content].subject or str(one.content))]
                made = whitening.attack(vectors[one.target])
                alike = more_alike(made, whitening.live(vectors[one.content]), others)
                refused += alike < self.limits.identity
                asked += 1
        return of(self.attacks), refused / asked if asked else float("nan")

    def _kinds(
        self, shown: Sequence[_Shown], kinds: Sequence[str]
    ) -> tuple[KindModel, NDArray[np.float64], dict[str, float]]:
        """Return the model, the least chance of each kind, and how often it is right of people unseen."""
        features = np.stack([self._features(one.pair) for one in shown])
        answers = np.array([kinds.index(one.kind) for one in shown])
        folds = np.array([one.fold for one in shown])
        chances = np.zeros((len(shown), len(kinds)))
        for fold in range(_FOLDS):
            inside = folds == fold
            if inside.all() or not inside.any():
                continue
            chances[inside] = KindModel.fit(features[~inside], answers[~inside], len(kinds)).chances(
                features[inside]
            )
        own = chances[np.arange(len(shown)), answers]
        limits = np.array([np.quantile(own[answers == k], self.limits.refuse) for k in range(len(kinds))])
        families = np.array([kind.partition("/")[0] for kind in kinds])
        said = chances.argmax(axis=1)
        known = {
            "kind right": float((said == answers).mean()),
            "family right": float((families[said] == families[answers]).mean()),
            "kind refuses": float((own < limits[answers]).mean()),
        }
        return KindModel.fit(features, answers, len(kinds)), limits, known

    def _features(self, pair: Pair) -> NDArray[np.float64]:
        face = self.faces[pair.target]
        return kind_features(
            self.shelf.get(pair.target)[0], self.shelf.beside(pair, (face.width, face.height))
        )

    def _quality(self) -> tuple[NDArray[np.float64], float]:
        """Return the deviations of qualities, and the gap that few pairs of one kind's pictures exceed."""
        found = {
            number: seen_quality(self.shelf.get(number)[0])
            for numbers in self.styles.values()
            for number in numbers
        }
        deviation = np.stack(list(found.values())).std(axis=0)
        deviation = np.where(deviation > 1e-6, deviation, 1.0)
        gaps = []
        for kind, numbers in self.styles.items():
            words = Words.of("quality", kind)
            for place, one in enumerate(numbers):
                other = numbers[(place + words.integer(1, len(numbers) - 1)) % len(numbers)]
                gaps.append(np.sqrt(np.square((found[one] - found[other]) / deviation).mean()))
        return deviation, float(np.quantile(gaps, 1 - self.limits.refuse))


def _fold(face: Face) -> int:
    return Words.of("fold", face.subject or face.sample_id).integer(0, _FOLDS - 1)


def _live(faces: Sequence[Face], pairs: Sequence[Pair], pairing: Pairing) -> tuple[int, ...]:
    """Return the live faces that pairs are made of, and others of the same splits that nothing was made of.

    Those that were made of other live ones are left out: a variant is no other picture of a person.
    """
    used = {pair.content for pair in pairs}
    splits = {faces[number].split for number in used}
    ids = {face.sample_id for face in faces}
    return tuple(
        number
        for number, face in enumerate(faces)
        if face.label == "live"
        and (number in used or (face.split in splits and face.parent_id not in ids))
        and face.domain not in pairing.hold_out
    )


def _filmed_again(faces: Sequence[Face], live: Sequence[int]) -> list[_Shown]:
    """Return live faces that were made of live ones: what a camera leaves, and no attack.

    Without any, the live faces themselves stand for them.
    """
    known = {faces[number].sample_id: number for number in live}
    again = [
        _Shown(Pair(known[face.parent_id or ""], number), LIVE, _fold(face))
        for number, face in enumerate(faces)
        if face.label == "live" and face.parent_id in known
    ]
    return again or [_Shown(Pair(number, number), LIVE, _fold(faces[number])) for number in live]


def _copy_limit(training: NDArray[np.float32], share: float, near: float) -> float:
    """Return the cosine that few pictures have with their nearest, at most half way from `near` to 1.

    Two of one content (a cosine of 1) are copies that are there already: they say nothing of the others.
    """
    vectors = unit(training)
    nearest = np.empty(len(vectors))
    for start in range(0, len(vectors), 1024):  # in blocks: n^2 numbers may not fit into memory
        cosines = vectors[start : start + 1024] @ vectors.T
        cosines[cosines > 1 - 1e-5] = -1
        nearest[start : start + 1024] = cosines.max(axis=1)
    return float(min(np.quantile(nearest, 1 - share), (1 + near) / 2))
