"""What every evaluation of a trained model needs: nothing is tested that was learned from, or watched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from facedata.datasets.errors import DatasetError, SourceError
from facedata.recipes.checkpoint import DEV_SCORES, ROWS
from facedata.recipes.metrics.predictions import Predictions
from facedata.recipes.metrics.run import Evaluation
from facedata.recipes.metrics.truth import Truth

__all__ = ["ModelEvaluation", "kept_rows", "refuse_learned"]


@dataclass(frozen=True)
class ModelEvaluation:
    """What was found, and the scores that it was found on."""

    evaluation: Evaluation
    scores: Predictions


def kept_rows(model: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a model's development rows and the rows that it learned from; see checkpoint.py."""
    try:
        return pd.read_parquet(model / DEV_SCORES), pd.read_parquet(model / ROWS)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"{model}: {DEV_SCORES} or {ROWS} cannot be read ({error}); restore them, or train again"
        ) from None


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
