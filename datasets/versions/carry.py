"""Pictures and layers, carried from the datasets they lie in to a new one.

Every byte is read and checked against its row on the way, so a derived dataset is sound or says what it left
out. Files are reflinked where the file system can (two names, one copy, no way to write through), else
copied; never hard-linked.
"""

from __future__ import annotations

import errno
import fcntl
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from facedata.datasets.canonical import content_hash
from facedata.datasets.errors import DatasetError
from facedata.datasets.record import Failure
from facedata.datasets.sample import SCHEMA, Sample, Source
from facedata.datasets.shard import file_stem
from facedata.datasets.storage import read_reference, slug

__all__ = ["CHANGED", "ORIGIN", "Carrier", "ToFiles", "not_carried", "with_column"]

ORIGIN = "origin"
"""Column beside those of SCHEMA: the number of the input that a row's pictures lie in."""

CHANGED = "{} is not the picture of its row; restore it"
_LOOKED_AT = [
    *("sample_id", "image", "content_hash", "width", "height", "label", "layers"),
    *("parent_id", "operator", "variant", "source"),
]
"""Columns that say which files a row has, and what they may be called."""
_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file, copied when either is written to
_NO_CLONE = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM}


class Carrier(ABC):
    """Carries pictures in two steps: `plan` sees all rows, then `resolve` gives each its new references."""

    def __init__(self, inputs: Sequence[Path], tree: Path) -> None:
        self.inputs = inputs
        self.tree = tree
        self._clones = True

    @abstractmethod
    def plan(self, tables: Iterable[pa.Table]) -> None:
        """Look at all rows, and carry what is better carried at once."""

    @abstractmethod
    def resolve(self, rows: pa.Table) -> tuple[pa.Table, list[Failure]]:
        """Return the rows with references into the new dataset, without those whose pictures are no more."""

    def write(self, target: Path, source: Path | None, data: bytes | None = None) -> None:
        """Write a file, `data` or the content of `source`, under a temporary name first."""
        temporary = f"{target}.part"
        try:
            file = open(temporary, "wb")  # noqa: PTH123, SIM115 - once a picture
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            file = open(temporary, "wb")  # noqa: PTH123, SIM115
        with file:
            if source is None or not self._cloned(source, file.fileno()):
                file.write(Path(source or target).read_bytes() if data is None else data)
        os.replace(temporary, target)  # noqa: PTH105

    def _cloned(self, source: Path, target: int) -> bool:
        if not self._clones:
            return False
        with open(source, "rb") as file:  # noqa: PTH123
            try:
                fcntl.ioctl(target, _FICLONE, file.fileno())
            except OSError as error:
                if error.errno not in _NO_CLONE:
                    raise
                self._clones = False  # a file system does not learn it during a run
        return self._clones


class ToFiles(Carrier):
    """A file a picture, in the folder of its label: what a row says and where it lies never disagree."""

    def plan(self, tables: Iterable[pa.Table]) -> None:
        """Do nothing: a file is carried when its row comes by."""

    def resolve(self, rows: pa.Table) -> tuple[pa.Table, list[Failure]]:
        """Carry the files of these rows."""
        failures: dict[int, str] = {}
        images: list[str | None] = [None] * rows.num_rows
        layers: list[list[dict[str, str]]] = [[] for _ in range(rows.num_rows)]
        origins = rows[ORIGIN].to_pylist()
        found = rows.select(_LOOKED_AT).to_pylist()
        # Neighbours in a shard are read together: a row group is decoded once.
        for number in sorted(range(rows.num_rows), key=lambda n: (origins[n], _place(found[n]["image"]))):
            row, root = found[number], self.inputs[origins[number]]
            try:
                folder = f"images/{slug(row['label'] or 'unlabelled')}"
                images[number] = self._carry(root, row["image"], row["content_hash"], folder, row)
                for layer in row["layers"] or ():
                    folder = f"layers/{slug(layer['name'])}"
                    ref = self._carry(root, layer["ref"], layer["content_hash"], folder, row)
                    layers[number].append({**layer, "ref": ref})
            except DatasetError as error:
                failures[number] = str(error)
        rows = with_column(rows, "image", pa.array(images, pa.string()))
        rows = with_column(rows, "layers", pa.array(layers, SCHEMA.field("layers").type))
        return not_carried(rows, failures)

    def _carry(self, root: Path, reference: str, expected: str, folder: str, row: Mapping[str, Any]) -> str:
        data = read_reference(root, reference)
        if content_hash(data) != expected:
            raise DatasetError(CHANGED.format(reference))
        source = None if "#" in reference else root / reference
        name = source.name if source else f"{_stem(row)}{_suffix(data)}"
        target = self.tree / folder / name
        there = target.exists()
        if there and target.read_bytes() != data:  # two inputs may have used one name
            target = target.with_name(f"{target.stem}-{row['sample_id']}{target.suffix}")
            there = target.exists()
        if not there:
            self.write(target, source if source and source.exists() else None, data)
        return f"{folder}/{target.name}"


def not_carried(rows: pa.Table, reasons: dict[int, str]) -> tuple[pa.Table, list[Failure]]:
    """Return the rows without those that have a reason, and the reasons as failures."""
    if not reasons:
        return rows, []
    ids = rows["sample_id"].to_pylist()
    failures = [
        Failure(place=ids[number], kind="missing", reason=f"{ids[number]}: {reason}")
        for number, reason in sorted(reasons.items())
    ]
    return rows.filter(pa.array([number not in reasons for number in range(rows.num_rows)])), failures


def with_column(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return the rows with `values` in place of a column."""
    return rows.set_column(rows.schema.get_field_index(name), name, values)


def _place(reference: str | None) -> tuple[str, int]:
    name, _, row = (reference or "").partition("#")
    return name, int(row) if row.isdecimal() else 0


def _stem(row: Mapping[str, Any]) -> str:
    source = None if row["source"] is None else Source(**row["source"])
    return file_stem(Sample(**{**row, "layers": (), "source": source}))


def _suffix(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return ".png"
    return ".webp" if data[8:12] == b"WEBP" else ".jpg"
