"""Exact duplicates: one picture that stands in a dataset twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import Field

from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.grouping import (
    components,
    disagreeing,
    graded,
    linked,
    members,
    named,
    percent,
    where,
)

__all__ = ["EXACT_DUPLICATES", "ExactThresholds", "exact_duplicates"]


class ExactThresholds(Thresholds):
    """How many copies are borne."""

    warn: float = Field(0.0, ge=0, le=1, description="share of rows that copy another one")
    fail: float = Field(0.01, ge=0, le=1, description="share of rows that copy another one")


def exact_duplicates(rows: Rows, thresholds: ExactThresholds) -> Outcome:
    """Find rows of the same bytes, and rows of the same pixels in other bytes.

    A copy counts however it came about: a file under two names, one picture from two sources, an operator
    that did nothing. The first row of a group is the original, the others copy it. Copies of one picture that
    disagree on the label or the attack fail whatever their share: one of them is wrong.
    """
    frame, count = rows.frame, len(rows)
    group = components(count, [linked(frame["content_hash"]), linked(frame["pixel_hash"])])
    copy = group != np.arange(count)
    ids = frame["sample_id"].to_numpy()
    conflict = disagreeing(group, frame["label"]) | disagreeing(group, frame["attack"])
    disagree = len(np.unique(group[conflict]))
    findings = []
    for found in members(group, conflict):
        detail = f"{len(found)} rows are one picture; keep one"
        if conflict[found[0]]:
            said = pd.concat([frame["label"].iloc[found], frame["attack"].iloc[found]]).dropna()
            detail = (
                f"{len(found)} rows are one picture, and it is labelled {named(said)}; find out which is true"
            )
        findings.append(Finding(tuple(ids[found]), detail, float(len(found) + count * conflict[found[0]])))
    share = float(copy.mean()) if count else 0.0
    said = f"{copy.sum()} of {count} rows ({percent(share)}) copy another row"
    if disagree:
        said += f", and copies of {disagree} pictures disagree on the label"
    grouped = np.isin(group, group[copy])
    return Outcome(
        "fail" if disagree else graded(share, thresholds.warn, thresholds.fail),
        said,
        numbers={
            "copies": int(copy.sum()),
            "share": share,
            "groups": len(np.unique(group[copy])),
            "disagreeing": disagree,
            "pixels_known": int(frame["pixel_hash"].notna().sum()),
        },
        findings=findings,
        fields={"copy": copy, "group": where(grouped, ids[group])},
    )


EXACT_DUPLICATES = Audit(
    name="exact-duplicates",
    title="Exact duplicates",
    about="Rows that are one picture: the same bytes, or the same pixels in other bytes. They weigh double "
    "in training and, across splits, are scored on what was learnt by heart.",
    run=exact_duplicates,
    thresholds=ExactThresholds,
    wants=("pixels",),
)
