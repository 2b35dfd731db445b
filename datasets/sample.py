"""A sample: one row of a dataset, and its Arrow schema.

The row says what a picture shows, where it came from and how it was made; pixels stay outside and are
referred to. Its `row_hash` covers everything but the references, so it does not depend on the storage layout.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from facedata.datasets.canonical import canonical_json, content_hash, identifier
from facedata.datasets.errors import DatasetError

__all__ = [
    "LABELS",
    "SCHEMA",
    "Label",
    "Layer",
    "Sample",
    "Source",
    "derived_id",
    "hash_row",
    "ingested_id",
    "json_object",
    "to_table",
]

Label = Literal["live", "spoof"]
LABELS: tuple[Label, ...] = ("live", "spoof")

_TEXTS = ("split", "subject", "domain", "label", "attack", "expression")
_MOST_UNITS = 1000
"""FACS numbers none as high; a column of the table holds no more than 32767."""
SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("image", pa.string()),
        ("content_hash", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("split", pa.string()),
        ("subject", pa.string()),
        ("domain", pa.string()),
        ("label", pa.string()),
        ("attack", pa.string()),
        ("parent_id", pa.string()),
        ("operator", pa.string()),
        ("parameters", pa.string()),
        ("variant", pa.int32()),
        ("seed", pa.int64()),
        (
            "layers",
            pa.list_(pa.struct([("name", pa.string()), ("ref", pa.string()), ("content_hash", pa.string())])),
        ),
        ("box", pa.list_(pa.float64())),
        ("landmarks", pa.list_(pa.list_(pa.float64()))),
        ("expression", pa.string()),
        ("au", pa.list_(pa.struct([("au", pa.int16()), ("intensity", pa.float64())]))),
        ("au_domain", pa.list_(pa.int16())),
        ("valence", pa.float64()),
        ("arousal", pa.float64()),
        ("attributes", pa.string()),
        ("confidence", pa.float64()),
        (
            "source",
            pa.struct(
                [
                    ("dataset", pa.string()),
                    ("file", pa.string()),
                    ("frame", pa.int32()),
                    ("licence", pa.string()),
                    ("sha256", pa.string()),
                    ("conversion", pa.string()),
                ]
            ),
        ),
    ],
    metadata={b"facedata.schema_version": b"1"},
)
"""Columns of samples.parquet. `parameters` and `attributes` are canonical JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A picture-shaped truth that goes with a sample, stored as PNG: `mask`, `regions`, `reflection`, ..."""

    name: str
    ref: str
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the first ancestor's picture came from.

    `sha256` is the hash of the source file's bytes; `conversion` says what was changed to store them
    (`exif rotation 6`, `cmyk to rgb`), null where the bytes were kept.
    """

    dataset: str | None = None
    file: str | None = None
    frame: int | None = None
    licence: str | None = None
    sha256: str | None = None
    conversion: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One row: `label` is what the picture shows, null where the source says nothing.

    `box` is (x, y, width, height) and `landmarks` (x, y) pairs, in pixels of the stored picture. `au` maps an
    action unit to its intensity 0-5, or to None where the source says that it is present and does not grade
    it; `au_domain` lists the units that were coded at all, so "not coded" is never "absent", and a unit of it
    that `au` leaves out is absent. `valence` and `arousal` are in [-1, 1], `confidence` in [0, 1].
    """

    sample_id: str
    image: str
    content_hash: str
    width: int
    height: int
    split: str | None = None
    subject: str | None = None
    domain: str | None = None
    label: str | None = None
    attack: str | None = None
    parent_id: str | None = None
    operator: str | None = None
    parameters: Mapping[str, Any] | None = None
    variant: int | None = None
    seed: int | None = None
    layers: tuple[Layer, ...] = ()
    box: tuple[float, ...] | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None
    expression: str | None = None
    au: Mapping[int, float | None] | None = None
    au_domain: tuple[int, ...] | None = None
    valence: float | None = None
    arousal: float | None = None
    attributes: Mapping[str, Any] | None = None
    confidence: float | None = None
    source: Source | None = None

    def problems(self) -> list[str]:
        """Return what is wrong with the values of this row, taken alone."""
        found = self._unstorable()
        if self.label is not None and self.label not in LABELS:
            found.append(f"label {self.label!r} is not live, spoof or null")
        if self.label == "live" and self.attack is not None:
            found.append(f"attack {self.attack!r} on a live sample")
        if self.width < 1 or self.height < 1:
            found.append(f"size {self.width} x {self.height} is not positive")
        if self.box is not None and (len(self.box) != 4 or self.box[2] <= 0 or self.box[3] <= 0):
            found.append(f"box {self.box} is not (x, y, width > 0, height > 0)")
        if self.au is not None:
            graded = {au: level for au, level in self.au.items() if level is not None}
            if bad := {au: level for au, level in graded.items() if not 0 <= level <= 5}:
                found.append(f"AU intensity outside 0-5: {bad}")
            if self.au_domain is not None and (stray := set(self.au) - set(self.au_domain)):
                found.append(f"AUs {sorted(stray)} are in au but not in au_domain")
        for name, low, high in (("valence", -1, 1), ("arousal", -1, 1), ("confidence", 0, 1)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                found.append(f"{name} {value} is not in [{low}, {high}]")
        return found

    def _unstorable(self) -> list[str]:
        """Return which values a table cannot hold: halves of characters, numbers too large for a column."""
        found = []
        for name in _TEXTS:
            value = getattr(self, name)
            if value is not None and not _is_text(value):
                found.append(f"{name} {value!r} is no text of Unicode")
        if self.attributes is not None and not _is_text(canonical_json(self.attributes)):
            found.append("attributes hold what is no text of Unicode")
        units = [*(self.au or ()), *(self.au_domain or ())]
        if stray := sorted({unit for unit in units if not 0 <= unit < _MOST_UNITS}):
            found.append(f"{stray} are no numbers of action units")
        return found

    def to_row(self) -> dict[str, Any]:
        """Return the row as Arrow takes it: JSON columns as text, maps as lists of pairs."""
        row = {name: getattr(self, name) for name in SCHEMA.names}
        row["parameters"] = None if self.parameters is None else canonical_json(self.parameters)
        row["attributes"] = None if self.attributes is None else canonical_json(self.attributes)
        row["layers"] = [
            {"name": layer.name, "ref": layer.ref, "content_hash": layer.content_hash}
            for layer in self.layers
        ]
        if self.au is not None:
            levels = sorted(self.au.items(), key=lambda pair: pair[0])
            row["au"] = [
                {"au": au, "intensity": None if level is None else float(level)} for au, level in levels
            ]
        if self.source is not None:
            row["source"] = {field.name: getattr(self.source, field.name) for field in _SOURCE_FIELDS}
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Sample:
        """Return the sample of a row of samples.parquet, as `Table.to_pylist` gives it."""
        values = dict(row)
        try:
            for name in ("parameters", "attributes"):
                values[name] = json_object(row[name])
            values["layers"] = tuple(Layer(**layer) for layer in row["layers"] or ())
            values["au"] = None if row["au"] is None else {a["au"]: a["intensity"] for a in row["au"]}
            for name in ("box", "au_domain"):
                values[name] = None if row[name] is None else tuple(row[name])
            if row["landmarks"] is not None:
                values["landmarks"] = tuple([(x, y) for x, y in row["landmarks"]])
            values["source"] = None if row["source"] is None else Source(**row["source"])
            return cls(**values)
        except (KeyError, TypeError, ValueError, DatasetError) as error:
            raise DatasetError(f"row {row.get('sample_id')!r} cannot be read: {error!r}") from None

    def row_hash(self) -> str:
        """Return the SHA-256 of the row without its storage references."""
        return hash_row(self.to_row())

    def expected_id(self) -> str | None:
        """Return the id that this row's own values give, or None where they do not suffice."""
        if self.parent_id is not None and self.operator is not None:
            return derived_id(self.parent_id, self.operator, self.parameters, self.seed, self.variant)
        if self.source is not None and self.source.sha256 is not None:
            return ingested_id(self.source.sha256, self.source.file, self.source.frame)
        return None

    def replace(self, **changes: Any) -> Sample:
        """Return a copy with `changes`."""
        return dataclasses.replace(self, **changes)


def hash_row(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a row, as `Sample.to_row` gives it, without its storage references."""
    layers = [{"name": layer["name"], "content_hash": layer["content_hash"]} for layer in row["layers"]]
    kept = {name: value for name, value in row.items() if name != "image"}
    return content_hash(canonical_json({**kept, "layers": layers}).encode("utf-8", "surrogatepass"))


_SOURCE_FIELDS = dataclasses.fields(Source)


def ingested_id(sha256: str, place: str | None, frame: int | None = None) -> str:
    """Return the id of an ingested picture: of its bytes and its place in the source."""
    return identifier("ingest", sha256, place, frame)


def derived_id(
    parent_id: str,
    operator: str,
    parameters: Mapping[str, Any] | None,
    seed: int | None,
    variant: int | None,
) -> str:
    """Return the id of a sample made from another one.

    The parent's id stands for the parent's content, which it is a hash of; two copies of one picture at two
    places keep two families of variants.
    """
    return identifier("derive", parent_id, operator, parameters, seed, variant)


def to_table(samples: Iterable[Sample]) -> pa.Table:
    """Return the samples as an Arrow table of `SCHEMA`."""
    return pa.Table.from_pylist([sample.to_row() for sample in samples], schema=SCHEMA)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_object(text: str | None) -> dict[str, Any] | None:
    """Return what a column of JSON objects says, or raise DatasetError where it says something else."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DatasetError(f"{text[:80]!r} is no JSON object; facedata validate names the rows")
    return found
