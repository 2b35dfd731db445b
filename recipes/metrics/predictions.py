"""Predictions: what a model said of samples, as a table that any trainer can write.

A row names a sample (`sample_id`) and gives one or more of

    score             how bona fide it looks; any real number, higher is more bona fide
    expression        the name of an expression
    au<N>             how probable it is that action unit N shows, 0 to 1
    au<N>_intensity   the unit's intensity, 0 to 5
    valence, arousal  -1 to 1
    heart_rate        beats a minute

and, where models of several folds are in one table, `fold`, the name of the protocol. `split` stands in for
the dataset's own split, where a fold was cut in another way. Any other column is left alone.

This is where training meets evaluation: a recipe's `score(model, dataset)` returns `Predictions`, and
`write` makes the file that `facedata eval --scores` reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError, TargetError
from facedata.datasets.items import printable
from facedata.datasets.record import Failure
from facedata.datasets.tables import open_table
from facedata.datasets.whole import whole

__all__ = ["AFFECT", "UNIT_COLUMN", "Predictions", "Scorer", "is_predicted", "read_predictions"]

UNIT_COLUMN = re.compile(r"au(\d{1,2})(_intensity)?")
AFFECT = ("valence", "arousal")
_KEYS = ("sample_id", "fold", "split")


class Scorer(Protocol):
    """What a recipe gives to be evaluated: what the model at `model` says of all rows of a dataset."""

    def __call__(self, model: Path, dataset: Dataset) -> Predictions:
        """Return a prediction for each row."""


@dataclass(frozen=True)
class Predictions:
    """Predictions of some samples: `table` has the columns above; `name` is for messages."""

    table: pd.DataFrame
    name: str

    @classmethod
    def of_scores(cls, ids: Sequence[str], scores: Iterable[float], name: str = "scores") -> Predictions:
        """Return scores in memory as predictions; SourceError says which cannot be used."""
        rows = [{"sample_id": one, "score": score} for one, score in zip(ids, scores, strict=True)]
        return _checked([(f"{name}[{number}]", row) for number, row in enumerate(rows)], name)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that hold predictions."""
        return tuple(name for name in self.table.columns if is_predicted(name))

    @property
    def folds(self) -> tuple[str, ...]:
        """The names in `fold`, sorted; none where the table has no such column."""
        return tuple(sorted(set(self.table["fold"]))) if "fold" in self.table.columns else ()

    def of_fold(self, fold: str) -> Predictions:
        """Return the predictions of one fold."""
        part = self.table[self.table["fold"] == fold]
        return Predictions(part.drop(columns="fold"), f"{self.name} (fold {fold})")

    def write(self, path: Path) -> None:
        """Write a table, Parquet or CSV by the file's ending."""
        try:
            with whole(path) as hidden:
                if path.suffix.lower() == ".parquet":
                    self.table.to_parquet(hidden, index=False)
                else:
                    self.table.to_csv(hidden, index=False)
        except OSError as error:
            raise TargetError(f"cannot write {path} ({error.strerror}); choose another place") from None


def is_predicted(column: str) -> bool:
    """Whether a column of this name holds predictions."""
    return column in ("score", "expression", "heart_rate", *AFFECT) or bool(UNIT_COLUMN.fullmatch(column))


def read_predictions(path: Path) -> Predictions:
    """Read a table of predictions: CSV, TSV, JSON lines or Parquet.

    Raises SourceError where it cannot be read, a value is missing, not a number or out of its range, or a
    sample stands in it twice (in one fold); the message names the first such line and counts the others.
    """
    if not path.is_file():
        raise SourceError(f"{path} is no file; give a table with the columns sample_id and score")
    return _checked(_read(path), path.name)


def _read(path: Path) -> list[tuple[str, dict[str, Any]]]:
    rows = []
    for found in open_table(path).rows():
        if isinstance(found, Failure):
            raise SourceError(found.reason)
        rows.append(found)
    return rows


def _checked(rows: Sequence[tuple[str, Mapping[str, Any]]], name: str) -> Predictions:
    if not rows:
        raise SourceError(f"{name} has no rows; it needs one for each sample that was scored")
    columns = list(dict.fromkeys(column for _, row in rows for column in row))
    if "sample_id" not in columns or not any(map(is_predicted, columns)):
        raise SourceError(
            f"{name} has the columns {', '.join(map(printable, columns))}; it needs sample_id, and score "
            "(or expression, au<N>, au<N>_intensity, valence, arousal, heart_rate)"
        )
    read = {one: _reader(one) for one in columns if one in _KEYS or is_predicted(one)}
    cells: dict[str, list[Any]] = {column: [] for column in read}
    faults: list[str] = []
    for where, row in rows:
        for column, reader in read.items():
            try:
                cells[column].append(reader(row.get(column)))
            except ValueError as error:
                of = printable(str(row.get("sample_id")))
                faults.append(f"{where}: {column} of {of} {error}")
                cells[column].append(None)
    _raise(faults, "mend or leave out such rows")
    table = pd.DataFrame(cells)
    _refuse_twice(table, [where for where, _ in rows])
    return Predictions(table, name)


def _refuse_twice(table: pd.DataFrame, places: Sequence[str]) -> None:
    keys = [name for name in ("sample_id", "fold") if name in table.columns]
    first: dict[Any, int] = {}
    faults = []
    for number, key in enumerate(table[keys].itertuples(index=False, name=None)):
        if (before := first.setdefault(key, number)) != number:
            faults.append(f"{places[number]}: {printable(key[0])} stands at {places[before]} already")
    _raise(faults, "keep one prediction of each sample")


def _raise(faults: Sequence[str], mend: str) -> None:
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise SourceError(f"{faults[0]}{more}; {mend}")


def _reader(column: str) -> Callable[[Any], Any]:
    if column in ("sample_id", "fold", "split", "expression"):
        return _word
    if column == "score":
        return lambda value: _number(value, -math.inf, math.inf)
    if column == "heart_rate":
        return lambda value: _number(value, 0, 1000)
    if column in AFFECT:
        return lambda value: _number(value, -1, 1)
    high = 5 if column.endswith("_intensity") else 1
    return lambda value: _number(value, 0, high)


def _word(value: Any) -> str:
    if value is None or not str(value).strip():
        raise ValueError("is empty")
    return str(value).strip()


def _number(value: Any, low: float, high: float) -> float:
    if value is None or value == "":
        raise ValueError("is empty or no number")
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"is {value!r}, which is no number") from None
    if not math.isfinite(number):
        raise ValueError(f"is {value!r}, which is no finite number")
    if not low <= number <= high:
        raise ValueError(f"is {value!r}, which is not from {low:g} to {high:g}")
    return number
