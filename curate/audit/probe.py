"""A linear model asked of rows it was not fitted on: what embeddings tell, and no more than that."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from facedata.curate.audit.base import Rows
from facedata.curate.audit.clusters import Codes, Floats, Mask, deal
from facedata.datasets.errors import UsageError

__all__ = ["Answers", "Prepare", "compact", "embeddings_of", "finite", "out_of_fold", "unthreaded"]

P = ParamSpec("P")
R = TypeVar("R")

Prepare = Callable[
    [NDArray[np.float32], NDArray[np.int64]], Callable[[NDArray[np.float32]], NDArray[np.float32]]
]
"""From the embeddings and the places of the rows that are fitted on to a map for all rows."""

_WIDE = 512


@dataclass(frozen=True, slots=True)
class Answers:
    """Of each row: the `chances` of the classes, (n, classes), by a model that never saw its fold."""

    chances: Floats
    folds: Codes

    @property
    def said(self) -> Codes:
        """The likeliest class of each row."""
        return np.asarray(self.chances.argmax(1), dtype=np.int64)


def unthreaded(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function with the threads of linear algebra held to one.

    On matrices as small as those of a probe, threads wait for each other more than they work: on two busy
    cores a fit took seventeen times as long with two of them as with one.
    """

    @wraps(function)
    def held(*arguments: P.args, **named: P.kwargs) -> R:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            return function(*arguments, **named)

    return held


def embeddings_of(rows: Rows) -> NDArray[np.float32]:
    """Return the embeddings of rows; raise UsageError where they have none."""
    if rows.embeddings is None:
        raise UsageError("the audit needs embeddings; pass --embeddings or --embedder")
    return rows.embeddings


def finite(embeddings: NDArray[np.float32]) -> Mask:
    """Return which rows have an embedding; that of a picture that could not be read is NaN."""
    return np.asarray(np.isfinite(embeddings).all(1), dtype=bool)


def compact(embeddings: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return embeddings of at most 512 numbers: longer ones projected on random directions.

    Their scale is none of the audits' business: very large and very small ones are divided by the largest.
    Distances are kept to about a twentieth (Johnson and Lindenstrauss 1984), whatever the direction, which
    the largest principal components would not do for what is rare.
    """
    largest = float(np.nanmax(np.abs(embeddings), initial=0.0))
    if largest and not 1e-6 < largest < 1e6:
        embeddings = embeddings / np.float32(largest)  # so that squares stay within float32
    if embeddings.shape[1] <= _WIDE:
        return embeddings
    directions = np.random.default_rng(seed).standard_normal((embeddings.shape[1], _WIDE), dtype=np.float32)
    return embeddings @ (directions / np.float32(np.sqrt(_WIDE)))


def out_of_fold(
    embeddings: NDArray[np.float32],
    classes: Codes,
    clusters: Codes,
    *,
    folds: int,
    rows: int,
    strength: float,
    seed: int,
    prepare: Prepare | None = None,
) -> Answers:
    """Return each row's class chances by a logistic model that was fitted on other clusters.

    `embeddings` is (n, d) and finite, `classes` 0 up. A model is fitted on at most `rows` rows of the other
    folds, drawn by `seed`, scaled to unit variance, with an L2 penalty of 1 / `strength` on its weights and
    every class weighing the same. A class that a fold's model never saw has the chance 0 in it.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    dealt = deal(clusters, classes, folds, seed)
    chances = np.zeros((len(classes), int(classes.max()) + 1))
    generator = np.random.default_rng(seed)
    for fold in range(folds):
        fitted, asked = np.flatnonzero(dealt != fold), np.flatnonzero(dealt == fold)
        if len(fitted) > rows:
            fitted = generator.choice(fitted, rows, replace=False)
        known = np.unique(classes[fitted])
        if len(known) < 2:
            chances[np.ix_(asked, known)] = 1.0
            continue
        mapped = prepare(embeddings, fitted) if prepare else (lambda x: x)
        given = mapped(embeddings[fitted])
        centre, scale = given.mean(0), given.std(0)
        scale[scale < 1e-6 * scale.max(initial=1e-30)] = np.inf  # a number that never varies tells nothing
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=500, tol=1e-3)
        with warnings.catch_warnings():
            # A model short of its optimum still answers for rows it never saw, and is measured by that.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit((given - centre) / scale, classes[fitted])
        told = model.predict_proba((mapped(embeddings[asked]) - centre) / scale)
        chances[np.ix_(asked, model.classes_)] = told
    return Answers(chances, dealt)
