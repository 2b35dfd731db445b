"""The recipe against presentation attacks: rows in, a model with its threshold out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from facedata.datasets.ahead import ahead
from facedata.datasets.dataset import Dataset
from facedata.datasets.versions.protocol import Protocol
from facedata.recipes.batches import Batches, FasBatch, as_tensor
from facedata.recipes.checkpoint import DEV_SCORES, ROWS, card_of, load_weights, prepare, publish, read_card
from facedata.recipes.config import LoopConfig
from facedata.recipes.criterion import Criterion, FasModule
from facedata.recipes.fas_config import RECIPE, FasConfig
from facedata.recipes.hardening import Hardening, begun, made_network
from facedata.recipes.loop import train
from facedata.recipes.metrics import curve
from facedata.recipes.metrics.predictions import Predictions
from facedata.recipes.metrics.presentations import Presentations
from facedata.recipes.metrics.thresholds import DEV_EER, Threshold, choose, parse_rule
from facedata.recipes.metrics.truth import read_truth
from facedata.recipes.models.base import Network
from facedata.recipes.pictures import Shelf
from facedata.recipes.pretrained import Pretrained, pretrained_of
from facedata.recipes.processes import this_process, writing
from facedata.recipes.robust import Share
from facedata.recipes.rows import Chosen, choose_rows, refuse_unbalanced

__all__ = ["DEFAULT_CONFIG", "RECIPE", "FasRecipe", "TrainedFas", "score", "train_fas"]

DEFAULT_CONFIG = Path(__file__).with_name("fas.yaml")
"""A small network for two cores."""


@dataclass(frozen=True)
class TrainedFas:
    """What a run came to: `dev` are the rates on the development rows, at `threshold`."""

    root: Path
    steps: int
    best_step: int
    parameters: Share
    rows: int
    dev_rows: int
    threshold: Threshold
    eer: float


class FasRecipe:
    """What the loop trains: see `facedata.recipes.loop`."""

    def __init__(
        self, dataset: Dataset, rows: Chosen, config: FasConfig, pretrained: Pretrained | None = None
    ) -> None:
        self._config, self._rows, self._pretrained = config, rows, pretrained
        self._batches = Batches(dataset, rows.train, config)
        loop = config.loop
        self.watched = Watched(
            dataset,
            [row.image for row in rows.dev],
            config.network.side,
            batch=loop.batch,
            workers=loop.workers,
            memory=loop.memory,
        )

    @property
    def config(self) -> LoopConfig:
        """How to train."""
        return self._config.loop

    def module(self) -> FasModule:
        """Return a fresh network with its losses."""
        network, guide = begun(self._config, self._pretrained)
        made = self._batches
        sizes = (len(made.domains), len(made.kinds), len(made.people))
        hardening = Hardening(self._config, guide) if self._config.robust.attack else None
        return FasModule(network, Criterion(self._config.losses, network.features, *sizes), hardening)

    def batch(self, number: int) -> FasBatch:
        """Return batch `number`, on the CPU."""
        return self._batches.at(number)

    def place(self, batch: FasBatch, device: torch.device) -> FasBatch:
        """Return the batch on a device, varied there."""
        return self._batches.place(batch, device)

    def measure(self, module: FasModule, device: torch.device) -> dict[str, float]:
        """Return cross entropy on the development rows, both classes alike, and their EER.

        The first decides: of a few dozen rows, an EER moves in steps too coarse to tell two looks apart.
        """
        scores = self.watched.scores(module.network, device)
        spoof = np.array([row.spoof for row in self._rows.dev])
        each = functional.softplus(torch.from_numpy(np.where(spoof, scores, -scores))).numpy()
        both = (each[spoof].mean() + each[~spoof].mean()) / 2
        return {"cross_entropy": float(both), "eer": eer_of(scores, spoof)}


class Watched:
    """Rows that are scored, again and again where `memory` MiB of their pictures are kept."""

    def __init__(
        self, dataset: Dataset, images: Sequence[str], side: int, *, batch: int, workers: int, memory: int
    ) -> None:
        self._shelf = Shelf(dataset, images, side, memory)
        self._size, self._batch, self._workers = len(images), batch, workers

    def scores(self, network: nn.Module, device: torch.device) -> NDArray[np.float64]:
        """Return the log-odds of a live face, (rows,)."""
        starts = range(0, self._size, self._batch)
        found = [np.zeros(0)]
        with torch.no_grad():
            for pictures in ahead(self._pictures, starts, self._workers):
                found.append(network(pictures.to(device)).score.double().cpu().numpy())
        return np.concatenate(found)

    def _pictures(self, start: int) -> torch.Tensor:
        return as_tensor(self._shelf.get(range(start, min(start + self._batch, self._size))))


def train_fas(
    source: Path,
    target: Path,
    config: FasConfig,
    *,
    protocol: Protocol | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> TrainedFas:
    """Train on the dataset `source` and write the model's folder `target`; checkpoint.py says what is in it.

    Rows are chosen as `choose_rows` says; the threshold is that of equal error rates on the development rows.
    Raises SourceError and UsageError where there is nothing to learn from, TargetError where `target` is
    another run's, and what `facedata.recipes.loop.train` raises.
    """
    dataset = Dataset.open(source)
    name = dataset.root.resolve().name
    drawn = config.augment.policy is not None
    rows = choose_rows(dataset, config.rows, protocol, config.loop.seed, faces=drawn)
    if config.rows.balance == "domain-label":
        refuse_unbalanced(rows.train, name, "rows.balance: domain-label")
    if config.losses.risk_variance and config.losses.risk_groups == "domain":
        refuse_unbalanced(rows.train, name, "losses.risk_variance")
    fold = protocol.model_dump(mode="json", exclude_none=True) if protocol else None
    told = config.model_dump(mode="json")
    card = card_of(RECIPE, dataset, told, protocol=fold, rows=len(rows.train), dev_rows=len(rows.dev))
    if pretrained := pretrained_of(config):
        pretrained.refuse_learned([row.sample_id for row in rows.dev])
        card["pretrained"] = {key: pretrained.card[key] for key in ("dataset", "weights")}
    shared = this_process()
    with writing(target):
        if shared.is_main_process:
            prepare(target, card, resume=resume, overwrite=overwrite)
        shared.wait_for_everyone()
        recipe = FasRecipe(dataset, rows, config, pretrained)
        trained = train(recipe, target, resume=resume, progress=progress)
        network = cast(Network, trained.module.get_submodule("network"))
        device = shared.device
        scores = recipe.watched.scores(network.to(device).eval(), device)
        threshold = _threshold(scores, rows, dataset, target if shared.is_main_process else None, pretrained)
        if shared.is_main_process:
            best = {"step": trained.best_step, "of": trained.steps}
            publish(
                target,
                network,
                {
                    **card,
                    "architecture": network.architecture,
                    "best": best,
                    "threshold": threshold.to_json(),
                },
            )
        return TrainedFas(
            target,
            trained.steps,
            trained.best_step,
            Share.of(network),
            len(rows.train),
            len(rows.dev),
            threshold,
            eer_of(scores, np.array([row.spoof for row in rows.dev])),
        )


def eer_of(scores: NDArray[np.float64], spoof: NDArray[np.bool_]) -> float:
    """Return the equal error rate of scores; NaN where one is no number."""
    if not np.isfinite(scores).all():
        return float("nan")
    sides = []
    for chosen in (~spoof, spoof):
        group = curve.Group.of(scores[chosen], np.zeros(int(chosen.sum()), np.int64))
        sides.append(group.weighed(np.ones((1, 1))))
    return float(curve.eer(*sides)[0])


def score(
    model: Path,
    dataset: Dataset,
    *,
    ids: Sequence[str] | None = None,
    batch: int = 64,
    workers: int = 4,
    device: torch.device | None = None,
) -> Predictions:
    """Return the log-odds of a live face of the rows `ids` of a dataset, or of all.

    Raises DatasetError where `model` is no finished model of this recipe.
    """
    card = read_card(model, RECIPE)
    config = FasConfig.model_validate(card["config"])
    network = made_network(config, card["architecture"])
    load_weights(model, network, card)
    chosen = None if ids is None else set(ids)
    rows = [
        (row["sample_id"], row["image"])
        for row in dataset.rows(("sample_id", "image"))
        if chosen is None or row["sample_id"] in chosen
    ]
    place = device or this_process().device
    images = [image for _, image in rows]
    watched = Watched(dataset, images, config.network.side, batch=batch, workers=workers, memory=0)
    scores = watched.scores(network.to(place).eval(), place)
    return Predictions.of_scores([name for name, _ in rows], scores.tolist(), model.name)


def _threshold(
    scores: NDArray[np.float64],
    rows: Chosen,
    dataset: Dataset,
    target: Path | None,
    pretrained: Pretrained | None,
) -> Threshold:
    """Choose the threshold on the development rows; keep them, and what was learned from, in `target`."""
    truth = read_truth(dataset.root)[0].table
    dev = truth.loc[[row.sample_id for row in rows.dev]].assign(score=scores)
    presentations = Presentations(dev)
    live, _, species = presentations.groups()
    of = f"{rows.of} ({presentations.bona_fide} bona fide, {presentations.attacks} attacks)"
    if target is not None:
        learned = truth.loc[[row.sample_id for row in rows.train], ["cluster"]].assign(part="train")
        if pretrained:  # a test must hold none of these rows either
            known = pretrained.known()
            learned = pd.concat([learned, known[~known.index.isin([*learned.index, *dev.index])]])
        learned.to_parquet(target / ROWS)
        dev.to_parquet(target / DEV_SCORES)
    return choose(live, species.values(), parse_rule(DEV_EER), of)
