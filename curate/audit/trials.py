"""Where answers of several annotators come from: labels, detectors, models, and files of people.

A dataset's own rows say what people and detectors found; instruction records say what models answered. A file
is a CSV with the columns sample_id, annotator, question, answer and, where it is known, confidence (0-1), or
the list for review that `facedata annotate` writes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from facedata.annotate.votes import Answers, Votes, expression_votes, unit_votes
from facedata.datasets.errors import SourceError
from facedata.datasets.sample import Sample

__all__ = ["COLUMNS", "read_trials", "trials_of"]

COLUMNS = ("sample_id", "annotator", "question", "answer", "confidence")
_REVIEW = {"sid", "field", "votes"}
_NEEDED = set(COLUMNS[:4])


def trials_of(samples: Iterable[Sample], answers: Answers) -> pd.DataFrame:
    """Return what each source says of each sample: questions are `expression` and `au.<number>`.

    A row's own label is the answer of `label` (or of `truth` where it was rendered); models that were told
    the label are left out, since they repeat it. Confidence is NaN: votes have none.
    """
    rows: list[tuple[str, str, str, str, float]] = []
    kinds: dict[str, str] = {}
    for sample in samples:
        given = answers.get(sample.sample_id, ())
        asked = {f"au.{au}": votes for au, votes in unit_votes(sample, given, kinds).items()}
        asked["expression"] = expression_votes(sample, given, kinds)
        for question, votes in asked.items():
            rows += [(sample.sample_id, who, question, answer, float("nan")) for who, answer in _said(votes)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_trials(path: Path) -> pd.DataFrame:
    """Return the answers of a file; raise SourceError that names the line where it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = set(reader.fieldnames or ())
            if not (names >= _NEEDED or names >= _REVIEW):
                raise SourceError(
                    f"{path}: the columns {', '.join(sorted(_NEEDED - names))} are missing; a file of "
                    f"answers has {', '.join(COLUMNS)}"
                )
            read = _reviewed if names >= _REVIEW else _answered
            rows = [one for line, row in enumerate(reader, 2) for one in read(row, f"{path}:{line}")]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read as CSV in UTF-8: {error}") from None
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _said(votes: Votes) -> Iterator[tuple[str, str]]:
    if votes.label is not None:
        yield ("truth" if votes.origin == "truth" else "label"), votes.label
    for source, said in votes.independent.items():
        for answer in said:
            yield source, answer


def _answered(row: dict[str, Any], place: str) -> Sequence[tuple[str, str, str, str, float]]:
    values = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if empty := [name for name in COLUMNS[:4] if not values[name]]:
        raise SourceError(f"{place}: {', '.join(empty)} is empty; leave the line out where nothing was said")
    try:
        confidence = float(values["confidence"]) if values["confidence"] else float("nan")
    except ValueError:
        raise SourceError(f"{place}: confidence {values['confidence']!r} is not a number, 0-1") from None
    if not (confidence != confidence or 0 <= confidence <= 1):
        raise SourceError(f"{place}: confidence {confidence:g} is not in 0-1")
    return [(values["sample_id"], values["annotator"], values["question"], values["answer"], confidence)]


def _reviewed(row: dict[str, Any], place: str) -> Sequence[tuple[str, str, str, str, float]]:
    """Return the votes of a line for review, but those of models that were told the label."""
    try:
        votes = json.loads(row["votes"])
        heard = {who: said for who, said in votes.items() if said is not None and not who.endswith(" (told)")}
    except (TypeError, ValueError, AttributeError):
        raise SourceError(f"{place}: votes are not a JSON object of sources and answers") from None
    return [
        (row["sid"], who, row["field"], str(answer), float("nan"))
        for who, said in heard.items()
        for answer in (said if isinstance(said, list) else [said])
    ]
