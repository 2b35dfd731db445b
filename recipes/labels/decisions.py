"""From answers to decisions: expressions by name, units by thresholds of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedata.recipes.labels.network import Said
from facedata.recipes.labels.truth import Labels
from facedata.recipes.metrics.curve import Group
from facedata.recipes.metrics.labels import SHOWS
from facedata.recipes.metrics.thresholds import Threshold, ThresholdRule, choose

__all__ = ["answers_of", "summary_of", "thresholds_of"]


_ONE_SIDE = "nothing: the development rows all show it, or none does"


def answers_of(said: Said, classes: Sequence[str], units: Sequence[int]) -> pd.DataFrame:
    """Return answers as the columns of `Predictions`, without sample ids."""
    found: dict[str, NDArray[np.generic] | list[str]] = {}
    if classes:
        found["expression"] = [classes[one] for one in said.expressions.argmax(1).tolist()]
    for number, unit in enumerate(units):
        found[f"au{unit}"] = torch.sigmoid(said.units[:, number]).double().numpy()
        if said.levels.shape[1]:
            found[f"au{unit}_intensity"] = said.levels[:, number].double().numpy()
    for number, name in enumerate(("valence", "arousal")[: said.affect.shape[1]]):
        found[name] = said.affect[:, number].double().numpy()
    return pd.DataFrame(found, index=range(len(said.expressions)))


def thresholds_of(logits: Tensor, labels: Labels, units: Sequence[int], of: str) -> dict[int, Threshold]:
    """Return the probability from which on each unit is taken to show: that of the highest F1 on `of`.

    A unit that the development faces all show, or none of them, leaves nothing to choose on: one half.
    """
    found = {}
    probability = torch.sigmoid(logits).double().numpy()
    for number, unit in enumerate(units):
        coded = labels.coded[:, number]
        shows = labels.present[coded, number] > 0.5
        values = probability[coded, number]
        if shows.all() or not shows.any():
            found[unit] = Threshold(SHOWS, ThresholdRule("given", "value", SHOWS), _ONE_SIDE)
            continue
        sides = [Group.of(values[one], np.zeros(int(one.sum()), np.int64)) for one in (shows, ~shows)]
        counted = f"{of} ({int(shows.sum())} of {len(shows)} show it)"
        found[unit] = choose(sides[0], sides[1:], ThresholdRule("source-dev", "f1"), counted)
    return found


def summary_of(said: Said, labels: Labels, thresholds: NDArray[np.float64] | None) -> dict[str, float]:
    """Return `uar`, the mean recall of expressions, and `unit_f1`, the mean F1 of units that show.

    `thresholds` (u,) are probabilities, one half where None. What is not learned, or not known, is left out.
    """
    found = {}
    known = labels.shares.sum(1) > 0
    if known.any():
        true, answer = labels.shares.argmax(1)[known], said.expressions.argmax(1).numpy()[known]
        found["uar"] = float(np.mean([(answer[true == one] == one).mean() for one in np.unique(true)]))
    if labels.coded.any():
        cut = SHOWS if thresholds is None else thresholds
        answer = torch.sigmoid(said.units).numpy() >= cut
        true = labels.present > 0.5
        hits, said_of, shown = ((one & labels.coded).sum(0) for one in (true & answer, answer, true))
        scores = 2 * hits / np.maximum(said_of + shown, 1)
        if (shown > 0).any():
            found["unit_f1"] = float(scores[shown > 0].mean())
    return found
