"""The judge: what the gates learned from the pictures that a model was trained on, in one file beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from facedata.datasets.canonical import content_hash
from facedata.datasets.embed.base import Embedder
from facedata.datasets.embed.catalogue import open_embedder
from facedata.datasets.errors import DatasetError, UsageError
from facedata.datasets.faces import CASCADE, FaceDetector, open_detector
from facedata.datasets.pictures import Encoding, Picture
from facedata.datasets.whole import whole
from facedata.synth.gates.artefacts import ARTEFACTS, artefacts_of
from facedata.synth.gates.base import Case, Limits, Score
from facedata.synth.gates.face import face_kept
from facedata.synth.gates.identity import Whitening, more_alike, unit
from facedata.synth.gates.kinds import KindModel, kind_features
from facedata.synth.pairs import LIVE
from facedata.synth.pictures import seen_quality

__all__ = ["JUDGE_NAME", "About", "Judge", "embedded"]

JUDGE_NAME = "judge.safetensors"
_FORMAT = 1


class About(BaseModel):
    """What the arrays of a judge are of. `known` says what it refused of real pictures it was not fitted on.

    `training` are the attacks that were trained on, `live` the live faces: id, person, kind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = _FORMAT
    dataset: dict[str, str]
    embedder: str
    embedder_key: str
    side: int
    kinds: list[str]
    live: list[tuple[str, str | None]]
    training: list[tuple[str, str | None, str]]
    limits: Limits
    known: dict[str, float]


@dataclass(frozen=True)
class Judge:
    """What the gates know, as arrays by name, and what it is of.

    `live` and `training` are unit embeddings; `centre`, `shift` and `factor` the whitening; `kind_*` the
    model of kinds with the least chance of each; `ranges` those of artefacts; `qualities` the deviations of
    blur and noise, and `quality_limit` their largest gap; `copy_limit` the cosine that makes a copy.
    """

    about: About
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)
    detector: str = CASCADE

    def __reduce__(self) -> tuple[type[Judge], tuple[Any, ...]]:
        """Pickle what it was made of: detector and embedder are opened anew where it goes."""
        return type(self), (self.about, self.arrays, self.detector)

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder; raise UsageError where it is not the one that the judge was fitted with."""
        found = open_embedder(self.about.embedder)
        if found.key != self.about.embedder_key:
            raise UsageError(
                f"the gates were fitted with {self.about.embedder_key}, and {self.about.embedder} is "
                f"{found.key} now; fit them again with --training"
            )
        return found

    @cached_property
    def whitening(self) -> Whitening:
        """What makes embeddings tell who is shown."""
        return Whitening(*(self.arrays[name] for name in ("centre", "shift", "factor")))

    @cached_property
    def model(self) -> KindModel:
        """The judge of kinds."""
        return KindModel(*(self.arrays[f"kind_{name}"] for name in ("centre", "scale", "weights", "bias")))

    @cached_property
    def _finder(self) -> FaceDetector:
        return open_detector(self.detector)

    @cached_property
    def _white_live(self) -> NDArray[np.float32]:
        return self.whitening.live(self.arrays["live"])

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: number for number, (name, _) in enumerate(self.about.live)}

    @cached_property
    def version(self) -> str:
        """SHA-256 of the file: of all that a score depends on but the detector."""
        return content_hash(self._bytes())

    def settings(self) -> dict[str, Any]:
        """Return what goes into the record: the judge and its limits."""
        return {
            "judge": self.version,
            "embedder": self.about.embedder_key,
            "detector": self._finder.name,
            "dataset": self.about.dataset,
            "limits": self.about.limits.model_dump(),
        }

    def scores(self, case: Case) -> list[Score]:
        """Judge a picture: every gate's scores, in the order of the gates."""
        limits = self.about.limits
        values, ranges = artefacts_of(case.made), self.arrays["ranges"]
        found = [Score("finite", "finite", float(case.finite), low=1.0)]
        found += [
            Score("artefacts", name, float(value), float(low), float(high))
            for name, value, (low, high) in zip(ARTEFACTS, values, ranges, strict=True)
        ]
        kept = face_kept(case.made, case.content, self._finder)
        found.append(Score("face", "face overlap", kept, low=limits.overlap))
        made, content = embedded(self.embedder, [case.made, case.content])
        found.append(Score("identity", "identity", self._identity(made, content, case), low=limits.identity))
        found.append(self._kind(case))
        found.append(self._quality(case))
        nearest = self._nearest(unit(made), case)
        return [*found, Score("memory", "cosine", nearest, high=self.arrays["copy_limit"].item())]

    def _identity(self, made: NDArray[np.float32], content: NDArray[np.float32], case: Case) -> float:
        others = [
            number
            for number, (name, subject) in enumerate(self.about.live)
            if name != case.parent and (subject is None or subject != case.subject)
        ]
        to_look = self.whitening.live if case.kind == LIVE else self.whitening.attack
        return more_alike(to_look(made), self.whitening.live(content), self._white_live[others])

    def _kind(self, case: Case) -> Score:
        if case.kind not in self.about.kinds:
            return Score("kind", "chance", float("nan"))
        chances = self.model.chances(kind_features(case.made, case.content))
        number = self.about.kinds.index(case.kind)
        limit = float(self.arrays["kind_limits"][number])
        return Score("kind", f"chance of {case.kind}", float(chances[number]), low=limit)

    def _quality(self, case: Case) -> Score:
        if case.style is None:
            return Score("quality", "gap", float("nan"))
        gap = seen_quality(case.made) - seen_quality(case.style)
        value = float(np.sqrt(np.square(gap / self.arrays["qualities"]).mean()))
        return Score("quality", "gap", value, high=self.arrays["quality_limit"].item())

    def _nearest(self, made: NDArray[np.float32], case: Case) -> float:
        """Return the cosine with the nearest picture that it might be a copy of."""
        if case.kind != LIVE:
            return float((self.arrays["training"].astype(np.float32) @ made).max())
        cosines = unit(self.arrays["live"]) @ made
        own = self._place.get(case.parent or "")
        if own is not None:  # it is to look like its parent
            cosines[own] = -1
        return float(cosines.max())

    def _bytes(self) -> bytes:
        from safetensors.numpy import save

        # One key alone: the order of several is not fixed, and the bytes are the version.
        told = {"facedata": self.about.model_dump_json()}
        return save({name: np.ascontiguousarray(one) for name, one in self.arrays.items()}, told)

    def save(self, path: Path) -> None:
        """Write the judge as safetensors, whole or not at all."""
        with whole(path) as hidden:
            hidden.write_bytes(self._bytes())

    @classmethod
    def load(cls, path: Path, detector: str = CASCADE) -> Judge:
        """Return the judge of a file; raise DatasetError where there is none that can be read."""
        from safetensors import SafetensorError, safe_open

        mend = "fit one with --training DS (the dataset that the model was trained on), or --gates none"
        try:
            with safe_open(path, "np") as file:
                told = json.loads((file.metadata() or {})["facedata"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except FileNotFoundError:
            raise DatasetError(f"{path} is missing: the gates have nothing to judge by; {mend}") from None
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DatasetError(f"{path} cannot be read ({reason}); {mend}") from None
        if told.get("format") != _FORMAT:
            raise DatasetError(f"{path} is of format {told.get('format')}, not {_FORMAT}; {mend}")
        return cls(About.model_validate(told), arrays, detector)


def embedded(embedder: Embedder, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return unit vectors, pictures x d, of uint8 RGB pictures."""
    png = Encoding("png")
    given = [Picture(one, png.encode(one), "png") for one in pictures]
    return unit(np.asarray(embedder.of(given), np.float32))
