"""`facedata audit --html`: one page that needs nothing beside it."""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from facedata.curate.audit.base import Finding
from facedata.curate.audit.engine import Answer
from facedata.curate.audit.plots import distributions, estimates
from facedata.curate.audit.run import Audited
from facedata.curate.pages import page_template
from facedata.datasets.errors import FacedataError, TargetError
from facedata.datasets.items import printable
from facedata.datasets.pictures import read_picture
from facedata.datasets.record import write_text

__all__ = ["write_page"]

_FINDINGS = 12  # of one audit that are shown
_PICTURES = 8  # of one finding
_IDS = 200  # of one finding that are named
_THUMBNAIL = 112  # pixels
_MOST_LINES = 40  # of a table or of the numbers


@dataclass(frozen=True, slots=True)
class _Shown:
    """A finding as the page shows it: (address, id, caption) of some pictures, and more ids."""

    detail: str
    pictures: list[tuple[str, str, str]]
    ids: list[str]
    total: int


def write_page(audited: Audited, target: Path) -> None:
    """Write the page about an audit to `target`; raise TargetError where that cannot be done."""
    pictures = _Pictures(audited)
    verdicts = Counter(answer.outcome.verdict for answer in audited.answers)
    page = page_template("audit.html").render(
        about=audited.about,
        verdicts=[(one, verdicts[one]) for one in ("fail", "warn", "pass", "skipped") if verdicts[one]],
        audits=[_section(audited, answer, pictures) for answer in audited.answers],
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, page)
    except OSError as error:
        raise TargetError(f"cannot write {target}: {error.strerror}; choose another --html") from None


def _section(audited: Audited, answer: Answer, pictures: _Pictures) -> dict[str, Any]:
    outcome, frame = answer.outcome, audited.rows.frame
    fields = {
        name: np.asarray(values, np.float64)
        for name, values in outcome.fields.items()
        if np.asarray(values).dtype.kind == "f"
    }
    plots = [distributions(fields, frame["label"])]
    tables = []
    for name, table in outcome.tables.items():
        plot = estimates(table)
        plots.append(plot)
        tables.append((name, list(map(str, table.columns)), _cells(table), len(table), plot is not None))
    described = type(answer.thresholds).model_fields
    return {
        "name": answer.audit.name,
        "title": answer.audit.title,
        "about": answer.audit.about,
        "source": answer.audit.source,
        "verdict": outcome.verdict,
        "said": printable(outcome.said),
        "thresholds": [
            (name, _text(value), described[name].description or "")
            for name, value in answer.thresholds.model_dump().items()
        ],
        "numbers": list(_flat(outcome.numbers))[:_MOST_LINES],
        "plots": [_address(one, "png") for one in plots if one],
        "tables": tables,
        "findings": [pictures.show(one) for one in outcome.findings[:_FINDINGS]],
        "findings_total": len(outcome.findings),
    }


class _Pictures:
    """Thumbnails of samples, each read once."""

    def __init__(self, audited: Audited) -> None:
        self.dataset = audited.dataset
        wanted = {
            one
            for answer in audited.answers
            for finding in answer.outcome.findings[:_FINDINGS]
            for one in finding.samples[:_PICTURES]
        }
        self.references: dict[str, str] = {}
        self.captions: dict[str, str] = {}
        columns = ["sample_id", "image", "label", "attack", "split", "subject", "domain", "operator"]
        for row in self.dataset.rows(columns) if wanted else ():
            if row["sample_id"] in wanted:
                self.references[row["sample_id"]] = row["image"]
                words = [
                    row["attack"] or row["label"],
                    row["operator"],
                    row["subject"],
                    row["domain"],
                    row["split"],
                ]
                self.captions[row["sample_id"]] = printable(" | ".join(one for one in words if one))
        self.made: dict[str, str] = {}

    def show(self, finding: Finding) -> _Shown:
        """Return a finding with its first pictures."""
        some = finding.samples[:_PICTURES]
        return _Shown(
            printable(finding.detail),
            [(self._thumbnail(one), one, self.captions.get(one, "")) for one in some],
            list(finding.samples[:_IDS]),
            len(finding.samples),
        )

    def _thumbnail(self, sample_id: str) -> str:
        """Return a small picture as a data address, or an empty one where the picture cannot be read."""
        if sample_id not in self.made:
            try:
                reference = self.references[sample_id]
                pixels = read_picture(self.dataset.read(reference), reference, max_pixels=2**40).pixels
                image = Image.fromarray(pixels)
                image.thumbnail((2 * _THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
                buffer = io.BytesIO()
                image.save(buffer, "JPEG", quality=80)
                self.made[sample_id] = _address(buffer.getvalue(), "jpeg")
            except (FacedataError, KeyError):
                self.made[sample_id] = "data:,"
        return self.made[sample_id]


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _cells(table: pd.DataFrame) -> list[list[tuple[str, float]]]:
    """Return (text, shade) of each cell; counts are shaded by their share of the largest."""
    counts = table.select_dtypes("integer")
    most = float(counts.to_numpy().max(initial=0)) or 1.0
    return [
        [
            (_text(value), float(value) / most if name in counts and counts.shape[1] > 1 else 0.0)
            for name, value in zip(table.columns, line, strict=True)
        ]
        for line in table.head(_MOST_LINES).itertuples(index=False)
    ]


def _flat(numbers: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield (name, text) of numbers, an estimate with its interval as one."""
    for name, value in numbers.items():
        if isinstance(value, Mapping) and not {"value", "low", "high"} <= set(value):
            yield from _flat(value, f"{above}{name} / ")
        else:
            yield f"{above}{name}", _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and {"value", "low", "high"} <= set(value):
        found = f"{_text(value['value'])} ({_text(value['low'])} to {_text(value['high'])})"
        return found + (f", n {value['n']}" if value.get("n") else "")
    if value is None:
        return "none"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return "none" if math.isnan(value) else f"{value:.4g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_text, value))
    return printable(str(value))
