"""The fields of a pushed dataset: kinds, groups in the sidebar, forms to edit them with, colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facedata.annotate.facs import EXPRESSIONS
from facedata.annotate.knowledge import knowledge
from facedata.curate.fiftyone.shown import unit_path
from facedata.curate.fiftyone.survey import Survey
from facedata.datasets.demo.materials import REGIONS
from facedata.datasets.sample import LABELS

__all__ = [
    "FIRST_SEEN",
    "POOL",
    "Field",
    "colours",
    "declare",
    "fields",
    "groups",
    "layer_field",
    "mask_targets",
    "schemas",
]

FIRST_SEEN = ("label", "attack", "expression", "split", "tags")
"""What the App shows on the pictures before anybody chooses."""

_LABELS, _UNITS, _CHECKS, _LAYERS = "LABELS", "ACTION UNITS", "CHECKS", "LAYERS"
_PROVENANCE = "PROVENANCE"
_CLASSIFICATION, _FLOAT, _STRING, _INT = "classification", "float", "str", "int"
_FIXED = ("facedata_id", "parent_id", "family_id", "generation")
"""What samples are told apart by: nobody is to change it by mistake."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field: `kind` is a scalar's type, `list<...>` of one, `embedded`, or a label's."""

    path: str
    kind: str
    group: str


def fields(survey: Survey, audited: Mapping[str, str]) -> list[Field]:
    """Return the fields that a dataset needs; `audited` gives the kinds of the audits' paths."""
    found = [Field(name, _CLASSIFICATION, _LABELS) for name in ("label", "attack", "expression")]
    found += [Field(name, _FLOAT, _LABELS) for name in ("valence", "arousal", "confidence")]
    found += [Field(name, _STRING, _LABELS) for name in ("split", "subject", "domain")]
    found += [Field("box", "detections", _LABELS), Field("landmarks", "keypoints", _LABELS)]
    found += _embedded("attributes", survey.attributes, _LABELS)
    found += _embedded("au", {unit_path(unit)[3:]: _FLOAT for unit in survey.units}, _UNITS)
    if survey.units:
        found += [Field(name, "list<int>", _UNITS) for name in ("au_domain", "au_ungraded")]
    found += _embedded("audit", audited, _CHECKS)
    found += _embedded("instructions", _REVIEW if survey.reviews else {}, _CHECKS)
    found.append(Field("agreement", _FLOAT, _CHECKS))
    found += [Field(name, kind.lower(), _LAYERS) for name, kind in map(layer_field, survey.layers)]
    texts = ("facedata_id", "parent_id", "family_id", "operator", "parameters", "content_hash", "version")
    found += [Field(name, _STRING, _PROVENANCE) for name in texts]
    found += [Field(name, _INT, _PROVENANCE) for name in ("generation", "variant", "seed")]
    return found + _embedded("source", _SOURCE, _PROVENANCE)


_REVIEW = {"status": _STRING, "records": _INT, "failed": "list<str>", "flagged": "list<str>"}
_SOURCE = {"dataset": _STRING, "file": _STRING, "frame": _INT, "licence": _STRING}


def _embedded(name: str, members: Mapping[str, str], group: str) -> list[Field]:
    """Return an embedded document with its members, dots in their names opening others; none of none."""
    found: dict[str, Field] = {}
    for member, kind in members.items():
        steps = f"{name}.{member}".split(".")
        for depth in range(1, len(steps)):
            path = ".".join(steps[:depth])
            found.setdefault(path, Field(path, "embedded", group))
        found[".".join(steps)] = Field(".".join(steps), kind, group)
    return list(found.values())


def layer_field(name: str) -> tuple[str, str]:
    """Return the field of a layer and its kind: regions are classes, any other layer is a strength.

    >>> layer_field("regions"), layer_field("mask")
    (('regions', 'Segmentation'), ('mask', 'Heatmap'))
    """
    known = {"regions": "Segmentation", "mask": "Heatmap"}
    if name in known:
        return name, known[name]
    return "layer_" + "".join(one if one.isalnum() and one.isascii() else "_" for one in name), "Heatmap"


def declare(fo: Any, dataset: Any, wanted: Sequence[Field]) -> None:
    """Declare the fields, and indexes on what is looked up and sorted by.

    All of one depth at once: FiftyOne writes its whole schema anew for each that is declared alone.
    """
    depths: dict[int, dict[str, Any]] = {}
    for field in wanted:
        depths.setdefault(field.path.count("."), {})[field.path] = _made(fo, field)
    for _, schema in sorted(depths.items()):
        dataset.add_dynamic_sample_fields(schema)
    for path in ("facedata_id", "family_id", "label.label", "attack.label", "split"):
        dataset.create_index(path)


def _made(fo: Any, field: Field) -> Any:
    """Return FiftyOne's field of a kind."""
    documents = {
        _CLASSIFICATION: fo.Classification,
        "detections": fo.Detections,
        "keypoints": fo.Keypoints,
        "segmentation": fo.Segmentation,
        "heatmap": fo.Heatmap,
        "embedded": fo.DynamicEmbeddedDocument,
    }
    scalars = {
        _STRING: fo.StringField,
        _FLOAT: fo.FloatField,
        _INT: fo.IntField,
        "bool": fo.BooleanField,
    }
    if field.kind in documents:
        return fo.EmbeddedDocumentField(documents[field.kind])
    if field.kind.startswith("list<"):
        return fo.ListField(scalars[field.kind[5:-1]]())
    return scalars[field.kind](read_only=field.path in _FIXED)


def groups(wanted: Iterable[Field]) -> list[tuple[str, list[str], bool]]:
    """Return the groups of the sidebar: name, paths, and whether it is open."""
    # The App adds the groups of its own where they are missing: first tags, and metadata before all others.
    found: dict[str, list[str]] = {"tags": ["tags", "_label_tags"]}
    found |= {name: [] for name in (_LABELS, _UNITS, _CHECKS, _LAYERS, _PROVENANCE)}
    for field in wanted:
        if field.kind != "embedded":
            found[field.group].append(field.path)
    found[_PROVENANCE] += ["filepath", "id", "created_at", "last_modified_at"]
    sizes = ("width", "height", "size_bytes", "mime_type", "num_channels")
    found["metadata"] = [f"metadata.{name}" for name in sizes]
    closed = (_LAYERS, _PROVENANCE, "metadata")
    return [(name, paths, name not in closed) for name, paths in found.items() if paths]


def schemas(survey: Survey, wanted: Iterable[Field]) -> dict[str, dict[str, Any]]:
    """Return how the App's annotation edits each field, in the order in which it shows them."""
    there = {field.path: field for field in wanted}
    radio = {"type": "classification", "component": "radio"}
    attacks = sorted({*survey.counts["attack"], *knowledge("attacks")["species"]})
    faces = [*EXPRESSIONS, *(set(survey.counts["expression"]) - set(EXPRESSIONS))]
    found: dict[str, dict[str, Any]] = {"label": {**radio, "classes": list(LABELS)}}
    found["attack"] = {"type": "classification", "component": "dropdown", "classes": attacks}
    found["expression"] = {"type": "classification", "component": "dropdown", "classes": faces}
    for unit in survey.units:
        found[unit_path(unit)] = {"type": _FLOAT, "component": "slider", "range": [0.0, 5.0]}
    for name, low in (("valence", -1.0), ("arousal", -1.0), ("confidence", 0.0)):
        found[name] = {"type": _FLOAT, "component": "slider", "range": [low, 1.0]}
    for name in ("split", "subject", "domain"):
        found[name] = {"type": _STRING, "component": "text"}
    found["box"] = {"type": "detections", "component": "dropdown", "classes": ["face"]}
    for name, kind in survey.attributes.items():
        component = {"bool": "toggle"}.get(kind, "text")
        found[f"attributes.{name}"] = {"type": kind, "component": component}
    return {path: schema for path, schema in found.items() if path in there}


# Okabe and Ito's palette (2008), which people with any colour vision can tell apart; its yellow is left out,
# because the App writes white on it.
_GREEN, _VERMILION, _ORANGE, _SKY = "#009e73", "#d55e00", "#e69f00", "#56b4e9"
_PURPLE, _BLUE, _BROWN, _GREY = "#cc79a7", "#0072b2", "#a6761d", "#999999"
_MEDIA = {"print": _ORANGE, "paper": _BROWN, "replay": _SKY, "mask": _PURPLE, "digital": _BLUE}
POOL = (_SKY, _ORANGE, _PURPLE, _BLUE, _BROWN, _GREEN, _VERMILION, _GREY)
"""Colours of values that have none of their own."""


def colours(survey: Survey) -> list[dict[str, Any]]:
    """Return the colours of values: labels, attacks by their medium, the status of instructions."""

    def of(path: str, by: str | None, values: Mapping[str, str]) -> dict[str, Any]:
        pairs = [{"value": value, "color": colour} for value, colour in values.items()]
        return {"path": path, "colorByAttribute": by, "valueColors": pairs}

    attacks = {name: _MEDIA.get(name.split("/")[0], _GREY) for name in survey.counts["attack"]}
    found = [
        of("label", "label", {"live": _GREEN, "spoof": _VERMILION}),
        of("attack", "label", attacks),
    ]
    if survey.reviews:
        statuses = {"accept": _GREEN, "review": _ORANGE, "reject": _VERMILION, "blocked": _GREY}
        found.append(of("instructions.status", None, statuses))
    return found


def mask_targets(survey: Survey) -> dict[str, dict[int, str]]:
    """Return the names of the values of region masks."""
    return {"regions": dict(enumerate(REGIONS))} if "regions" in survey.layers else {}
