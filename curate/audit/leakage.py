"""Leakage: what stands in two splits by what the rows declare of themselves.

The things that may not part are those of datasets/versions/disjoint.py, by which splits are made and
validated; here every row is counted and marked. A row in no split leaks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.grouping import graded, members, numbered, percent

__all__ = ["SOURCE_LEAKAGE", "SUBJECT_LEAKAGE", "LeakageThresholds", "source_leakage", "subject_leakage"]

_SEVERAL = {"person": "persons", "family": "families", "video": "videos", "picture": "pictures"}


class LeakageThresholds(Thresholds):
    """How much leakage is borne."""

    fail: float = Field(0.0, ge=0, le=1, description="share of rows that share something with another split")


def subject_leakage(rows: Rows, thresholds: LeakageThresholds) -> Outcome:
    """Find persons who stand in two splits, by who presents a face and by whose face is shown.

    A subject's name holds within its source dataset. A mask or a swap shows the face of another person
    (`attributes.identity`), who is a person too.
    """
    frame = rows.frame
    shown = [None if one is None else one.get("identity") for one in frame["attributes"]]
    dataset = frame["source_dataset"].fillna("")
    people = pd.DataFrame(
        {
            "row": np.tile(np.arange(len(frame)), 2),
            "thing": [*frame["person"], *_joined(dataset, shown)],
        }
    ).dropna()
    if people.empty:
        return Outcome("skipped", "no row names its subject")
    return _outcome(frame, {"person": people}, thresholds, unknown=int(frame["person"].isna().sum()))


def source_leakage(rows: Rows, thresholds: LeakageThresholds) -> Outcome:
    """Find families, videos and pictures that stand in two splits.

    A family is a parent with all that was made of it; a video is the frames of one file; a picture is known
    by its bytes, and by its pixels where these were looked at.
    """
    frame = rows.frame
    place = np.arange(len(frame))
    video = frame["source_key"].where(frame["source_frame"].notna(), None)
    # Equal bytes are equal pixels, so the hash of the pixels alone tells, where they were looked at.
    picture = frame["pixel_hash"].where(frame["pixel_hash"].notna(), frame["content_hash"])
    things = {
        "family": pd.DataFrame({"row": place, "thing": frame["family"]}),
        "video": pd.DataFrame({"row": place, "thing": video}).dropna(),
        "picture": pd.DataFrame({"row": place, "thing": picture}),
    }
    return _outcome(frame, things, thresholds)


def _joined(dataset: pd.Series, shown: list[object]) -> list[str | None]:
    return [None if one is None else f"{where}\0{one}" for where, one in zip(dataset, shown, strict=True)]


def _outcome(
    frame: pd.DataFrame, things: Mapping[str, pd.DataFrame], thresholds: LeakageThresholds, unknown: int = 0
) -> Outcome:
    split = numbered(frame["split"])
    names = list(pd.unique(frame["split"].dropna()))
    if len(names) < 2:
        return Outcome("skipped", "the rows are not in two splits")
    ids = frame["sample_id"].to_numpy()
    leaks = np.zeros(len(frame), bool)
    findings, numbers, told = [], {}, []
    for kind, rows in things.items():
        leaking = _in_several(rows, split, len(names))
        several = _SEVERAL[kind]
        numbers[several] = int(rows["thing"].nunique())
        numbers[f"{several}_leaking"] = int(leaking["thing"].nunique())
        told += [f"{numbers[f'{several}_leaking']} {several}"] if len(leaking) else []
        leaks[leaking["row"]] = True
        rows_of = leaking.reset_index(drop=True)
        for found in members(numbered(rows_of["thing"])):
            places = np.unique(rows_of["row"].to_numpy()[found])
            thing = str(rows_of["thing"].iloc[found[0]])
            findings.append(_finding(kind, thing, frame.iloc[places], ids[places]))
    share = float(leaks[split >= 0].mean())
    said = f"{' and '.join(told)} stand in two splits" if told else "nothing stands in two splits"
    said += f" ({percent(share)} of the rows)" if told else ""
    if unknown:
        said += f"; {unknown} rows name no subject, and were not compared"
    counts = [(split == number) & leaks for number in range(len(names))]
    sizes = np.bincount(split[split >= 0], minlength=len(names))
    table = pd.DataFrame(
        {"split": names, "rows": sizes, "leaking": [int(one.sum()) for one in counts]},
    )
    return Outcome(
        graded(share, thresholds.fail, thresholds.fail),
        said,
        numbers={**numbers, "rows": int(leaks.sum()), "share": share, "unknown": unknown},
        findings=sorted(findings, key=lambda one: -one.score),
        fields={"leaks": leaks},
        tables={"splits": table},
    )


def _in_several(rows: pd.DataFrame, split: NDArray[np.int64], count: int) -> pd.DataFrame:
    """Return the rows of things that have rows in two splits; a row in no split is in none of them."""
    placed = rows[split[rows["row"]] >= 0].drop_duplicates()
    thing = numbered(placed["thing"])
    pairs = np.unique(thing * count + split[placed["row"]])
    several = np.bincount(pairs // count, minlength=int(thing.max(initial=-1)) + 1) > 1
    return placed[several[thing]]


def _finding(kind: str, thing: str, part: pd.DataFrame, ids: NDArray[np.object_]) -> Finding:
    counts = ", ".join(f"{number} in {name}" for name, number in part["split"].value_counts().items())
    dataset, _, name = thing.rpartition("\0")
    what = f"{kind} {name}" + (f" of {dataset}" if dataset else "")
    if kind == "picture":
        what = "one picture"
    elif kind == "video":
        what = f"video {part['source_file'].iloc[0]}"
    mend = "split again by subject" if kind == "person" else "keep it in one split"
    return Finding(tuple(ids), f"{what}: {counts}; {mend}", float(len(part)))


SUBJECT_LEAKAGE = Audit(
    name="subject-leakage",
    title="Subjects across splits",
    about="Persons who are in two splits. A detector that knows the face need not know the attack, and "
    "scores on it say nothing about strangers.",
    run=subject_leakage,
    thresholds=LeakageThresholds,
    source="subject-disjoint protocols: ISO/IEC 30107-3; Kapoor and Narayanan, Leakage, Patterns 4, 2023",
)

SOURCE_LEAKAGE = Audit(
    name="source-leakage",
    title="Families, videos and pictures across splits",
    about="A parent and what was made of it, frames of one video, or one picture, in two splits.",
    run=source_leakage,
    thresholds=LeakageThresholds,
    wants=("pixels",),
    source="Kapoor and Narayanan, Leakage and the reproducibility crisis in machine-learning-based science, "
    "Patterns 4, 2023",
)
