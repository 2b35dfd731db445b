"""The recipes of labels: rows in, a model with a threshold for each action unit out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import torch
from pydantic import ValidationError

from facedata.datasets.ahead import ahead
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, UsageError
from facedata.recipes.batches import on_device
from facedata.recipes.checkpoint import (
    CARD_NAME,
    DEV_SCORES,
    ROWS,
    card_of,
    load_weights,
    prepare,
    publish,
    read_card,
)
from facedata.recipes.config import LoopConfig
from facedata.recipes.labels.batches import LabelBatch, LabelBatches, Read, Reader, Told
from facedata.recipes.labels.config import LabelsConfig
from facedata.recipes.labels.decisions import answers_of, summary_of, thresholds_of
from facedata.recipes.labels.items import windows
from facedata.recipes.labels.module import LabelModule, rare_weights, supervised
from facedata.recipes.labels.network import LabelNetwork, Said, regions_of
from facedata.recipes.labels.rows import COLUMNS, Face, Faces, LabelledParts, choose_faces, face_of
from facedata.recipes.loop import train
from facedata.recipes.metrics.predictions import Predictions
from facedata.recipes.metrics.thresholds import Threshold
from facedata.recipes.metrics.truth import read_truth
from facedata.recipes.processes import this_process, writing

__all__ = [
    "DEFAULT_CONFIGS",
    "RECIPES",
    "LabelRecipe",
    "TrainedLabels",
    "read_label_card",
    "score_labels",
    "summary_json",
    "train_labels",
]

Kind = Literal["fer", "au"]
RECIPES: tuple[Kind, ...] = ("fer", "au")
DEFAULT_CONFIGS = {name: Path(__file__).parent.with_name(f"{name}.yaml") for name in RECIPES}
"""Small networks for two cores."""


@dataclass(frozen=True)
class TrainedLabels:
    """What a run came to.

    `dev` says how right answers are on the development rows (`uar`, `unit_f1`), on which the thresholds were
    chosen.
    """

    root: Path
    steps: int
    best_step: int
    parameters: int
    rows: int
    dev_rows: int
    classes: tuple[str, ...]
    units: tuple[int, ...]
    left_out: tuple[int, ...]
    thresholds: dict[int, Threshold]
    dev: dict[str, float]


class LabelRecipe:
    """What the loop trains: see `facedata.recipes.loop`."""

    def __init__(self, dataset: Dataset, parts: LabelledParts, config: LabelsConfig) -> None:
        self._config, self._parts = config, parts
        regions, loop = regions_of(parts.units, config), config.loop
        self._batches = LabelBatches(dataset, parts.train, regions, config)
        self.watched = Watched(
            dataset, parts.dev.faces, regions, config, batch=loop.batch, memory=loop.memory
        )
        self._told = Told.of(parts.dev.labels)

    @property
    def config(self) -> LoopConfig:
        """How to train."""
        return self._config.loop

    def module(self) -> LabelModule:
        """Return a fresh network with its losses."""
        parts, losses = self._parts, self._config.losses
        network = LabelNetwork(self._config, len(parts.classes), parts.units)
        return LabelModule(network, losses, rare_weights(parts.train.labels, losses.rare))

    def batch(self, number: int) -> LabelBatch:
        """Return batch `number`, on the CPU."""
        return self._batches.at(number)

    def place(self, batch: LabelBatch, device: torch.device) -> LabelBatch:
        """Return the batch on a device, varied there."""
        return self._batches.place(batch, device)

    def measure(self, module: LabelModule, device: torch.device) -> dict[str, float]:
        """Return the losses of labels on the development rows, and how right the answers are there.

        The sum of the losses decides: it moves where no answer changes yet.
        """
        said = self.watched.said(module.network, device)
        found = supervised(said, self._told, self._config.losses, module.weights.cpu())
        losses = {name: float(one) for name, one in found.items()}
        right = summary_of(said, self._parts.dev.labels, None)
        return {"loss": sum(losses.values()), **losses, **right}


class Watched:
    """Faces that are answered for, again and again where `memory` MiB of their pictures are kept."""

    def __init__(
        self,
        dataset: Dataset,
        faces: Sequence[Face],
        regions: Sequence[int],
        config: LabelsConfig,
        *,
        batch: int,
        memory: int,
    ) -> None:
        self._reader = Reader(dataset, faces, config, regions, memory)
        self._items = windows(faces, config)
        self._batch, self._workers, self._side = batch, config.loop.workers, config.network.side

    def said(self, network: LabelNetwork, device: torch.device) -> Said:
        """Return the answers for all faces, on the CPU."""
        parts = list(self._said(network, device))
        return Said(*(torch.cat([getattr(one, name) for one in parts]) for name in Said.__slots__))

    def _said(self, network: LabelNetwork, device: torch.device) -> Iterator[Said]:
        starts = range(0, len(self._items), self._batch)
        with torch.no_grad():
            for read in ahead(self._at, starts, self._workers):
                there = on_device(read, device)
                pictures, places = there.cut(self._side)
                found = network(pictures, there.item, int(there.item[-1]) + 1, places)
                yield Said(*(getattr(found, name).cpu() for name in Said.__slots__))

    def _at(self, start: int) -> Read:
        return self._reader.read(self._items[start : start + self._batch])


def train_labels(
    kind: Kind,
    source: Path,
    target: Path,
    config: LabelsConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> TrainedLabels:
    """Train on the dataset `source` and write the model's folder `target`; checkpoint.py says what is in it.

    `kind` is what the model is for: `fer` has to learn expressions, `au` action units; both may learn more.
    Raises SourceError and UsageError where there is nothing to learn from, TargetError where `target` is
    another run's, and what `facedata.recipes.loop.train` raises.
    """
    _refuse_other_kind(kind, config)
    dataset = Dataset.open(source)
    parts = choose_faces(dataset, config)
    recipe = LabelRecipe(dataset, parts, config)
    card = card_of(
        kind,
        dataset,
        config.model_dump(mode="json"),
        rows=len(parts.train.faces),
        dev_rows=len(parts.dev.faces),
        classes=list(parts.classes),
        units=list(parts.units),
    )
    shared = this_process()
    with writing(target):
        if shared.is_main_process:
            prepare(target, card, resume=resume, overwrite=overwrite)
        shared.wait_for_everyone()
        trained = train(recipe, target, resume=resume, progress=progress)
        network = cast(LabelNetwork, trained.module.get_submodule("network"))
        said = recipe.watched.said(network.to(shared.device).eval(), shared.device)
        thresholds = thresholds_of(said.units, parts.dev.labels, parts.units, parts.of)
        if shared.is_main_process:
            _keep(target, dataset, parts, answers_of(said, parts.classes, parts.units))
            told = {str(unit): one.to_json() for unit, one in thresholds.items()}
            best = {"step": trained.best_step, "of": trained.steps}
            architecture = network.backbone.architecture
            publish(
                target,
                network,
                {**card, "architecture": architecture, "best": best, "dev": parts.of, "thresholds": told},
            )
        cut = np.array([thresholds[unit].value for unit in parts.units])
        return TrainedLabels(
            target,
            trained.steps,
            trained.best_step,
            sum(one.numel() for one in network.parameters()),
            len(parts.train.faces),
            len(parts.dev.faces),
            parts.classes,
            parts.units,
            parts.left_out,
            thresholds,
            summary_of(said, parts.dev.labels, cut),
        )


def score_labels(
    model: Path,
    dataset: Dataset,
    *,
    ids: Sequence[str] | None = None,
    batch: int = 64,
    device: torch.device | None = None,
) -> Predictions:
    """Return what the model at `model` says of the rows `ids` of a dataset, or of all.

    A model that learned from clips reads a frame with the frames round it, as far as `ids` names them.
    Raises DatasetError where `model` is no finished model of `train fer` or `train au`.
    """
    card, config = read_label_card(model)
    classes, units = card["classes"], card["units"]
    network = LabelNetwork(config, len(classes), units, card["architecture"])
    load_weights(model, network, card)
    chosen = None if ids is None else set(ids)
    faces = [face_of(row) for row in dataset.rows(COLUMNS) if chosen is None or row["sample_id"] in chosen]
    place = device or this_process().device
    watched = Watched(dataset, faces, regions_of(units, config), config, batch=batch, memory=0)
    table = answers_of(watched.said(network.to(place).eval(), place), classes, units)
    table.insert(0, "sample_id", [face.sample_id for face in faces])
    return Predictions(table, model.name)


def read_label_card(model: Path) -> tuple[dict[str, Any], LabelsConfig]:
    """Return the card of a finished model of labels, and its configuration; DatasetError where it is none."""
    card = read_card(model)
    if card["recipe"] not in RECIPES:
        read_card(model, RECIPES[0])  # which says of which recipe it is
    try:
        if lacking := [name for name in ("classes", "units", "thresholds") if name not in card]:
            raise DatasetError(f"{model / CARD_NAME} says nothing of {lacking[0]}; restore it")
        return card, LabelsConfig.model_validate(card["config"])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DatasetError(f"{model / CARD_NAME}: config.{place}: {first['msg']}; restore it") from None


def _refuse_other_kind(kind: Kind, config: LabelsConfig) -> None:
    loss, other = ("expression", "au") if kind == "fer" else ("units", "fer")
    if not getattr(config.losses, loss):
        raise UsageError(
            f"losses.{loss} is 0, and train {kind} is there to learn it; give it a weight, or facedata train "
            f"{other}"
        )


def _keep(target: Path, dataset: Dataset, parts: LabelledParts, answers: pd.DataFrame) -> None:
    """Keep the development rows' answers, and what was learned from, in `target`."""
    clusters = read_truth(dataset.root)[0].table["cluster"]

    def table(faces: Faces) -> pd.DataFrame:
        return clusters.loc[[face.sample_id for face in faces.faces]].to_frame()

    table(parts.train).assign(part="train").to_parquet(target / ROWS)
    dev = table(parts.dev)
    answers.set_index(dev.index).join(dev).to_parquet(target / DEV_SCORES)


def summary_json(made: TrainedLabels) -> dict[str, Any]:
    """Return what a run came to, JSON-ready."""
    return {
        "model": str(made.root),
        "steps": made.steps,
        "best_step": made.best_step,
        "parameters": made.parameters,
        "rows": made.rows,
        "dev_rows": made.dev_rows,
        "classes": list(made.classes),
        "units": list(made.units),
        "units_left_out": list(made.left_out),
        "thresholds": {str(unit): one.to_json() for unit, one in made.thresholds.items()},
        "dev": made.dev,
    }
