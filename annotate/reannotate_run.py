"""A run of re-annotation: a dataset and recorded answers in, a version with adjudicated labels out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Literal

from facedata.annotate.adjudicate import STATED
from facedata.annotate.reannotate import (
    THRESHOLD,
    Adjudicated,
    Review,
    reannotate_expressions,
    reannotate_units,
    write_csv,
)
from facedata.annotate.votes import gather
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import read_records
from facedata.datasets.versions.derive import Derived, Writing
from facedata.datasets.versions.edit import Author, apply_edits
from facedata.datasets.versions.edits_file import Edit

__all__ = ["Kind", "parse_reliability", "reannotate"]

Kind = Literal["au", "expression"]


def reannotate(
    kind: Kind,
    source: Path,
    answers: Sequence[Path],
    target: Path,
    review: Path,
    *,
    threshold: float = THRESHOLD,
    stated: Mapping[str, float] | None = None,
    writing: Writing | None = None,
) -> tuple[Derived, Adjudicated]:
    """Write `source` with adjudicated labels as `target`, and what people are to look at as `review`, a CSV.

    `answers` are datasets with instruction records; those that `source` has itself count too. The labels are
    edits, kept in curation/edits.csv of the new version like those of people; `answers` are parents of it.
    Raises UsageError where no row has a label or a detection to start from.
    """
    dataset, read = Dataset.open(source), [Dataset.open(one) for one in answers]
    records = itertools.chain.from_iterable(read_records(one.root) for one in (dataset, *read))
    found = gather(records)
    decide = reannotate_units if kind == "au" else reannotate_expressions
    result = decide(dataset, found, threshold=threshold, stated=stated)
    if not set(result.counts) & {"accepted", "review", "truth"}:
        what = "action units" if kind == "au" else "an expression"
        raise UsageError(
            f"no row of {source} has {what} from people or a detector, and models alone assert nothing; "
            "join a detector's output first (facedata join)"
        )
    edits = [
        Edit(f"adjudication:{number}", *astuple(edit)) for number, edit in enumerate(result.edits, start=1)
    ]
    told = {"adjudicated": kind, "threshold": threshold, "reliability": dict(stated or {})}
    derived = apply_edits(dataset, edits, target, writing=writing, author=Author("annotate", told, read))
    write_csv(result.reviews, Review, review)
    return derived, result


def parse_reliability(text: str | None) -> dict[str, float]:
    """Return the shares of `human=0.95,model=0.5`; raise UsageError where it is not of that form.

    >>> parse_reliability("human=0.95,model=0.5")
    {'human': 0.95, 'model': 0.5}
    """
    found = {}
    for pair in filter(None, (text or "").split(",")):
        kind, equals, share = pair.partition("=")
        try:
            found[kind.strip()] = float(share)
        except ValueError:
            equals = ""
        if not equals or kind.strip() not in STATED:
            raise UsageError(f"--reliability {pair!r} is not KIND=SHARE with a kind of {', '.join(STATED)}")
    return found
