"""`facedata eval --model`: trained models score what they are tested on, at thresholds of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.versions.protocol import Protocol
from facedata.recipes.checkpoint import read_card, read_kept
from facedata.recipes.fas import RECIPE, score
from facedata.recipes.metrics.evaluation import Evaluated, evaluate_parts
from facedata.recipes.metrics.parts import Part, protocols, scored_part, tested_rows
from facedata.recipes.metrics.predictions import Predictions
from facedata.recipes.metrics.presentations import Presentations
from facedata.recipes.metrics.run import Evaluating, Evaluation
from facedata.recipes.metrics.thresholds import parse_rule
from facedata.recipes.metrics.truth import Truth, read_truth

__all__ = ["ModelEvaluation", "evaluate_model"]


@dataclass(frozen=True)
class ModelEvaluation:
    """What was found, and the scores that it was found on."""

    evaluation: Evaluation
    scores: Predictions


def evaluate_model(
    path: Path, model: Path, how: Evaluating | None = None, *, batch: int = 64
) -> ModelEvaluation:
    """Evaluate the model in the folder `model`, or a fold's in each folder of it, on the dataset at `path`.

    Tested are the rows of `how.split`, or with `how.protocol` those that each fold tests. The threshold is
    chosen, as `how.threshold` says, on the development rows that the model keeps the scores of.

    Raises SourceError where a tested row was learned from, or watched, DatasetError where there is no model.
    """
    how = how or Evaluating()
    if how.dev is not None or how.dev_scores is not None:
        raise UsageError("--model keeps the scores of its development rows; leave out --dev and --dev-scores")
    truth, own = read_truth(path)
    if own is not None or truth.dataset is None:
        raise UsageError(f"{path} is a table, which holds no pictures; --model needs a dataset")
    if how.protocol is None:
        tested, of = tested_rows(truth, how.split)
        scores, found = _one(truth, model, tested, of, how, batch)
        return ModelEvaluation(
            Evaluation(f"{model.name} on {truth.name}", {"": found}, (), how.draws), scores
        )
    folds, tables = {}, []
    for protocol in protocols(how.protocol):
        masks = truth.masks(protocol)
        if "test" not in masks:
            raise UsageError(f"protocol {protocol.name} names no split test; it has {', '.join(masks)}")
        of = f"test rows of {protocol.name}"
        home = _fold_of(model, protocol)
        scores, folds[protocol.name] = _one(truth, home, masks["test"], of, how, batch)
        tables.append(scores.table.assign(fold=protocol.name))
    title = f"{model.name} on {truth.name}, protocol {how.protocol}"
    joined = Predictions(pd.concat(tables, ignore_index=True), model.name)
    return ModelEvaluation(Evaluation(title, folds, (), how.draws), joined)


def _fold_of(model: Path, protocol: Protocol) -> Path:
    """Return the folder of a fold's model, which was trained by the same protocol."""
    home = model / protocol.name
    if not home.is_dir():
        home = model
    card = read_card(home, RECIPE)
    told = card.get("protocol") or {}
    if (trained := told.get("name")) != protocol.name:
        raise UsageError(
            f"{model} holds no model of the fold {protocol.name} (that of {home} was trained on "
            f"{trained or 'no protocol'}); train all with facedata train fas DS --protocol NAME -o {model}"
        )
    if told != protocol.model_dump(mode="json", exclude_none=True):
        raise UsageError(
            f"{home} was trained by another protocol of the name {protocol.name}; train it again, or give "
            "the file that it was trained by"
        )
    return home


def _one(
    truth: Truth, model: Path, tested: NDArray[np.bool_], of: str, how: Evaluating, batch: int
) -> tuple[Predictions, Evaluated]:
    card = read_card(model, RECIPE)
    dev, learned = read_kept(model)
    people = _refuse_learned(truth, tested, of, learned, dev, model)
    if truth.dataset is None:
        raise UsageError(f"{truth.name} holds no pictures")
    scores = score(model, truth.dataset, ids=truth.table.index[tested].tolist(), batch=batch)
    test = scored_part(truth, scores, tested, of, leave_missing=how.leave_missing)
    threshold = card["threshold"]["chosen_on"].rpartition(" (")[0]
    watched = Part(Presentations(dev), f"{threshold}, kept with {model.name}", {})
    notes = (f"{people} people or files are tested that the model was trained on",) if people else ()
    return scores, evaluate_parts(test, watched, parse_rule(how.threshold), how.draws).noted(*notes)


def _refuse_learned(
    truth: Truth, tested: NDArray[np.bool_], of: str, learned: pd.DataFrame, dev: pd.DataFrame, model: Path
) -> int:
    """Raise SourceError where a tested row was learned from or watched; return how many people were."""
    rows = truth.table[tested]
    known = rows.index[rows.index.isin(learned.index) | rows.index.isin(dev.index)]
    if len(known):
        raise SourceError(
            f"{len(known)} of {len(rows)} {of} are rows that {model} was trained on, or watched by (first "
            f"{known[0]}); test it on others: --split, a protocol, or another dataset"
        )
    return len(set(rows["cluster"]) & set(learned["cluster"]))
