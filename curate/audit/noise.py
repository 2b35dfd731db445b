"""Labels that a probe, fitted on other rows, would not have given (confident learning).

After Northcutt, Jiang and Chuang 2021 (JAIR 70): a row counts as confidently of class j where its chance of
j is at least the mean chance of j over the rows labelled j. Rows that are confidently of another class than
theirs are suspects; how many labels are wrong is estimated from the whole table of such counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from facedata.annotate.score.bootstrap import Draws, Estimate, estimate
from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.clusters import Codes, Floats, Mask, clusters_of, coded, drawn_sums, spread, told
from facedata.curate.audit.grouping import graded
from facedata.curate.audit.probe import compact, embeddings_of, finite, out_of_fold, unthreaded

__all__ = ["LABEL_NOISE", "NoiseThresholds", "label_noise", "suspects"]


class NoiseThresholds(Thresholds):
    """How many labels may be in doubt."""

    warn_share: float = Field(0.02, description="warn where the lower end of the share in doubt exceeds it")
    fail_share: float = Field(0.1, description="fail where it exceeds this")
    least: int = Field(20, description="rows under which a class is left out", ge=5)
    skill: float = Field(
        0.5,
        description="of the way from chance to no error, what a probe must reach for its doubts to count",
        gt=0,
    )
    folds: int = Field(5, description="folds, whole clusters each", ge=2)
    rows: int = Field(10_000, description="rows that one model is fitted on at most", ge=100)
    strength: float = Field(0.01, description="inverse of the L2 penalty on weights of scaled numbers", gt=0)
    draws: int = Field(500, description="draws of clusters for intervals", ge=20)
    seed: int = 0
    shown: int = Field(100, description="findings at most for each kind of label")


def suspects(chances: Floats, given: Codes) -> tuple[Codes, Codes]:
    """Return the class that each row is confidently of, and the class to suspect in place of the label's.

    `chances` is (n, classes), out of fold; `given` the labels, every class having rows; -1 stands for none.
    The counts of given against confident classes say how many labels i should be j; so many rows of label i
    are suspected to be j as that comes to, those with the largest margin of j's chance over i's first
    ("prune by noise rate").
    """
    classes = chances.shape[1]
    usual = np.array([chances[given == one, one].mean() for one in range(classes)])
    sure = np.where(chances >= usual, chances, -1.0)
    said = np.where(sure.max(1) >= 0, sure.argmax(1), -1)
    suspected = np.full(len(given), -1, dtype=np.int64)
    most = np.zeros(len(given))
    for label in range(classes):
        mine = np.flatnonzero(given == label)
        counts = np.bincount(said[mine][said[mine] >= 0], minlength=classes)
        for other in range(classes):
            many = round(len(mine) * counts[other] / max(counts.sum(), 1))
            if other == label or not many:
                continue
            margin = chances[mine, other] - chances[mine, label]
            first = np.argsort(-margin, kind="stable")[:many]
            kept = mine[first][margin[first] > most[mine[first]]]
            suspected[kept] = other
            most[kept] = chances[kept, other] - chances[kept, label]
    return said, suspected


@unthreaded
def label_noise(rows: Rows, limits: NoiseThresholds) -> Outcome:
    """Return rows whose label (live or spoof) or expression a probe contradicts with confidence.

    Numbers, by column: `in doubt`, the share of rows that are confidently of another class among those that
    are confidently of any, with a 95 % interval from whole clusters, and the probe's balanced `accuracy`.
    The nearer that is to chance, the more of the doubt is the probe's. Fields, by column:
    `<column>_chance`, of the label given; `<column>_suggested`, where another one is.
    """
    frame = rows.frame
    usable = finite(embeddings_of(rows))
    embeddings, clusters = compact(embeddings_of(rows), limits.seed), clusters_of(frame)
    fields: dict[str, NDArray[Any]] = {}
    numbers, tables, findings, parts = {}, {}, [], []
    worst, weak = 0.0, list[str]()
    for column in ("label", "expression"):
        counts = frame.loc[usable, column].value_counts()
        names = sorted(counts[counts >= limits.least].index)
        codes = coded(frame[column].where(usable), names)
        which = codes >= 0
        if len(names) < 2 or len(np.unique(clusters[which])) < limits.folds:
            continue
        chances = out_of_fold(
            embeddings[which],
            codes[which],
            clusters[which],
            folds=limits.folds,
            rows=limits.rows,
            strength=limits.strength,
            seed=limits.seed,
        ).chances
        said, suspected = suspects(chances, codes[which])
        share, accuracy = _measured(chances, codes[which], said, clusters[which], limits)
        numbers[column] = {"in doubt": spread(share, which.sum()), "accuracy": accuracy}
        if accuracy < 1 / len(names) + limits.skill * (1 - 1 / len(names)):
            weak.append(f"the {column}s (balanced accuracy {accuracy:.2f} for {len(names)})")
            continue
        parts.append(
            f"{told(share, 3)} of the {column}s are in doubt (probe's balanced accuracy {accuracy:.2f})"
        )
        tables[f"{column}: given and confident"] = _table(codes[which], said, names)
        worst = max(worst, share.low or 0.0)
        own = chances[np.arange(len(chances)), codes[which]]
        fields[f"{column}_chance"] = _scattered(own, which)
        fields[f"{column}_suggested"] = _named(suspected, which, names)
        findings += _findings(frame, column, which, own, suspected, names, limits.shown)
    if weak and not parts:
        doubtful = f"A probe tells {' and '.join(weak)} too badly for its doubts to mean anything."
        return Outcome("skipped", doubtful, numbers)
    if not parts:
        return Outcome("skipped", f"No two classes have {limits.least} rows each in {limits.folds} clusters.")
    text = "; ".join(parts)
    return Outcome(
        graded(worst, limits.warn_share, limits.fail_share),
        f"{text[0].upper()}{text[1:]}.",
        numbers=numbers,
        findings=sorted(findings, key=lambda one: -one.score),
        fields=fields,
        tables=tables,
    )


def _measured(
    chances: Floats, given: Codes, said: Codes, clusters: Codes, limits: NoiseThresholds
) -> tuple[Estimate, float]:
    """Return the share in doubt, classes weighing as many as their rows, and the balanced accuracy."""
    classes = chances.shape[1]
    draws = Draws(count=limits.draws, seed=limits.seed)
    columns = np.zeros((len(given), 3 * classes))
    place = np.arange(len(given))
    columns[place, given] = 1
    columns[place, classes + given] = said >= 0
    columns[place, 2 * classes + given] = (said >= 0) & (said != given)
    sums = drawn_sums(columns, clusters, draws).reshape(-1, 3, classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        doubt = np.nan_to_num(sums[:, 2] / sums[:, 1])
    share = estimate((doubt * sums[:, 0]).sum(1) / sums[:, 0].sum(1), draws)
    right = chances.argmax(1) == given
    return share, float(np.mean([right[given == one].mean() for one in range(classes)]))


def _table(given: Codes, said: Codes, names: list[str]) -> pd.DataFrame:
    confident = pd.Series(said).map(lambda code: names[code] if code >= 0 else "no class")
    table = pd.crosstab(pd.Series(given).map(lambda code: names[code]), confident)
    return table.rename_axis("given").rename_axis(columns=None).reset_index()


def _scattered(values: Floats, where: Mask) -> Floats:
    field = np.full(len(where), np.nan)
    field[where] = values
    return field


def _named(codes: Codes, where: Mask, names: list[str]) -> NDArray[Any]:
    field = np.full(len(where), None, dtype=object)
    field[where] = np.array([*names, None], dtype=object)[codes]
    return field


def _findings(
    frame: pd.DataFrame,
    column: str,
    which: Mask,
    own: Floats,
    suspected: Codes,
    names: list[str],
    shown: int,
) -> list[Finding]:
    places = np.flatnonzero(which)
    order = np.flatnonzero(suspected >= 0)
    order = order[np.argsort(own[order], kind="stable")][:shown]
    return [
        Finding(
            (str(frame["sample_id"].iloc[places[one]]),),
            f"{column} {frame[column].iloc[places[one]]} has a chance of {own[one]:.3f} by rows of other "
            f"people; {names[suspected[one]]} is likelier: look at it",
            float(1 - own[one]),
        )
        for one in order
    ]


LABEL_NOISE = Audit(
    name="label-noise",
    title="Labels in doubt",
    about=(
        "Rows whose label or expression a linear probe contradicts with confidence, fitted on other people's "
        "rows: slips of the hand, swapped folders, faces that are hard."
    ),
    run=label_noise,
    thresholds=NoiseThresholds,
    needs=("embeddings",),
    source="Northcutt, Jiang and Chuang 2021, Confident learning, JAIR 70",
)
