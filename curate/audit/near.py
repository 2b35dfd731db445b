"""Near duplicates: pictures that are almost one, and that nothing declares to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from facedata.curate.audit.base import Audit, Finding, Neighbours, Outcome, Rows, Thresholds
from facedata.curate.audit.grouping import (
    components,
    disagreeing,
    graded,
    members,
    named,
    numbered,
    percent,
    where,
)

__all__ = [
    "NEAR_DUPLICATES",
    "NEAR_LEAKAGE",
    "NearDuplicateThresholds",
    "NearLeakageThresholds",
    "NearThresholds",
    "near_duplicates",
    "near_leakage",
]

_SAME = 1 - 1e-6  # cosine of vectors that are one but for rounding


class NearThresholds(Thresholds):
    """From where on two pictures are near."""

    cosine: float = Field(
        0.97, gt=0, le=1, description="cosine of embeddings; what is near depends on the embedder"
    )


class NearDuplicateThresholds(NearThresholds):
    """How many near duplicates are borne."""

    warn: float = Field(0.01, ge=0, le=1, description="share of rows with an undeclared near duplicate")
    fail: float = Field(0.1, ge=0, le=1, description="share of rows with an undeclared near duplicate")


class NearLeakageThresholds(NearThresholds):
    """How much of a split may be known from another one."""

    warn: float = Field(0.0, ge=0, le=1, description="share of a split's rows that are near another split's")
    fail: float = Field(0.01, ge=0, le=1, description="share of a split's rows that are near another split's")


def near_duplicates(rows: Rows, thresholds: NearDuplicateThresholds) -> Outcome:
    """Find groups of pictures that hang together by nearness.

    A parent and its variants are near by design, frames of one video by nature: such pairs are counted and
    are no finding. Groups whose labels differ come first: one label may be wrong, or a detector that is
    trained on both must tell apart what the embedder hardly can.
    """
    frame, count = rows.frame, len(rows)
    first, second, cosine = _pairs(rows.neighbours, thresholds.cosine)
    family, video = numbered(frame["family"]), _video(frame)
    declared = family[first] == family[second]
    filmed = ~declared & (video[first] >= 0) & (video[first] == video[second])
    loose = ~declared & ~filmed
    first, second, cosine = first[loose], second[loose], cosine[loose]
    group = components(count, [(first, second)])
    grouped = np.bincount(group, minlength=count)[group] > 1
    ids = frame["sample_id"].to_numpy()
    closest = np.full(count, np.nan)
    np.fmax.at(closest, np.concatenate([first, second]), np.concatenate([cosine, cosine]).astype(np.float64))
    differ = disagreeing(group, frame["label"])
    disagree = len(np.unique(group[differ]))
    share = float(grouped.mean())
    verdict = graded(share, thresholds.warn, thresholds.fail)
    said = f"{grouped.sum()} of {count} rows ({percent(share)}) have a near duplicate that nothing declares"
    if disagree:
        verdict = "warn" if verdict == "pass" else verdict
        said += f"; the labels of {disagree} groups differ"
    return Outcome(
        verdict,
        said,
        numbers={
            "rows": int(grouped.sum()),
            "share": share,
            "groups": len(np.unique(group[grouped])),
            "disagreeing": disagree,
            "pairs": len(first),
            "pairs_in_families": int(declared.sum()),
            "pairs_in_videos": int(filmed.sum()),
            "recall": dict(rows.neighbours.recall) if rows.neighbours else None,
        },
        findings=_groups(frame, group, closest, differ),
        fields={"group": where(grouped, ids[group]), "cosine": closest},
    )


def near_leakage(rows: Rows, thresholds: NearLeakageThresholds) -> Outcome:
    """Find rows that are near a row of another split, whatever the rows declare of each other."""
    frame, count = rows.frame, len(rows)
    split = numbered(frame["split"])
    names = list(pd.unique(frame["split"].dropna()))
    if len(names) < 2:
        return Outcome("skipped", "the rows are not in two splits")
    first, second, cosine = _pairs(rows.neighbours, thresholds.cosine)
    # Of equal vectors the search lists those pairs alone that hold the first of them: they stand as one.
    equal = components(count, [(first[cosine >= _SAME], second[cosine >= _SAME])])
    holds = np.zeros((count, len(names)), bool)
    placed = split >= 0
    holds[equal[placed], split[placed]] = True
    near = holds.copy()
    for here, there in ((first, second), (second, first)):
        np.logical_or.at(near, equal[here], holds[equal[there]])
    elsewhere = near[equal] & (np.arange(len(names)) != split[:, None]) & placed[:, None]
    leaks = elsewhere.any(axis=1)
    sizes = np.bincount(split[placed], minlength=len(names))
    shares = np.bincount(split[leaks], minlength=len(names)) / sizes
    crossing = leaks[first] & leaks[second]
    group = components(count, [(first[crossing], second[crossing])])
    group[~leaks] = -1
    ids = frame["sample_id"].to_numpy()
    findings = []
    for found in members(group):
        part = frame["split"].iloc[found]
        counts = ", ".join(f"{number} of {name}" for name, number in part.value_counts().items())
        detail = f"near pictures stand in several splits: {counts}; keep them in one"
        findings.append(Finding(tuple(ids[found]), detail, float(len(found))))
    worst = int(shares.argmax())
    said = f"{leaks.sum()} rows are near a row of another split"
    said += f"; most in {names[worst]}: {percent(float(shares[worst]))} of it" if leaks.any() else ""
    table = pd.DataFrame(
        {
            "split": names,
            "rows": sizes,
            "near another split": np.bincount(split[leaks], minlength=len(names)),
            "share": shares,
        }
    )
    others = (
        [", ".join(str(names[one]) for one in np.flatnonzero(row)) or None for row in elsewhere]
        if leaks.any()
        else [None] * count
    )
    return Outcome(
        graded(float(shares.max()), thresholds.warn, thresholds.fail),
        said,
        numbers={"rows": int(leaks.sum()), "worst_share": float(shares.max())},
        findings=findings,
        fields={"leaks": leaks, "other_splits": np.array(others, object)},
        tables={"splits": table},
    )


def _pairs(
    neighbours: Neighbours | None, cosine: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    if neighbours is None:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    near = neighbours.cosine >= cosine
    return neighbours.first[near], neighbours.second[near], neighbours.cosine[near]


def _video(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return the video of each row as a number, -1 where it came from a picture."""
    return np.where(frame["source_frame"].notna(), numbered(frame["source_key"]), -1)


def _groups(
    frame: pd.DataFrame, group: NDArray[np.int64], closest: NDArray[np.float64], differ: NDArray[np.bool_]
) -> list[Finding]:
    """Return findings of the groups, those first of which the labels differ."""
    ids, findings = frame["sample_id"].to_numpy(), []
    for found in members(group, differ):
        detail = f"{len(found)} rows are almost one picture (cosine up to {closest[found].max():.3f})"
        if differ[found[0]]:
            detail += f", labelled {named(frame['label'].iloc[found])}; look which is true"
        else:
            detail += "; keep one, or declare them"
        findings.append(Finding(tuple(ids[found]), detail, float(len(found) + len(frame) * differ[found[0]])))
    return findings


NEAR_DUPLICATES = Audit(
    name="near-duplicates",
    title="Near duplicates",
    about="Pictures that are almost one (by the cosine of their embeddings) though neither is declared to "
    "come from the other. They weigh double, and make a random split easier than the world.",
    run=near_duplicates,
    thresholds=NearDuplicateThresholds,
    needs=("neighbours",),
    source="search: Johnson, Douze and Jegou, Billion-scale similarity search with GPUs, 2019",
)

NEAR_LEAKAGE = Audit(
    name="near-leakage",
    title="Near duplicates across splits",
    about="Pictures of one split that are almost a picture of another one. What is scored on them is memory.",
    run=near_leakage,
    thresholds=NearLeakageThresholds,
    needs=("neighbours",),
    source="Barz and Denzler, Do we train on test data? Purging CIFAR of near-duplicates, J. Imaging 6, 2020",
)
