"""De-spoofing: the face that a network of live faces makes of a suspect one, and what it changed.

After the idea of AG-FAS (arXiv 2401.09006): a network that has seen live faces only, told who is shown,
gives back a live-looking face, and what it had to change is the trace of an attack. There a face recognition
network says who is shown; here a coarse copy of the picture does, which needs no weights: it carries the
head, its pose and its light, and none of the texture that a medium adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, Result, run
from facedata.datasets.errors import FacedataError, UsageError
from facedata.datasets.inputs import refuse_overlap
from facedata.datasets.pictures import Encoding
from facedata.datasets.sample import Sample, derived_id
from facedata.datasets.sources import DatasetSource
from facedata.datasets.task import OneOfABatch, Planned, Rendered
from facedata.synth.conditions import Conditions
from facedata.synth.load import Model, load_model, read_card
from facedata.synth.pictures import QUALITIES, as_pixels, as_tensor, coarse, fitted
from facedata.synth.pipeline import Guidance
from facedata.synth.sample import Sampling, engine_of, noise_of

__all__ = ["Despoofing", "despoof", "residual_map"]

_OPERATOR = "synth-despoof"


def residual_map(suspect: NDArray[np.uint8], made: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mean magnitude over RGB of what changed: uint8 height x width, in codes."""
    changed = cv2.absdiff(suspect, made)
    return changed.mean(axis=2).round().astype(np.uint8)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Despoofing(OneOfABatch):
    """The task: of each row, the live-looking face with the layer `residual`.

    A row that is made has no label: it shows no real person before a camera.
    """

    model: Path
    weights: str
    resolution: int
    sampling: Sampling
    seed: int
    keeps_originals: bool = False
    encoding: Encoding = field(default_factory=lambda: Encoding("png"))
    preload: tuple[str, ...] = ()
    cacheable: bool = False
    variants: int = 1

    @property
    def batch(self) -> int:
        """Pictures that go through the network together."""
        return self.sampling.batch

    @property
    def gpu(self) -> bool:
        """Whether it takes a GPU where there is one."""
        return self.sampling.device != "cpu"

    def loaded(self) -> Model:
        """Return the model: loaded once, and kept."""
        how = self.sampling
        return load_model(self.model, how.scheduler, how.device, how.precision, self.weights)

    def settings(self) -> dict[str, Any]:
        """Return the model's version and every choice."""
        return {
            "model": self.model.resolve().name,
            "weights": self.weights,
            "sampling": self.sampling.to_json(),
            "encoding": self.encoding.to_json(),
        }

    def plan(self, parent: Sample) -> Sequence[Planned]:
        """Plan one picture of each row."""
        parameters = {
            "model": self.weights,
            "sampling": self.sampling.to_json(),
            "encoding": self.encoding.to_json(),
        }
        sample = parent.replace(
            sample_id=derived_id(parent.sample_id, _OPERATOR, parameters, self.seed, 0),
            content_hash="",
            label=None,
            attack=None,
            parent_id=parent.sample_id,
            operator=_OPERATOR,
            parameters=parameters,
            variant=0,
            seed=self.seed,
            layers=(),
            box=None,
            landmarks=None,
        )
        return [Planned(sample, lambda: "")]

    def render_batch(
        self, planned: Sequence[Planned], pixels: Sequence[NDArray[np.uint8]]
    ) -> Sequence[Rendered | FacedataError]:
        """Noise each face in part, and take the noise away as live faces would have it."""
        model = self.loaded()
        suspects = [fitted(one, self.resolution) for one in pixels]
        faces = as_tensor(np.stack(suspects))
        count = len(planned)
        yes, no = torch.ones(count, dtype=torch.bool), torch.zeros(count, dtype=torch.bool)
        conditions = Conditions(
            coarse(faces),
            faces,
            torch.zeros(count, dtype=torch.long),
            torch.zeros(count, len(QUALITIES)),
            yes,
            no,
            yes,
            no,
        )
        noises = [noise_of(plan.sample) for plan in planned]
        pictures = as_pixels(self.sampling.through(model, conditions, noises, faces))
        return [
            Rendered(picture, {"residual": residual_map(suspect, picture)})
            for suspect, picture in zip(suspects, pictures, strict=True)
        ]


def despoof(
    source: Path,
    model: Path,
    target: Path,
    *,
    seed: int = 0,
    sampling: Sampling | None = None,
    options: Options | None = None,
) -> Result:
    """Make the live-looking face of each row of `source`, with its residual map, into the dataset `target`.

    Raises UsageError where the model was not trained on live faces alone (`task: despoof`).
    """
    refuse_overlap(source, target)
    card = read_card(model)
    if card["config"]["task"] != "despoof":
        raise UsageError(f"{model} was trained to make attacks; train one with task: despoof on live faces")
    chosen = sampling or Sampling(strength=0.5, guidance=Guidance(style=1.0))
    task = Despoofing(
        model.resolve(),
        str(card["weights"]),
        int(card["config"]["network"]["resolution"]),
        # There is one condition, and style has none to be followed. What is added to a face is all the noise
        # that is then taken away.
        replace(chosen, guidance=replace(chosen.guidance, style=1.0, quality=1.0), temperature=1.0),
        seed,
    )
    found = DatasetSource(Dataset.open(source))
    how_run = engine_of(options)
    if how_run.engine == "serial":
        task.loaded()  # a model that cannot be loaded is no reason to begin an output
    return run("synth despoof", task, found, target, seed, how_run)
