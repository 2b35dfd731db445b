"""Whether made rows give themselves away: what a detector could learn instead of its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from facedata.annotate.score.bootstrap import Estimate
from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.clusters import Codes, Floats, Mask, auc, clusters_of, present, spread, told
from facedata.curate.audit.grouping import graded
from facedata.curate.audit.probe import compact, embeddings_of, finite, out_of_fold, unthreaded

__all__ = ["SHORTCUT", "ShortcutThresholds", "shortcut"]

_AGAINST = {
    "domain and attack": ("label", "family of attacks", "domain"),
    "attack": ("label", "family of attacks"),
    "domain": ("label", "domain"),
    "label": ("label",),
}
"""What rows that no operator made are to share with those that one made, the strictest first: where kinds of
attack or domains differ too, a model may tell those apart."""


class ShortcutThresholds(Thresholds):
    """When telling made rows from others is too easy."""

    warn_auc: float = Field(0.6, description="warn where the interval's lower end exceeds this area", ge=0.5)
    fail_auc: float = Field(0.8, description="fail where the interval's lower end exceeds this area", ge=0.5)
    least: int = Field(20, description="rows of either kind under which nothing is measured", ge=2)
    folds: int = Field(5, description="folds, whole clusters each", ge=2)
    rows: int = Field(10_000, description="rows that one model is fitted on at most", ge=100)
    strength: float = Field(0.01, description="inverse of the L2 penalty on weights of scaled numbers", gt=0)
    seed: int = 0
    shown: int = Field(12, description="samples that a finding names")


@dataclass(frozen=True, slots=True)
class _Contrast:
    label: str
    operator: str
    against: str
    made: Mask
    real: Mask

    @property
    def rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.made | self.real)


@unthreaded
def shortcut(rows: Rows, limits: ShortcutThresholds) -> Outcome:
    """Return, for each operator, how well a linear model tells its rows from others of the same label.

    Numbers: `auc` by label and operator, out of fold, with a 95 % interval. Field `made`: how sure the model
    is, 0-1, that a row was made (mean where a row takes part in several contrasts).
    """
    frame, embeddings = rows.frame, embeddings_of(rows)
    usable = finite(embeddings) & present(frame["label"])
    made = present(frame["operator"])
    if not (made & usable).any():
        return Outcome("skipped", "No row was made by an operator, so there is nothing to tell apart.")
    clusters = clusters_of(frame)
    contrasts = list(_contrasts(frame, usable, clusters, limits))
    counts = _counts(frame, usable, made)
    blind = _blind(frame, usable & made, counts, limits.shown)
    numbers: dict[str, Any] = {"counts": counts}
    if not contrasts and blind:
        return Outcome("warn", f"It cannot be measured: {blind.detail}.", numbers, [blind])
    if not contrasts:
        least = limits.least
        said = (
            f"No label has {least} rows that one operator made and {least} that none made, "
            f"of {limits.folds} persons or families."
        )
        return Outcome("skipped", said, numbers)
    narrow = compact(embeddings, limits.seed)
    areas, findings = [], [blind] if blind else []
    total, times = np.zeros(len(frame)), np.zeros(len(frame))
    for one in contrasts:
        area, scores = _measure(one, narrow, clusters, limits)
        areas.append(area)
        total[one.rows] += scores
        times[one.rows] += 1
        if (area.low or 0) > limits.warn_auc:
            findings.append(_finding(one, area, scores, frame, limits))
    with np.errstate(invalid="ignore"):
        field = np.where(times > 0, total / times, np.nan)
    worst = int(np.argmax([area.low or 0.0 for area in areas]))
    verdict = graded(areas[worst].low or 0.0, limits.warn_auc, limits.fail_auc)
    said = (
        f"Among {contrasts[worst].label} rows a linear model tells {contrasts[worst].operator} from the rest "
        f"with an AUC of {told(areas[worst])}, the worst of {len(contrasts)}."
    )
    numbers["auc"] = {
        f"{one.label}/{one.operator}": {**spread(area, len(one.rows)), "against": one.against}
        for one, area in zip(contrasts, areas, strict=True)
    }
    return Outcome(
        "warn" if blind and verdict == "pass" else verdict,
        f"{said} The rest cannot be measured: {blind.detail}." if blind else said,
        numbers=numbers,
        findings=sorted(findings, key=lambda finding: -finding.score),
        fields={"made": field},
        tables={"contrasts": _table(contrasts, areas)},
    )


def _contrasts(
    frame: pd.DataFrame, usable: Mask, clusters: Codes, limits: ShortcutThresholds
) -> Iterator[_Contrast]:
    made = present(frame["operator"])
    columns = {
        "label": frame["label"],
        "family of attacks": frame["attack"].str.split("/").str[0].fillna(""),
        "domain": frame["domain"].fillna(""),
    }
    of_made = frame[usable & made]
    for label, operator in sorted(set(zip(of_made["label"], of_made["operator"], strict=True))):
        mine = usable & made & ((frame["label"] == label) & (frame["operator"] == operator)).to_numpy()
        for against, shared in _AGAINST.items():
            keys = pd.MultiIndex.from_arrays([columns[name] for name in shared])
            real = usable & ~made & np.asarray(keys.isin(keys[mine].unique()))
            there = mine & np.asarray(keys.isin(keys[real].unique()))
            enough = there.sum() >= max(limits.least, mine.sum() / 2) and real.sum() >= limits.least
            if enough and len(np.unique(clusters[there | real])) >= limits.folds:
                yield _Contrast(label, operator, against, there, real)
                break


def _measure(
    one: _Contrast, embeddings: NDArray[np.float32], clusters: Codes, limits: ShortcutThresholds
) -> tuple[Estimate, Floats]:
    which = one.rows
    answers = out_of_fold(
        embeddings[which],
        one.made[which].astype(np.int64),
        clusters[which],
        folds=limits.folds,
        rows=limits.rows,
        strength=limits.strength,
        seed=limits.seed,
    )
    scores = answers.chances[:, 1]
    return auc(scores, one.made[which], clusters[which], answers.folds), scores


def _finding(
    one: _Contrast,
    area: Estimate,
    scores: Floats,
    frame: pd.DataFrame,
    limits: ShortcutThresholds,
) -> Finding:
    mine = np.where(one.made[one.rows], scores, -1.0)
    first = one.rows[np.argsort(-mine, kind="stable")[: limits.shown]]
    also = {"domain": "; kinds of attack differ too", "attack": "; domains differ too"}.get(one.against, "")
    also = "; kinds of attack and domains differ too" if one.against == "label" else also
    return Finding(
        tuple(frame["sample_id"].iloc[first]),
        f"{one.operator} gives itself away among {one.label} rows (AUC {told(area)}{also}): vary its "
        f"parameters, or add {one.label} rows that show the same traces for another reason",
        area.low or 0.0,
    )


def _table(contrasts: list[_Contrast], areas: list[Estimate]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": [one.label for one in contrasts],
            "operator": [one.operator for one in contrasts],
            "same": [one.against for one in contrasts],
            "made": [int(one.made.sum()) for one in contrasts],
            "others": [int(one.real.sum()) for one in contrasts],
            "auc": [area.value for area in areas],
            "low": [area.low for area in areas],
            "high": [area.high for area in areas],
        }
    )


def _counts(frame: pd.DataFrame, usable: Mask, made: Mask) -> dict[str, dict[str, int]]:
    """Return, for each label, how many rows operators made, and how many none did."""
    table = pd.crosstab(frame["label"][usable], made[usable]).reindex(columns=[True, False], fill_value=0)
    return {
        str(label): {"made": int(row[True]), "others": int(row[False])} for label, row in table.iterrows()
    }


def _blind(
    frame: pd.DataFrame, made: Mask, counts: Mapping[str, Mapping[str, int]], shown: int
) -> Finding | None:
    """Return the finding that a label is all made beside one that is not: nothing can be measured there."""
    whole = [label for label, count in counts.items() if count["made"] and not count["others"]]
    other = [label for label, count in counts.items() if count["others"]]
    if not whole or not other:
        return None
    samples = frame["sample_id"][made & (frame["label"] == whole[0]).to_numpy(bool)].head(shown)
    share = counts[other[0]]["others"] / sum(counts[other[0]].values())
    return Finding(
        tuple(samples),
        f"every {whole[0]} row was made by an operator, and {share:.0%} of the {other[0]} rows were not, so "
        f"what tells made from real also tells {whole[0]} from {other[0]}; add {whole[0]} rows that no "
        "operator made",
        1.0,
    )


SHORTCUT = Audit(
    name="shortcut",
    title="Shortcuts of made rows",
    about=(
        "How well a linear model tells augmented or synthetic rows from others of the same label, per "
        "operator, families and people kept whole: whatever it uses, a detector could use instead of its "
        "task."
    ),
    run=shortcut,
    thresholds=ShortcutThresholds,
    needs=("embeddings",),
    source="Geirhos et al. 2020, Shortcut learning in deep neural networks; AUC interval: Obuchowski 1997",
)
