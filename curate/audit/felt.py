"""The gap between what a face expresses and what its owner says was felt.

`attributes.felt_expression`, `felt_valence` and `felt_arousal` stand beside `expression`, `valence` and
`arousal`. The two are different facts: a detector of expressions trained on felt labels learns what does not
show, and one of feelings trained on expressions learns masks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from facedata.annotate.score.agreement import kappa
from facedata.annotate.score.bootstrap import Draws, Estimate, estimate
from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds, Verdict
from facedata.curate.audit.clusters import Codes, Floats, Mask, clusters_of, coded, drawn_sums, spread, told
from facedata.curate.audit.grouping import graded

__all__ = ["FELT", "FeltThresholds", "felt"]

_ORDER: tuple[Verdict, ...] = ("pass", "warn", "fail")


class FeltThresholds(Thresholds):
    """How far felt and expressed labels may part before one cannot stand for the other."""

    warn_share: float = Field(
        0.1, description="warn where the lower end of the share that differs exceeds it"
    )
    fail_share: float = Field(0.5, description="fail where it exceeds this: the labels say different things")
    warn_distance: float = Field(
        0.25, description="warn where felt valence or arousal lie farther off on average (lower end)"
    )
    copied: int = Field(100, description="rows from which two labels that never differ look like one, copied")
    least: int = Field(10, description="rows with both labels under which nothing is measured", ge=2)
    draws: int = Field(500, description="draws of clusters for intervals", ge=20)
    seed: int = 0
    shown: int = Field(100, description="findings at most")


def felt(rows: Rows, limits: FeltThresholds) -> Outcome:
    """Return how often felt and expressed labels differ, and how far felt valence and arousal lie off.

    Numbers: `differs` (share of rows), `kappa`, and the mean absolute distance of `valence` and `arousal`
    (both in [-1, 1]), with 95 % intervals from whole clusters. Field `gap`: 1 or 0 for the emotion, else the
    larger of the two distances; NaN where a row lacks a pair of labels.
    """
    frame = rows.frame
    clusters, draws = clusters_of(frame), Draws(count=limits.draws, seed=limits.seed)
    said = _attribute(frame, "felt_expression")
    both = (frame["expression"].notna() & said.notna()).to_numpy()
    gap = np.full(len(frame), np.nan)
    numbers: dict[str, Any] = {}
    tables: dict[str, pd.DataFrame] = {}
    parts: list[str] = []
    verdicts: list[Verdict] = ["pass"]
    findings: list[Finding] = []
    if both.sum() >= limits.least:
        shown, inner = frame.loc[both, "expression"].astype(str), said[both].astype(str)
        differs, agreement = _emotions(shown, inner, clusters[both], draws)
        gap[both] = (shown != inner).to_numpy(float)
        numbers |= {"differs": spread(differs, both.sum()), "kappa": spread(agreement, both.sum())}
        tables["felt by expression"] = (
            pd.crosstab(shown, inner).rename_axis("expression").rename_axis(columns=None).reset_index()
        )
        parts.append(f"felt and expressed emotion differ in {told(differs)} of {both.sum()} rows")
        verdicts.append(graded(differs.low or 0.0, limits.warn_share, limits.fail_share))
        if not gap[both].any() and both.sum() >= limits.copied:
            verdicts.append("warn")
            findings.append(_copied(frame, both))
    for name in ("valence", "arousal"):
        value, inside = frame[name].to_numpy(float), _numeric(_attribute(frame, f"felt_{name}"))
        there = np.isfinite(value) & np.isfinite(inside)
        if there.sum() < limits.least:
            continue
        away = np.abs(value - inside)
        distance = _mean(away[there], clusters[there], draws)
        gap[there] = np.fmax(gap[there], away[there])
        numbers[name] = spread(distance, there.sum())
        parts.append(f"felt {name} lies {told(distance)} off")
        verdicts.append("warn" if (distance.low or 0.0) > limits.warn_distance else "pass")
    if not parts:
        return Outcome(
            "skipped",
            f"Under {limits.least} rows have a felt label (attributes.felt_expression, felt_valence, "
            "felt_arousal) beside an expressed one.",
        )
    verdict = max(verdicts, key=_ORDER.index)
    if verdict != "pass":
        findings += _findings(frame, said, gap, limits.shown)
    text = "; ".join(parts)
    return Outcome(verdict, f"{text[0].upper()}{text[1:]}.", numbers, findings, {"gap": gap}, tables)


def _emotions(shown: pd.Series, inner: pd.Series, clusters: Codes, draws: Draws) -> tuple[Estimate, Estimate]:
    names = sorted({*shown, *inner})
    size = len(names)
    cells = np.zeros((len(shown), size * size))
    places = coded(shown, names) * size + coded(inner, names)
    cells[np.arange(len(shown)), places] = 1
    sums = drawn_sums(cells, clusters, draws).reshape(-1, size, size)
    same = np.trace(sums, axis1=1, axis2=2) / sums.sum((1, 2))
    return estimate(1 - same, draws), estimate(kappa(sums), draws)


def _mean(values: Floats, clusters: Codes, draws: Draws) -> Estimate:
    sums = drawn_sums(np.stack([values, np.ones_like(values)], 1), clusters, draws)
    return estimate(sums[:, 0] / sums[:, 1], draws)


def _attribute(frame: pd.DataFrame, name: str) -> pd.Series:
    found = [None if row is None else row.get(name) for row in frame["attributes"]]
    return pd.Series(found, index=frame.index, dtype=object)


def _numeric(column: pd.Series) -> Floats:
    numbers = [
        float(one) if isinstance(one, int | float) and not isinstance(one, bool) else np.nan for one in column
    ]
    return np.array(numbers, dtype=np.float64)


def _copied(frame: pd.DataFrame, both: Mask) -> Finding:
    return Finding(
        tuple(frame.loc[both, "sample_id"].head(3)),
        f"felt and expressed emotion are the same in all {both.sum()} rows: people mask what they feel more "
        "often than that, so look whether one was copied from the other",
        2.0,
    )


def _findings(frame: pd.DataFrame, said: pd.Series, gap: Floats, shown: int) -> list[Finding]:
    order = np.argsort(-np.nan_to_num(gap), kind="stable")[:shown]
    return [
        Finding(
            (str(frame["sample_id"].iloc[row]),),
            f"shows {frame['expression'].iloc[row] or 'no expression'}, felt {said.iloc[row] or 'not named'} "
            f"(gap {gap[row]:.2f}): keep the two labels apart",
            float(gap[row]),
        )
        for row in order
        if gap[row] > 0
    ]


FELT = Audit(
    name="felt",
    title="Felt and expressed emotion",
    about=(
        "How often people felt something else than their face shows, where a dataset has both labels: how "
        "wrong it would be to train on one as if it were the other."
    ),
    run=felt,
    thresholds=FeltThresholds,
    source="EMER (eye-behaviour-aided emotion recognition): felt and expressed emotion labelled apart",
)
