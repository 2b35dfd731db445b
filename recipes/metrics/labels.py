"""Predicted expressions, action units, valence, arousal and heart rates against the labels of a dataset.

A sample counts where the dataset says what is true: an expression that is named, a unit that was coded
(present or absent; "not coded" is neither), an intensity that was graded. Every measure is a function of sums
by subject, so the intervals are those of the cluster bootstrap.

Sources: Shrout and Fleiss 1979 (ICC(3,1)); Lin 1989 (CCC); Schuller et al. 2009 (UA and WA recall).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facedata.annotate.score.agreement import accuracy, icc_consistency, precision_recall_f1
from facedata.annotate.score.bootstrap import Draws, Estimate, estimate
from facedata.annotate.score.ratios import mean_of_defined, share_of
from facedata.annotate.score.scores import Row, Section
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError
from facedata.datasets.sample import json_object
from facedata.recipes.metrics.predictions import AFFECT, UNIT_COLUMN, Predictions
from facedata.recipes.metrics.resampling import Clusters

__all__ = ["SHOWS", "label_sections"]

Values = NDArray[np.float64]

SHOWS = 0.5
"""The probability from which on a unit is taken to show."""
_COLUMNS = ("sample_id", "expression", "au", "au_domain", *AFFECT, "attributes")


def label_sections(
    dataset: Dataset,
    predicted: Predictions,
    clusters: Mapping[str, str],
    draws: Draws,
    *,
    of: str,
    leave_missing: bool = False,
    thresholds: Mapping[int, float] | None = None,
) -> tuple[Section, ...]:
    """Return a table for each kind of label that is both predicted and known.

    `clusters` names the cluster of each sample that is tested, and `of` these samples. Raises SourceError
    where one of them has such a label and no prediction, unless `leave_missing` leaves it out. A unit shows
    from its own of `thresholds` on, or else from SHOWS.
    """
    said = predicted.table.set_index("sample_id")
    labelled = [
        row
        for row in dataset.rows(_COLUMNS)
        if row["sample_id"] in clusters and _known(row, predicted.columns)
    ]
    rows = [row for row in labelled if row["sample_id"] in said.index]
    if len(rows) < len(labelled) and not leave_missing:
        raise SourceError(
            f"{predicted.name}: {len(labelled) - len(rows)} of {len(labelled)} labelled {of} have no "
            "prediction; add them, or pass --leave-missing to leave them out"
        )
    if not rows:
        return ()
    said = said.loc[[row["sample_id"] for row in rows]]
    drawn = _Drawn([clusters[row["sample_id"]] for row in rows], draws)
    made = [
        _expressions(rows, said, drawn),
        _units(rows, said, drawn, thresholds or {}),
        _intensities(rows, said, drawn),
        _affect(rows, said, drawn),
        _heart_rates(rows, said, drawn),
    ]
    return tuple(section for section in made if section is not None)


def _known(row: Mapping[str, Any], columns: Sequence[str]) -> bool:
    """Whether a row has a label of a kind that was predicted."""
    if "expression" in columns and row["expression"] is not None:
        return True
    if "heart_rate" in columns and np.isfinite(_heart_rate(row)):
        return True
    if any(name in columns and row[name] is not None for name in AFFECT):
        return True
    units = {int(match[1]) for name in columns if (match := UNIT_COLUMN.fullmatch(name))}
    return bool(units & set(row["au_domain"] or ()))


class _Drawn:
    """Sums of quantities, of all samples as they are and of each draw."""

    def __init__(self, names: Sequence[str], draws: Draws) -> None:
        """`names` are the samples' clusters."""
        self.draws = draws
        self.subject, kept = pd.factorize(pd.Series(names), sort=True)
        self.clusters = Clusters(list(kept), draws)

    def sums(self, values: Values) -> Values:
        """Return (1 + draws, k) from `values` (n, k)."""
        each = np.zeros((self.clusters.subjects, values.shape[1]))
        np.add.at(each, self.subject, values)
        return np.concatenate([weights @ each for weights in self.clusters.blocks(values.shape[1])])

    def row(self, name: str, counts: dict[str, int], measures: Mapping[str, Values]) -> Row:
        return Row(name, counts, {key: self.estimate(one) for key, one in measures.items()})

    def estimate(self, values: Values) -> Estimate:
        return estimate(values, self.draws)


def _expressions(rows: list[dict[str, Any]], said: pd.DataFrame, drawn: _Drawn) -> Section | None:
    if "expression" not in said.columns:
        return None
    truth = [row["expression"] for row in rows]
    classes = sorted({name for name in truth if name is not None})
    if not classes:
        return None
    place = {name: number for number, name in enumerate(classes)}
    width = len(classes) + 1  # the last column: an answer that is no class of the truth
    cells = np.zeros((len(rows), len(classes) * width))
    for number, (true, answer) in enumerate(zip(truth, said["expression"], strict=True)):
        if true is not None:
            cells[number, place[true] * width + place.get(answer, len(classes))] = 1
    confusion = drawn.sums(cells).reshape(-1, len(classes), width)
    precision, recall, f1 = precision_recall_f1(confusion)
    lines = [
        drawn.row(
            name,
            {"samples": int(confusion[0, k].sum())},
            {"precision": precision[:, k], "recall": recall[:, k], "f1": f1[:, k]},
        )
        for name, k in place.items()
    ]
    overall = {"uar": mean_of_defined(recall), "war": accuracy(confusion), "f1": mean_of_defined(f1)}
    lines.append(drawn.row("all", {"samples": int(confusion[0].sum())}, overall))
    about = "UAR is the mean of the classes' recalls; WAR the share of samples that are right."
    return Section("expression", about, tuple(lines))


def _units(
    rows: list[dict[str, Any]], said: pd.DataFrame, drawn: _Drawn, thresholds: Mapping[int, float]
) -> Section | None:
    lines, scores, shown = [], [], []
    for unit, column in _unit_columns(said, intensity=False):
        coded = np.array([unit in (row["au_domain"] or ()) for row in rows])
        present = np.array([_levels(row).get(unit, 0.0) != 0 for row in rows])  # None: shows, not graded
        if not coded.any():
            continue
        cut = thresholds.get(unit, SHOWS)
        answer = (said[column] >= cut).to_numpy()
        cells = np.stack([~present & ~answer, ~present & answer, present & ~answer, present & answer], 1)
        confusion = drawn.sums((cells & coded[:, None]).astype(float)).reshape(-1, 2, 2)
        measures = dict(
            zip(
                ("precision", "recall", "f1"),
                (one[:, 1] for one in precision_recall_f1(confusion)),
                strict=True,
            )
        )
        counts = {"coded": int(coded.sum()), "present": int((coded & present).sum())}
        row = drawn.row(f"AU{unit}", counts, measures)
        told = {"threshold": Estimate(cut)} if thresholds else {}
        lines.append(Row(row.name, row.counts, {**told, **row.measures}))
        scores.append(measures["f1"])
        shown.append(counts["present"] > 0)
    if not lines:
        return None
    mean = mean_of_defined(np.stack(scores, 1)[:, shown]) if any(shown) else np.full(len(scores[0]), np.nan)
    lines.append(drawn.row("mean", {}, {"f1": mean}))
    cut_at = "its threshold" if thresholds else f"a probability of {SHOWS:g}"
    about = (
        f"A unit shows from {cut_at} on; over the samples in which it was coded. The mean is of units that "
        "show in at least one sample."
    )
    return Section("action units", about, tuple(lines))


def _intensities(rows: list[dict[str, Any]], said: pd.DataFrame, drawn: _Drawn) -> Section | None:
    lines, found, errors = [], [], []
    for unit, column in _unit_columns(said, intensity=True):
        true = np.array([_graded(row, unit) for row in rows])
        known = np.isfinite(true)
        if not known.any():
            continue
        x, y = np.where(known, true, 0.0), np.where(known, said[column].to_numpy(np.float64), 0.0)
        cells = np.stack([known, x, y, x * x, y * y, x * y, np.abs(x - y)], 1).astype(float)
        n, sx, sy, xx, yy, xy, off = drawn.sums(cells).T
        products = np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)
        icc = icc_consistency(n, np.stack([sx, sy], -1), products)
        mae = share_of(off, n)
        lines.append(drawn.row(f"AU{unit}", {"graded": int(n[0])}, {"icc": icc, "mae": mae}))
        found.append(icc)
        errors.append(mae)
    if not lines:
        return None
    lines.append(
        drawn.row(
            "mean",
            {},
            {"icc": mean_of_defined(np.stack(found, 1)), "mae": mean_of_defined(np.stack(errors, 1))},
        )
    )
    about = "ICC(3,1) and mean absolute error of intensities 0-5; a unit that was coded as absent has 0."
    return Section("intensity", about, tuple(lines))


def _affect(rows: list[dict[str, Any]], said: pd.DataFrame, drawn: _Drawn) -> Section | None:
    lines = []
    for name in AFFECT:
        true = np.array([np.nan if row[name] is None else row[name] for row in rows], np.float64)
        known = np.isfinite(true)
        if name not in said.columns or not known.any():
            continue
        x, y = np.where(known, true, 0.0), np.where(known, said[name].to_numpy(np.float64), 0.0)
        cells = np.stack([known, x, y, x * x, y * y, x * y, (x - y) ** 2], 1).astype(float)
        n, sx, sy, xx, yy, xy, squares = drawn.sums(cells).T
        # 2 cov / (var + var + difference of the means squared), all times n squared
        ccc = share_of(2 * (n * xy - sx * sy), n * (xx + yy) - 2 * sx * sy)
        measures = {"ccc": ccc, "rmse": np.sqrt(share_of(squares, n))}
        lines.append(drawn.row(name, {"samples": int(n[0])}, measures))
    if not lines:
        return None
    return Section(
        "affect", "Concordance (CCC) of values in [-1, 1], and root mean square error.", tuple(lines)
    )


def _heart_rates(rows: list[dict[str, Any]], said: pd.DataFrame, drawn: _Drawn) -> Section | None:
    if "heart_rate" not in said.columns:
        return None
    true = np.array([_heart_rate(row) for row in rows])
    known = np.isfinite(true)
    if not known.any():
        return None
    error = np.where(known, said["heart_rate"].to_numpy(np.float64) - true, 0.0)
    n, off, squares, bias = drawn.sums(np.stack([known, np.abs(error), error**2, error], 1).astype(float)).T
    measures = {"mae": share_of(off, n), "rmse": np.sqrt(share_of(squares, n)), "bias": share_of(bias, n)}
    row = drawn.row("heart rate", {"samples": int(n[0])}, measures)
    return Section("heart rate", "In beats a minute; bias is predicted less true, on average.", (row,))


def _unit_columns(said: pd.DataFrame, *, intensity: bool) -> Iterator[tuple[int, str]]:
    found = [(UNIT_COLUMN.fullmatch(name), name) for name in said.columns]
    units = [(int(match[1]), name) for match, name in found if match and bool(match[2]) == intensity]
    yield from sorted(units)


def _levels(row: Mapping[str, Any]) -> dict[int, float | None]:
    return {one["au"]: one["intensity"] for one in row["au"] or ()}


def _graded(row: Mapping[str, Any], unit: int) -> float:
    """Return the intensity of a unit, 0 where it was coded as absent; NaN where nobody graded it."""
    if unit not in (row["au_domain"] or ()):
        return float("nan")
    level = _levels(row).get(unit, 0.0)
    return float("nan") if level is None else level


def _heart_rate(row: Mapping[str, Any]) -> float:
    value = (json_object(row["attributes"]) or {}).get("heart_rate")
    try:
        return float("nan") if value is None else float(value)
    except (TypeError, ValueError):
        return float("nan")
