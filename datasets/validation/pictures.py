"""Pictures and layers: there, unchanged, decodable, of the stated size.

Rows are sorted by their ids, which are hashes, so the pictures of neighbours lie in different shards. They
are looked at in the order in which they lie instead: each row group of a shard is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facedata.datasets.buckets import Buckets, by_text
from facedata.datasets.canonical import content_hash
from facedata.datasets.errors import DatasetError, PictureError
from facedata.datasets.pictures import read_picture
from facedata.datasets.shared_out import Sharing
from facedata.datasets.storage import read_reference
from facedata.datasets.validation.finding import Finding, Found

__all__ = ["PICTURES", "Pictures", "add_pictures", "in_pieces"]

_PIECE = 512
_BYTES, _PIXELS = 2, 1 << 40  # ranks: the bytes of the picture and of each layer come before the pixels
_NOT_A_ROW = -1
Pictures = tuple[Path, pa.Table]
"""A dataset's folder, and rows of references."""


def add_pictures(buckets: Buckets, start: int, rows: pa.Table) -> None:
    """Put the references of a table of samples, whose first row is number `start`, into buckets by file."""
    rows = rows.combine_chunks()
    numbers = pa.array(np.arange(start, start + rows.num_rows))
    kept = ("sample_id", "width", "height", "box")
    columns = {name: rows[name] for name in kept}
    _add(
        buckets,
        rows["image"],
        rows["content_hash"],
        {**columns, "row": numbers, "rank": [_BYTES] * rows.num_rows},
    )
    layers = rows["layers"].combine_chunks()
    of, flat = pc.list_parent_indices(layers), layers.flatten()
    if len(flat):
        columns = {name: column.take(of) for name, column in columns.items()}
        ranks = np.arange(_BYTES + 1, _BYTES + 1 + len(flat))
        columns |= {"row": numbers.take(of), "rank": pa.array(ranks)}
        _add(buckets, flat.field("ref"), flat.field("content_hash"), columns)


def _add(buckets: Buckets, references: Any, hashes: Any, columns: dict[str, Any]) -> None:
    parts = [(reference or "").partition("#") for reference in references.to_pylist()]
    files = pa.array([file for file, _, _ in parts], pa.string())
    numbers = [int(row) if row.isdecimal() and len(row) < 18 else _NOT_A_ROW for _, _, row in parts]
    table = pa.table(
        {"file": files, "number": numbers, "reference": references, "expected": hashes, **columns}
    )
    buckets.add(table, by_text(files, len(buckets)))


def in_pieces(root: Path, references: pa.Table) -> Iterator[Pictures]:
    """Yield the rows of a bucket in the order in which they lie, in pieces for a worker."""
    ordered = references.sort_by([("file", "ascending"), ("number", "ascending")])
    for start in range(0, ordered.num_rows, _PIECE):
        yield root, ordered.slice(start, _PIECE)


def _look(pictures: Pictures) -> list[Found]:
    root, table = pictures
    found: list[Found] = []
    for row in table.to_pylist():
        found += _of_row(root, row)
    return found


def _of_row(root: Path, row: dict[str, Any]) -> Iterator[Found]:
    sample, reference = row["sample_id"], row["reference"]
    try:
        data = read_reference(root, reference)
    except DatasetError as error:
        yield row["row"], row["rank"], Finding("missing", str(error), sample)
        return
    if content_hash(data) != row["expected"]:
        message = f"{reference} has other bytes than when it was written (row {sample}); restore it"
        yield row["row"], row["rank"], Finding("changed", message, sample)
    elif row["rank"] == _BYTES:
        yield from ((row["row"], _PIXELS, finding) for finding in _of_pixels(row, data))


def _of_pixels(row: dict[str, Any], data: bytes) -> Iterator[Finding]:
    sample, reference = row["sample_id"], row["reference"]
    try:
        height, width = read_picture(data, reference, max_pixels=2**40).pixels.shape[:2]
    except PictureError as error:
        yield Finding("undecodable", str(error), sample)
        return
    if (width, height) != (row["width"], row["height"]):
        message = f"{reference} is {width} x {height}, its row says {row['width']} x {row['height']}"
        yield Finding("size", message, sample)
    if row["box"] is not None and len(row["box"]) == 4:
        x, y, w, h = row["box"]
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            yield Finding("box", f"{sample}: the box lies outside the picture", sample)


def _one_by_one(pictures: Pictures) -> Sequence[Pictures]:
    root, table = pictures
    return [(root, table.slice(number, 1)) for number in range(table.num_rows)]


def _died(pictures: Pictures) -> list[Found]:
    (row,) = pictures[1].to_pylist()
    message = f"{row['reference']}: a worker died on this picture (a crash in a library, or no memory)"
    return [(row["row"], _PIXELS, Finding("undecodable", message, row["sample_id"]))]


PICTURES = Sharing(_look, _one_by_one, _died, (__name__,))
