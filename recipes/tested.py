"""What every evaluation of a trained model needs: nothing is tested that was learned from, or watched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facedata.datasets.errors import SourceError
from facedata.recipes.metrics.predictions import Predictions
from facedata.recipes.metrics.run import Evaluation
from facedata.recipes.metrics.truth import Truth

__all__ = ["ModelEvaluation", "refuse_learned"]


@dataclass(frozen=True)
class ModelEvaluation:
    """What was found, and the scores that it was found on."""

    evaluation: Evaluation
    scores: Predictions


def refuse_learned(
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
