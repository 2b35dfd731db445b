"""`facedata eval --model` of a model of labels, at thresholds of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import SourceError, UsageError
from facedata.recipes.checkpoint import read_kept
from facedata.recipes.labels.recipe import read_label_card, score_labels
from facedata.recipes.metrics.evaluation import FEW
from facedata.recipes.metrics.labels import label_sections
from facedata.recipes.metrics.parts import tested_rows
from facedata.recipes.metrics.run import Evaluating, Evaluation
from facedata.recipes.metrics.thresholds import DEV_EER
from facedata.recipes.metrics.truth import Truth, read_truth
from facedata.recipes.tested import ModelEvaluation, refuse_learned

__all__ = ["evaluate_labels"]


def evaluate_labels(path: Path, model: Path, how: Evaluating, *, batch: int = 64) -> ModelEvaluation:
    """Evaluate the model of `train fer` or `train au` in the folder `model` on the dataset at `path`.

    Tested are the rows of `how.split`, without attacks unless the model learned from these. A unit shows from
    the threshold that the model keeps, which was chosen on development rows.

    Raises SourceError where a tested row was learned from, or watched, or none has a label that the model
    tells; UsageError where `how` asks for what only scores of attack detection have.
    """
    if how.protocol or how.dev or how.dev_scores or how.threshold != DEV_EER:
        raise UsageError(
            f"{model} tells labels, and keeps a threshold for each unit: leave out --protocol, --threshold, "
            "--dev and --dev-scores (cut folds with facedata split --protocol)"
        )
    card, config = read_label_card(model)
    truth, own = read_truth(path)
    if own is not None or truth.dataset is None:
        raise UsageError(f"{path} is a table, which holds no pictures; --model needs a dataset")
    tested, of = tested_rows(truth, how.split)
    attacks = tested & (truth.table["label"] == "spoof").to_numpy()
    if not config.rows.spoofs:
        tested = tested & ~attacks
    dev, learned = read_kept(model)
    people = refuse_learned(truth, tested, of, learned, dev, model)
    rows = truth.table[tested]
    if rows.empty:
        raise SourceError(f"{of}: all are attacks, which {model} has not learned from; test it on live faces")
    scores = score_labels(model, truth.dataset, ids=rows.index.tolist(), batch=batch)
    sections = label_sections(
        truth.dataset,
        scores,
        {str(sample): str(name) for sample, name in rows["cluster"].items()},
        how.draws,
        of=of,
        leave_missing=how.leave_missing,
        thresholds={int(unit): one["value"] for unit, one in card["thresholds"].items()},
    )
    if not sections:
        raise SourceError(
            f"{of}: none has a label that {model.name} tells ({', '.join(scores.columns)}); test it on others"
        )
    notes = [*_thresholds(card), *_unknown(truth, tested, card)]
    if attacks.any() and not config.rows.spoofs:
        notes.append(f"{int(attacks.sum())} attacks are left out: the model has learned from none")
    if (subjects := rows["cluster"].nunique()) < FEW:
        notes.append(f"only {subjects} subjects: intervals from so few are too narrow")
    if people:
        notes.append(f"{people} people or files are tested that the model was trained on")
    title = f"{model.name} on {truth.name}"
    return ModelEvaluation(Evaluation(title, {}, sections, how.draws, tuple(notes)), scores)


def _thresholds(card: Mapping[str, Any]) -> Iterator[str]:
    """Yield where thresholds are from, those of one origin together."""
    found: dict[str, list[str]] = {}
    for unit, one in card["thresholds"].items():
        chosen_on = str(one["chosen_on"]).rpartition(" (")[0] or one["chosen_on"]
        found.setdefault(f"{one['origin']}: {one['rule']}, chosen on {chosen_on}", []).append(f"AU{unit}")
    for origin, units in found.items():
        yield f"thresholds of {', '.join(units)}: {origin}"


def _unknown(truth: Truth, tested: NDArray[np.bool_], card: Mapping[str, Any]) -> Iterator[str]:
    """Yield what tested rows show that the model cannot tell."""
    if truth.dataset is None:
        return
    shown: Counter[str] = Counter()
    units: set[int] = set()
    for row, kept in zip(truth.dataset.rows(("expression", "au_domain")), tested, strict=True):
        if kept and row["expression"] is not None:
            shown[row["expression"]] += 1
        if kept:
            units |= set(row["au_domain"] or ())
    if card["classes"] and (strange := sorted(set(shown) - set(card["classes"]))):
        told = ", ".join(f"{name} {shown[name]}" for name in strange)
        yield f"expressions that the model has not learned count as wrong: {told}"
    if card["units"] and (others := sorted(units - set(card["units"]))):
        yield f"units that are coded and the model does not tell: {', '.join(map(str, others))}"
