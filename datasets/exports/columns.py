"""The columns of an export: those of samples.parquet, typed for people who never saw facedata.

`image` holds the picture itself, `au` one number an action unit, `label` one of two classes where the format
has classes; references into the dataset's own files are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from facedata.datasets.errors import DatasetError
from facedata.datasets.sample import LABELS, SCHEMA
from facedata.datasets.storage import slug

if TYPE_CHECKING:
    import datasets

__all__ = ["CONTENT", "content_features", "label_class", "layer_columns", "typed"]

CONTENT = tuple(name for name in SCHEMA.names if name not in ("image", "layers"))
"""Columns that are neither the picture nor a reference, in the order of samples.parquet."""


def content_features(units: Sequence[int], *, classes: bool) -> datasets.Features:
    """Return the types of `CONTENT` as `typed` gives them; `classes` takes the label as a class, not as text.

    `units` are the action units that the dataset knows; without any there is no column `au`, because Parquet
    has no struct without fields.
    """
    from datasets import ClassLabel, Features, Value

    features = Features.from_arrow_schema(pa.schema([SCHEMA.field(name) for name in CONTENT]))
    del features["au"]
    if units:
        features["au"] = {_unit(unit): Value("float64") for unit in units}
    if classes:
        features["label"] = ClassLabel(names=list(LABELS))
    return Features({name: features[name] for name in CONTENT if name in features})


def label_class(label: str | None) -> int | None:
    """Return the number of a label's class: 0 is live, 1 is spoof, None where the source says nothing."""
    if label is not None and label not in LABELS:
        raise DatasetError(f"a row has the label {label!r}; see all damage with `facedata validate`")
    return None if label is None else LABELS.index(label)


def typed(row: Mapping[str, Any], units: Sequence[int]) -> dict[str, Any]:
    """Return the content of a row of samples.parquet: `au` as a struct, all else as it is.

    An action unit's value is its intensity 0-5: 0 where it was coded and not seen, null where it was not
    coded, or, for a unit of `au_domain`, seen and not graded. `parameters` and `attributes` stay canonical
    JSON: their fields differ from row to row.
    """
    values = {name: row[name] for name in CONTENT if name != "au"}
    if units:
        values["au"] = _intensities(row, units)
    return values


def layer_columns(layers: Iterable[str]) -> dict[str, str]:
    """Return the column of each layer: `layer_` and the layer's name as a word."""
    return {name: "layer_" + slug(name).replace("-", "_") for name in layers}


def _intensities(row: Mapping[str, Any], units: Sequence[int]) -> dict[str, float | None] | None:
    if row["au"] is None:
        return None
    seen = {pair["au"]: pair["intensity"] for pair in row["au"]}
    coded = set(row["au_domain"] or ())
    return {_unit(unit): seen.get(unit, 0.0 if unit in coded else None) for unit in units}


def _unit(unit: int) -> str:
    return f"AU{unit}"
