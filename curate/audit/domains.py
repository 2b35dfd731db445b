"""How far a domain moves embeddings, beside how far a label does; and what centring each domain leaves of it.

Embeddings of class c in domain d have a mean m_cd. The domain's shift is m_cd - m_c, with m_c the mean of the
class's domains, each weighing the same; the distance of two classes is measured between the m_c. A squared
distance of estimated means is too large by the variance of the estimates, which is subtracted; that variance
comes from whole clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field

from facedata.annotate.score.bootstrap import Draws, Estimate, estimate
from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.clusters import Codes, Floats, Mask, clusters_of, coded, drawn_sums, spread, told
from facedata.curate.audit.grouping import graded
from facedata.curate.audit.probe import compact, embeddings_of, finite, unthreaded

__all__ = ["DOMAINS", "DomainThresholds", "domains", "shift_ratio"]


class DomainThresholds(Thresholds):
    """How far a domain may move embeddings, in distances of the classes."""

    warn_ratio: float = Field(
        0.5, description="warn where the lower end of shift / class distance exceeds it"
    )
    fail_ratio: float = Field(1.0, description="fail where it exceeds this: the domain outweighs the label")
    least: int = Field(20, description="rows of a class in a domain under which the pair is left out", ge=2)
    draws: int = Field(200, description="draws of clusters for intervals", ge=0)
    seed: int = 0
    shown: int = Field(6, description="samples that a finding names")


@dataclass(frozen=True, slots=True)
class _Means:
    """Means of all classes in all domains, (draws, classes, domains, d); their variances, summed over d."""

    means: Floats
    variances: Floats


@unthreaded
def domains(rows: Rows, limits: DomainThresholds) -> Outcome:
    """Return how far domains shift embeddings within a class, before and after each domain is centred.

    Numbers: `ratio` (shift over class distance, with a 95 % interval) and `ratio after centring`;
    accuracy of the nearest class mean in a domain that the means never saw, raw and centred.
    Field `shift`: that of the row's class in its domain, in class distances.
    """
    frame = rows.frame
    classes, names, labels = _pairs(frame, finite(embeddings_of(rows)), limits.least)
    used = (classes >= 0) & (names >= 0)
    if not used.any():
        return Outcome(
            "skipped",
            f"No two domains have {limits.least} rows of each of two classes, so domain and label cannot be "
            "told apart.",
        )
    embeddings = compact(embeddings_of(rows), limits.seed)[used].astype(np.float64)
    classes, names, clusters = classes[used], names[used], clusters_of(frame)[used]
    draws = Draws(count=limits.draws, seed=limits.seed)
    ratio, after, shifts = shift_ratio(embeddings, classes, names, clusters, draws)
    if ratio.value is None:
        return Outcome(
            "skipped", "The classes do not differ in these embeddings: there is no distance to use."
        )
    right = _elsewhere(embeddings, classes, names)
    low = ratio.low if ratio.low is not None else ratio.value
    verdict = graded(low, limits.warn_ratio, limits.fail_ratio)
    field = np.full(len(frame), np.nan)
    field[used] = shifts[classes, names]
    table = _table(shifts, labels, classes, names)
    return Outcome(
        verdict,
        f"Domains move embeddings {told(ratio)} times as far as labels do; centring each domain leaves "
        f"{told(after)}.",
        numbers={
            "ratio": spread(ratio, int(used.sum())),
            "ratio after centring": spread(after, int(used.sum())),
            "accuracy in an unseen domain": right[0],
            "accuracy in an unseen domain after centring": right[1],
            "domains": int(names.max() + 1),
        },
        findings=_findings(frame, field, table, verdict != "pass", limits),
        fields={"shift": field},
        tables={"shifts": table},
    )


def shift_ratio(
    embeddings: Floats, classes: Codes, names: Codes, clusters: Codes, draws: Draws
) -> tuple[Estimate, Estimate, Floats]:
    """Return root mean squared shift over class distance: as they are, centred, and of each pair.

    `embeddings` is (n, d); every class must have rows of every domain; pairs are (classes, domains). A ratio
    is 0 where the shift is less than the uncertainty of the means, and None where the class distance is.
    """
    found = _means(embeddings, classes, names, clusters, draws)
    raw, distances = _squared(found, centred=False)
    if not distances[0] > 0:
        return Estimate(None), Estimate(None), np.zeros(found.variances.shape)
    distances = np.where(distances > 0, distances, np.nan)
    ratios = [
        estimate(np.sqrt(np.maximum(squares.mean((1, 2)), 0) / distances), draws)
        for squares in (raw, _squared(found, centred=True)[0])
    ]
    return ratios[0], ratios[1], np.sqrt(np.maximum(raw[0], 0) / distances[0])


def _pairs(frame: pd.DataFrame, usable: Mask, least: int) -> tuple[Codes, Codes, dict[str, list[str]]]:
    """Return codes of class and domain, -1 where left out: every class kept has rows in every domain kept."""
    column = "label" if frame["label"].notna().any() else "expression"
    table = pd.crosstab(frame.loc[usable, column], frame.loc[usable, "domain"])
    enough = table >= least
    # Domains that lack a class go first; where that leaves fewer than two, classes that few domains have.
    best: tuple[int, list[str], list[str]] = (0, [], [])
    order = enough.sum(axis=1).sort_values(ascending=False, kind="stable").index
    for kept in range(2, len(order) + 1):
        rows = sorted(order[:kept])
        columns = [str(name) for name in table.columns if enough.loc[rows, name].all()]
        size = int(table.loc[rows, columns].to_numpy().sum()) if len(columns) > 1 else 0
        best = max(best, (size, rows, columns))
    _, kinds, places = best
    classes, names = coded(frame[column], kinds), coded(frame["domain"], places)
    classes[~usable] = names[~usable] = -1
    return classes, names, {"classes": kinds, "domains": places}


def _means(embeddings: Floats, classes: Codes, names: Codes, clusters: Codes, draws: Draws) -> _Means:
    shape = (int(classes.max()) + 1, int(names.max()) + 1)
    many = 1 + (draws.count if len(np.unique(clusters)) > 1 else 0)
    means = np.full((many, *shape, embeddings.shape[1]), np.nan)
    variances = np.full(shape, np.nan)
    for c, d in np.ndindex(*shape):
        mine = (classes == c) & (names == d)
        sums = drawn_sums(np.column_stack([embeddings[mine], np.ones(mine.sum())]), clusters[mine], draws)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = sums[:, :-1] / sums[:, -1:]
        means[:, c, d] = found if len(found) == many else found[0]
        variances[c, d] = _variance(embeddings[mine] - found[0], clusters[mine])
    return _Means(means, variances)


def _variance(away: Floats, clusters: Codes) -> float:
    """Return the variance of a mean, summed over d, from rows less it, (n, d); NaN for one cluster."""
    numbers, places = np.unique(clusters, return_inverse=True)
    if len(numbers) < 2:
        return float("nan")
    sums = np.zeros((len(numbers), away.shape[1]))
    np.add.at(sums, places, away)
    return float((sums**2).sum() / len(away) ** 2 * len(numbers) / (len(numbers) - 1))


def _squared(found: _Means, centred: bool) -> tuple[Floats, Floats]:
    """Return squared shifts (draws, classes, domains) and mean squared class distances (draws), unbiased.

    With `centred`, every domain's shift is taken off first: the mean of its classes' shifts, each class
    weighing the same. Variances go through the same sums as the means do, with squared weights. A draw's
    means vary once more around those of the rows, so what is subtracted from it is subtracted twice.
    """
    means, variances = found.means, np.nan_to_num(found.variances)
    count, places = variances.shape
    centres = means.mean(2, keepdims=True)
    shifts = means - centres
    across, within = (np.eye(places) - 1 / places) ** 2, np.eye(count)
    if centred:
        shifts = shifts - shifts.mean(1, keepdims=True)
        within = (within - 1 / count) ** 2
    centre = centres[:, :, 0]
    # The mean squared distance of two classes is twice their variance (of count - 1 degrees of freedom).
    distances = 2 * ((centre - centre.mean(1, keepdims=True)) ** 2).sum((1, 2)) / (count - 1)
    noise = 2 * (variances.sum(1) / places**2).mean()
    times = np.full(len(means), 2.0)
    times[0] = 1.0
    squares = (shifts**2).sum(-1) - times[:, None, None] * (within @ variances @ across)
    return squares, distances - times * noise


def _centres(embeddings: Floats, classes: Codes, names: Codes) -> Floats:
    """Return each domain's centre, (domains, d): the mean of its class means, whatever its mix."""
    return np.stack(
        [
            np.mean(
                [embeddings[(classes == c) & (names == d)].mean(0) for c in np.unique(classes[names == d])], 0
            )
            for d in range(int(names.max()) + 1)
        ]
    )


def _elsewhere(embeddings: Floats, classes: Codes, names: Codes) -> tuple[float, float]:
    """Return the balanced accuracy of the nearest class mean in unseen domains, raw and centred."""
    centred = embeddings - _centres(embeddings, classes, names)[names]
    found = []
    for given in (embeddings, centred):
        right = []
        for d in range(int(names.max()) + 1):
            there, rest = names == d, names != d
            means = np.stack([given[rest & (classes == c)].mean(0) for c in range(int(classes.max()) + 1)])
            nearest = (given[there] @ means.T - (means**2).sum(1) / 2).argmax(1)
            truth = classes[there]
            right.append(np.mean([(nearest[truth == c] == c).mean() for c in np.unique(truth)]))
        found.append(float(np.mean(right)))
    return found[0], found[1]


def _table(shifts: Floats, labels: dict[str, list[str]], classes: Codes, names: Codes) -> pd.DataFrame:
    cells = [(d, c) for d in range(shifts.shape[1]) for c in range(shifts.shape[0])]
    return pd.DataFrame(
        {
            "domain": [labels["domains"][d] for d, _ in cells],
            "class": [labels["classes"][c] for _, c in cells],
            "rows": [int(((classes == c) & (names == d)).sum()) for d, c in cells],
            "shift": [float(shifts[c, d]) for d, c in cells],
        }
    )


def _findings(
    frame: pd.DataFrame, field: Floats, table: pd.DataFrame, wrong: bool, limits: DomainThresholds
) -> list[Finding]:
    if not wrong:
        return []
    worst = table.groupby("domain")["shift"].max().sort_values(ascending=False)
    return [
        Finding(
            tuple(frame.loc[(frame["domain"] == name) & ~np.isnan(field), "sample_id"].head(limits.shown)),
            f"domain {name} lies {shift:.2f} class distances off the others: a detector can tell the domain "
            "more easily than the label; centre each domain's embeddings, or balance what it shows",
            float(shift),
        )
        for name, shift in worst.items()
        if shift > limits.warn_ratio
    ]


DOMAINS = Audit(
    name="domains",
    title="Domain bias",
    about=(
        "How far the domain moves the embeddings of one class, beside how far the classes lie apart, and "
        "what is left when every domain is centred: the larger, the less a detector carries over."
    ),
    run=domains,
    thresholds=DomainThresholds,
    needs=("embeddings",),
    source="UMFC, NeurIPS 2024 (arXiv 2411.06921): unsupervised multi-domain feature calibration",
)
