"""Rows that are like none of their dataset's classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.clusters import Codes, Floats, Mask, clusters_of, deal
from facedata.curate.audit.grouping import graded, numbered
from facedata.curate.audit.probe import compact, embeddings_of, finite, unthreaded

__all__ = ["UNKNOWN", "UnknownThresholds", "cube_root_tail", "mahalanobis", "unknown"]

Embeddings = NDArray[np.float32]


class UnknownThresholds(Thresholds):
    """What counts as far from every class, and how many such rows are too many."""

    false_share: float = Field(
        0.01, description="share of the unknown rows that may be called so by chance", gt=0
    )
    fail_share: float = Field(0.05, description="fail where more of all rows are unknown; warn over 0", gt=0)
    least: int = Field(50, description="rows under which a class has no Gaussian of its own", ge=10)
    folds: int = Field(3, description="folds, whole clusters each", ge=2)
    rows: int = Field(10_000, description="rows of a class that its Gaussian is fitted on at most", ge=100)
    trim: float = Field(0.05, description="share of the farthest rows that the second fit leaves out", ge=0)
    seed: int = 0
    shown: int = Field(200, description="findings at most; fields name all rows")


@dataclass(frozen=True, slots=True)
class _Gaussian:
    mean: Embeddings
    whiten: Embeddings

    def squared(self, embeddings: Embeddings) -> Floats:
        away = (embeddings - self.mean) @ self.whiten
        return np.asarray(np.einsum("ij,ij->i", away, away), dtype=np.float64)


def mahalanobis(embeddings: Embeddings, trim: float = 0.0) -> _Gaussian:
    """Return a Gaussian of rows (n, d) whose `squared` gives squared Mahalanobis distances.

    The covariance is shrunk towards a multiple of the identity (Ledoit and Wolf 2004), so that it can be
    inverted with fewer rows than dimensions; a direction in which nothing varies does not count. With `trim`
    it is fitted a second time without that share of the rows that were farthest off: what is searched for is
    not to make up the scale it is searched by.
    """
    from scipy.linalg import eigh
    from sklearn.covariance import ledoit_wolf

    def fit(kept: Embeddings) -> _Gaussian:
        covariance = ledoit_wolf(kept)[0].astype(np.float64)
        values, vectors = eigh(covariance)
        varies = values > max(float(values[-1]) * 1e-10, 0.0)
        whiten = vectors / np.sqrt(np.where(varies, values, np.inf))
        return _Gaussian(kept.mean(0), whiten.astype(np.float32))

    first = fit(embeddings)
    if not trim:
        return first
    distances = first.squared(embeddings)
    return fit(embeddings[distances <= np.quantile(distances, 1 - trim)])


def cube_root_tail(squared: Floats, reference: Floats) -> Floats:
    """Return the chance of a squared distance as large, by the middle half of the `reference` distances.

    The cube root of a chi-squared variable is all but normal (Wilson and Hilferty 1931), so where embeddings
    are Gaussian this is the tail of chi-squared, to a sixth down to 1e-6. Where they are not, or where
    the shrinkage rescaled them, centre and scale are still those of held-out rows: their median and
    quartiles, which a quarter of strange rows cannot move far.
    """
    from scipy.stats import norm

    low, middle, high = np.cbrt(np.quantile(reference, [0.25, 0.5, 0.75]))
    scale = (high - low) / (norm.ppf(0.75) - norm.ppf(0.25))
    if scale <= 0:
        return np.where(np.cbrt(squared) > middle, 0.0, 1.0)
    return np.asarray(norm.sf((np.cbrt(squared) - middle) / scale), dtype=np.float64)


@unthreaded
def unknown(rows: Rows, limits: UnknownThresholds) -> Outcome:
    """Return the rows that lie outside every class's Gaussian, each row held out of the fit.

    Classes are kinds of attack beside live, or expressions where there are no labels; `train` rows are the
    reference where rows have splits, else all. Fields: `confidence`, the largest tail probability over the
    classes (0-1); `nearest`, the class that gives it; `unknown`.
    """
    from scipy.stats import false_discovery_control

    frame = rows.frame
    embeddings = compact(embeddings_of(rows), limits.seed)
    usable = finite(embeddings)
    names, reference = _classes(frame), _reference(frame)
    classes = numbered(names)
    classes[~usable] = -1
    counts = np.bincount(classes[(classes >= 0) & reference], minlength=classes.max(initial=-1) + 1)
    known = np.flatnonzero(counts >= limits.least)
    if not len(known):
        return Outcome("skipped", f"No class has {limits.least} rows with embeddings to learn what is known.")
    tails, ratios = _tails(embeddings, classes, reference, clusters_of(frame), known, limits)
    tails[~usable] = np.nan
    best = np.where(usable, np.nan_to_num(tails, nan=-1.0).argmax(1), -1)
    confidence = np.where(usable, tails.max(1), np.nan)
    flagged = np.zeros(len(frame), dtype=bool)
    flagged[usable] = false_discovery_control(confidence[usable]) <= limits.false_share
    labels = np.array([str(names.iloc[np.flatnonzero(classes == code)[0]]) for code in known], dtype=object)
    share = flagged.sum() / usable.sum()
    verdict = graded(float(share), 0.0, limits.fail_share)
    by_class = _by_class(names, usable, flagged)
    small = sorted({str(n) for n in names[usable & (classes >= 0)].unique()} - set(labels))
    said = f"{flagged.sum()} of {usable.sum()} rows are like no class of {', '.join(labels)}"
    said += f"; too few rows to learn {', '.join(small)}." if small else "."
    return Outcome(
        verdict,
        said,
        numbers={
            "unknown": int(flagged.sum()),
            "rows": int(usable.sum()),
            "share": float(share),
            "reference": int((reference & usable).sum()),
            "spread over chi-squared": dict(zip(labels, ratios, strict=True)),
        },
        findings=_findings(frame, flagged, confidence, best, labels, limits.shown),
        fields={
            "confidence": confidence,
            "nearest": np.array([*labels, None], dtype=object)[best],
            "unknown": flagged,
        },
        tables={"unknown rows by class": by_class},
    )


def _classes(frame: pd.DataFrame) -> pd.Series:
    """Return each row's class: live, a kind of attack, spoof of no kind, else its expression."""
    attack = frame["attack"].str.split("/").str[0]
    found = attack.where(attack.notna(), frame["label"])
    return found if found.notna().any() else frame["expression"]


def _reference(frame: pd.DataFrame) -> Mask:
    train = (frame["split"] == "train").to_numpy()
    return train if train.any() else np.ones(len(frame), dtype=bool)


def _tails(
    embeddings: Embeddings,
    classes: Codes,
    reference: Mask,
    clusters: Codes,
    known: NDArray[np.int64],
    limits: UnknownThresholds,
) -> tuple[Floats, list[float]]:
    """Return tail probabilities (n, classes), and how far the distances spread over what chi-squared says."""
    folds = deal(clusters, np.maximum(classes, 0), limits.folds, limits.seed)
    generator = np.random.default_rng(limits.seed)
    tails, ratios = np.empty((len(classes), len(known))), []
    expected = (2 / 9 / embeddings.shape[1]) ** 0.5
    for column, code in enumerate(known):
        squared = np.empty(len(classes))
        mine = (classes == code) & reference
        for fold in range(limits.folds):
            fitted = np.flatnonzero(mine & (folds != fold))
            if len(fitted) > limits.rows:
                fitted = generator.choice(fitted, limits.rows, replace=False)
            asked = folds == fold
            if len(fitted) < 2:  # one cluster holds the class: nothing to hold out
                fitted = np.flatnonzero(mine)
            gaussian = mahalanobis(embeddings[fitted], limits.trim)
            squared[asked] = gaussian.squared(embeddings[asked])
        tails[:, column] = cube_root_tail(squared, squared[mine])
        quartiles = np.cbrt(np.quantile(squared[mine], [0.25, 0.5, 0.75]))
        spread = (quartiles[2] - quartiles[0]) / max(float(quartiles[1]), 1e-30) / 1.349
        ratios.append(round(float(spread / expected), 3))
    return tails, ratios


def _by_class(names: pd.Series, usable: Mask, flagged: Mask) -> pd.DataFrame:
    table = pd.DataFrame({"class": names.fillna("no label"), "rows": usable, "unknown": flagged})
    table = table.groupby("class", as_index=False).sum()
    table["share"] = table["unknown"] / table["rows"].clip(lower=1)
    return table.sort_values("share", ascending=False, ignore_index=True)


def _findings(
    frame: pd.DataFrame,
    flagged: Mask,
    confidence: Floats,
    best: NDArray[np.int64],
    labels: NDArray[np.object_],
    shown: int,
) -> list[Finding]:
    order = np.flatnonzero(flagged)
    order = order[np.argsort(confidence[order], kind="stable")][:shown]
    return [
        Finding(
            (str(frame["sample_id"].iloc[row]),),
            f"like no class (nearest: {labels[best[row]]}, tail probability {confidence[row]:.1e}): look at "
            "it; a wrong crop, a kind of attack that no class stands for, or a picture of something else",
            float(-np.log10(max(confidence[row], 1e-300))),
        )
        for row in order
    ]


UNKNOWN = Audit(
    name="unknown",
    title="Rows in no known region",
    about=(
        "Which rows lie outside the Gaussians of all classes: broken crops, unforeseen attacks, strangers. "
        "Fitted on train rows where there are splits; a strange group that is a hundredth of a class or "
        "more and in train counts as part of it."
    ),
    run=unknown,
    thresholds=UnknownThresholds,
    needs=("embeddings",),
    source="CA-FAS (confidence aware face anti-spoofing): Mahalanobis distance to class Gaussians",
)
