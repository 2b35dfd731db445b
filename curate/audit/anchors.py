"""Soft labels of expressions, by how near a face lies to the anchors of the emotions.

An anchor is the mean direction of the faces of one expression on which people or sources agreed. A face's
soft label is the softmax of its cosines with the anchors; how sharp it is, is chosen so that it predicts best
the labels of agreed faces whose own cluster had no part in the anchors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from facedata.annotate.score.bootstrap import Draws, Estimate, estimate
from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.clusters import (
    Codes,
    Floats,
    Mask,
    clusters_of,
    coded,
    deal,
    drawn_sums,
    spread,
    told,
)
from facedata.curate.audit.grouping import graded
from facedata.curate.audit.probe import compact, embeddings_of, finite, unthreaded

__all__ = ["ANCHORS", "AnchorThresholds", "agreed", "anchors", "sharpness", "softened"]

Embeddings = NDArray[np.float32]

_SHARPEST = (
    20.0  # where classes lie far apart no scale is too sharp; a face between two keeps both below this
)


class AnchorThresholds(Thresholds):
    """When a soft label contradicts the one given."""

    agreement: float = Field(
        0.9,
        description="confidence, adjudicated chance or share of votes from which a row makes anchors",
        gt=0,
    )
    given: float = Field(
        0.1, description="chance of the given label under which it may be contradicted", gt=0
    )
    other: float = Field(0.5, description="chance that the likeliest other label must have", gt=0, lt=1)
    warn_share: float = Field(
        0.05, description="warn where the lower end of the share that is contradicted exceeds"
    )
    fail_share: float = Field(0.15, description="fail where it exceeds this")
    skill: float = Field(
        0.3,
        description="of the way from chance to no error, what soft labels must reach on agreed rows",
        gt=0,
    )
    least: int = Field(20, description="agreed rows under which an expression has no anchor", ge=2)
    folds: int = Field(5, description="folds, whole clusters each", ge=2)
    draws: int = Field(500, description="draws of clusters for intervals", ge=20)
    seed: int = 0
    shown: int = Field(100, description="findings at most")


@unthreaded
def anchors(rows: Rows, limits: AnchorThresholds) -> Outcome:
    """Return soft labels of expressions, and the rows whose label they contradict.

    Fields: `soft_<expression>` (0-1, adding up to 1), `soft_label`, `contradicted`. Anchors are of agreed
    rows where any says how sure it is (confidence, `attributes.adjudicated.expression`), else of all.
    """
    frame = rows.frame
    embeddings = compact(embeddings_of(rows), limits.seed)
    usable = finite(embeddings)
    sure = agreed(frame, limits.agreement)
    counts = frame.loc[usable & sure, "expression"].value_counts()
    names = sorted(counts[counts >= limits.least].index)
    if len(names) < 2:
        return Outcome(
            "skipped", f"Fewer than two expressions have {limits.least} agreed rows with embeddings."
        )
    codes = coded(frame["expression"], names)
    clusters = clusters_of(frame)
    cosines = _cosines(embeddings, codes, clusters, usable, sure, limits)
    held = usable & sure & (codes >= 0)
    scale = sharpness(cosines[held], codes[held])
    soft = np.full((len(frame), len(names)), np.nan)
    soft[usable] = softened(cosines[usable], scale)
    best = np.where(usable, np.nan_to_num(soft, nan=-1).argmax(1), -1)
    asked = usable & (codes >= 0)
    own = np.full(len(frame), np.nan)
    own[asked] = soft[asked, codes[asked]]
    wrong = asked & (best != codes) & (np.nan_to_num(own, nan=1) < limits.given)
    wrong &= np.nan_to_num(soft).max(1) > limits.other
    share = _share(wrong[asked], clusters[asked], limits)
    right = float(np.mean([(best[held & (codes == one)] == one).mean() for one in range(len(names))]))
    if right < 1 / len(names) + limits.skill * (1 - 1 / len(names)):
        return Outcome(
            "skipped",
            f"Anchors name the expressions of agreed rows with a balanced accuracy of {right:.2f}: these "
            "embeddings do not show what soft labels need.",
            {"accuracy on agreed rows": right, "agreed rows": int(held.sum())},
        )
    return Outcome(
        graded(share.low or 0.0, limits.warn_share, limits.fail_share),
        f"Soft labels contradict {told(share, 3)} of {asked.sum()} expressions; they name those of agreed "
        f"rows with a balanced accuracy of {right:.2f}.",
        numbers={
            "contradicted": spread(share, asked.sum()),
            "accuracy on agreed rows": right,
            "agreed rows": int(held.sum()),
            "sharpness": scale,
        },
        findings=_findings(frame, wrong, own, soft, names, best, limits.shown),
        fields={
            **{f"soft_{name}": soft[:, place] for place, name in enumerate(names)},
            "soft_label": np.array([*names, None], dtype=object)[best],
            "contradicted": wrong,
        },
        tables={"mean soft label by label": _table(frame, soft, names, asked)},
    )


def agreed(frame: pd.DataFrame, least: float) -> Mask:
    """Return the rows that say of themselves that their expression is sure; all where none says anything."""
    stated = [_adjudicated(row) for row in frame["attributes"]]
    sure = np.fmax(np.array(stated, dtype=np.float64), frame["confidence"].to_numpy(float))
    return np.ones(len(frame), dtype=bool) if np.isnan(sure).all() else np.nan_to_num(sure) >= least


def _adjudicated(row: Mapping[str, Any] | None) -> float:
    found = ((row or {}).get("adjudicated") or {}).get("expression")
    return float(found) if isinstance(found, int | float) else np.nan


def _cosines(
    embeddings: Embeddings, codes: Codes, clusters: Codes, usable: Mask, sure: Mask, limits: AnchorThresholds
) -> Floats:
    """Return cosines with the anchors, (n, classes), none of which the row's own cluster had a part in.

    Embeddings are scaled by the agreed rows' deviations and taken from their centre (the mean of the class
    means, so that a common expression does not pull it), before each is brought to length 1.
    """
    count = int(codes.max()) + 1
    makes = usable & sure & (codes >= 0)
    folds = deal(clusters, np.maximum(codes, 0), limits.folds, limits.seed)
    found = np.full((len(codes), count), np.nan)
    for fold in range(limits.folds):
        fitted, asked = makes & (folds != fold), usable & (folds == fold)
        if not asked.any():
            continue
        if len(np.unique(codes[fitted])) < count:  # one cluster holds an expression: nothing to hold out
            fitted = makes
        scale = embeddings[fitted].std(0)
        scale[scale <= 1e-6 * scale.max()] = np.inf
        means = np.stack([embeddings[fitted & (codes == one)].mean(0) for one in range(count)]) / scale
        centre = means.mean(0)
        away = embeddings[asked] / scale - centre
        found[asked] = _unit(away) @ _unit(means - centre).T
    return found


def _unit(vectors: Embeddings) -> Embeddings:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)


def softened(cosines: Floats, scale: float) -> Floats:
    """Return the softmax of `scale` x cosines, (n, classes)."""
    from scipy.special import softmax

    return np.asarray(softmax(scale * cosines, axis=1), dtype=np.float64)


def sharpness(cosines: Floats, codes: Codes) -> float:
    """Return the scale, 0.1 to 20, of the labels' largest likelihood, classes weighing the same."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    kinds = np.unique(codes)

    def loss(log_scale: float) -> float:
        logs = log_softmax(np.exp(log_scale) * cosines, axis=1)[np.arange(len(codes)), codes]
        return -float(np.mean([logs[codes == one].mean() for one in kinds]))

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.1), np.log(_SHARPEST)), method="bounded").x))


def _share(wrong: Mask, clusters: Codes, limits: AnchorThresholds) -> Estimate:
    draws = Draws(count=limits.draws, seed=limits.seed)
    sums = drawn_sums(np.stack([wrong, np.ones(len(wrong))], axis=1), clusters, draws)
    return estimate(sums[:, 0] / sums[:, 1], draws)


def _table(frame: pd.DataFrame, soft: Floats, names: list[str], asked: Mask) -> pd.DataFrame:
    table = pd.DataFrame(soft[asked], columns=[f"soft {name}" for name in names])
    table.insert(0, "expression", frame.loc[asked, "expression"].to_numpy())
    return table.groupby("expression", as_index=False).mean()


def _findings(
    frame: pd.DataFrame, wrong: Mask, own: Floats, soft: Floats, names: list[str], best: Codes, shown: int
) -> list[Finding]:
    order = np.flatnonzero(wrong)
    order = order[np.argsort(own[order], kind="stable")][:shown]
    return [
        Finding(
            (str(frame["sample_id"].iloc[row]),),
            f"labelled {frame['expression'].iloc[row]} ({own[row]:.3f}), looks like {names[best[row]]} "
            f"({soft[row, best[row]]:.2f}) beside the anchors: look at it",
            float(1 - own[row]),
        )
        for row in order
    ]


ANCHORS = Audit(
    name="anchors",
    title="Soft labels from emotion anchors",
    about=(
        "How much of each expression a face shows, by its likeness to faces on which sources agreed, and "
        "which labels that contradicts: blends, and labels that are off."
    ),
    run=anchors,
    thresholds=AnchorThresholds,
    needs=("embeddings",),
    source="S2D (arXiv 2312.05447): emotion anchors for soft labels",
)
