"""audit.json and audit.parquet: what the audits answered, for machines.

Both depend on the rows and the thresholds alone, so that two runs give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facedata.curate.audit.base import Finding, Rows
from facedata.curate.audit.engine import Answer
from facedata.datasets.errors import TargetError
from facedata.datasets.record import write_text
from facedata.datasets.whole import whole

__all__ = ["JSON_NAME", "MOST_FINDINGS", "TABLE_NAME", "as_json", "fields_table", "write_audit"]

JSON_NAME = "audit.json"
TABLE_NAME = "audit.parquet"
MOST_FINDINGS = 1000
"""Findings of one audit that are written out; how many there are is written beside them."""
_MOST_SAMPLES = 1000  # of one finding


def as_json(answers: Sequence[Answer], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers as JSON takes them: `about`, then `audits` by name; NaN and infinity are null."""
    audits = {
        answer.audit.name: {
            "title": answer.audit.title,
            "verdict": answer.outcome.verdict,
            "said": answer.outcome.said,
            "thresholds": answer.thresholds.model_dump(mode="json"),
            "numbers": _plain(answer.outcome.numbers),
            "findings_total": len(answer.outcome.findings),
            "findings": [_finding(one) for one in answer.outcome.findings[:MOST_FINDINGS]],
            "tables": {name: _records(table) for name, table in answer.outcome.tables.items()},
        }
        for answer in answers
    }
    return {**about, "audits": audits}


def fields_table(rows: Rows, answers: Sequence[Answer]) -> pa.Table:
    """Return `sample_id` and a column `<audit>.<field>` for each field of the answers, in the rows' order."""
    columns: dict[str, pa.Array] = {"sample_id": pa.array(rows.frame["sample_id"], pa.string())}
    for answer in answers:
        for name, values in answer.outcome.fields.items():
            columns[f"{answer.audit.name}.{name}"] = _column(values)
    return pa.table(columns)


def write_audit(folder: Path, rows: Rows, answers: Sequence[Answer], about: Mapping[str, Any]) -> None:
    """Write audit.json and audit.parquet into `folder`; the JSON comes last, so that it stands for both."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole(folder / TABLE_NAME) as hidden:
            pq.write_table(fields_table(rows, answers), hidden)
        text = json.dumps(as_json(answers, about), ensure_ascii=False, indent=1, allow_nan=False)
        write_text(folder / JSON_NAME, text + "\n")
    except OSError as error:
        raise TargetError(f"cannot write {folder}: {error.strerror}; choose another -o") from None


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "samples": list(finding.samples[:_MOST_SAMPLES]),
        "samples_total": len(finding.samples),
        "detail": finding.detail,
        "score": _plain(finding.score),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _column(values: NDArray[Any]) -> pa.Array:
    if values.dtype == object:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    if values.dtype == bool:
        return pa.array(values, pa.bool_())
    numbers = np.asarray(values, np.float64)
    return pa.array(numbers, pa.float64(), mask=np.isnan(numbers))


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
