"""Rows for the tests of audits, by the way that a dataset's rows go: samples, an Arrow table, a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from facedata.curate.audit.base import Neighbours, Rows
from facedata.curate.audit.catalogue import find_audits
from facedata.curate.audit.rows import frame_of
from facedata.datasets.sample import Sample, to_table

NAMES = [f"{one:032x}" for one in range(1000)]


def rows_of(lines: Iterable[Mapping[str, Any]], **more: Any) -> Rows:
    """Rows of samples that differ in what the lines say; `pixel_hash` and `unreadable` go into the frame."""
    kept, measured = [], []
    for number, line in enumerate(lines):
        values = {"sample_id": NAMES[number], "image": "x.jpg", "content_hash": f"{number:064x}"}
        values |= {"width": 64, "height": 64, **line}
        measured.append({name: values.pop(name, None) for name in ("pixel_hash", "unreadable")})
        kept.append(Sample(**values))
    frame = frame_of(to_table(kept))
    for name in ("pixel_hash", "unreadable"):
        frame[name] = np.array([one[name] for one in measured], object)
    return Rows(frame, **more)


def pairs(*triples: tuple[int, int, float], floor: float = 0.9) -> Neighbours:
    """Neighbours of (row, row, cosine)."""
    first, second, cosine = zip(*triples, strict=True) if triples else ((), (), ())
    return Neighbours(
        np.array(first, np.int64), np.array(second, np.int64), np.array(cosine, np.float32), floor
    )


def outcome(name: str, given: Rows, /, **thresholds: Any) -> Any:
    (audit,) = find_audits([name])
    return audit.run(given, audit.thresholds(**thresholds))
