"""The one place that knows how FiftyOne stores samples: its private attributes and its documents' form.

Its public `add_samples` takes 2 to 4 ms a sample; documents that are inserted as they will lie take a tenth
of one. A test holds what is written here against what FiftyOne writes itself.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facedata.curate.fiftyone.shown import BOX, CLASSES, NUMBERS, POINTS, TEXTS
from facedata.datasets.canonical import identifier

__all__ = ["Bases", "document", "embedded", "insert", "object_id", "re_root", "read", "sample_ids", "touched"]

_EMBEDDED = "DynamicEmbeddedDocument"
_MOST_BYTES = 8 << 20  # of a document; MongoDB takes 16 MiB


def object_id(sample_id: str) -> Any:
    """Return the id of a sample in the database: of its own id, so that it is the same after each push."""
    from bson import ObjectId
    from bson.errors import InvalidId

    try:
        return ObjectId(sample_id[:24])
    except InvalidId:  # ids that are no hash
        return ObjectId(identifier("fiftyone", sample_id)[:24])


def embedded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an embedded document of the values that are not None."""
    return {"_cls": _EMBEDDED, **{name: value for name, value in values.items() if value is not None}}


def document(
    row: Mapping[str, Any],
    values: Mapping[str, Any],
    more: Mapping[str, Any],
    picture: str,
    layers: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    """Return a sample's document, but for what `insert` adds.

    `values` are those of `shown`, `more` goes in as it is; `layers` gives the kind (`Segmentation` or
    `Heatmap`) and the file of each layer.
    """
    from bson import ObjectId

    made: dict[str, Any] = {
        "_id": object_id(row["sample_id"]),
        "filepath": picture,
        "tags": [*values["tags"], *more.get("tags", ())],
        "metadata": {"_cls": "ImageMetadata", "width": row["width"], "height": row["height"]},
        "facedata_id": row["sample_id"],
    }
    for name in CLASSES:
        if (value := row[name]) is not None:
            made[name] = {"_id": ObjectId(), "_cls": "Classification", "tags": [], "label": value}
    for name in (*NUMBERS, *TEXTS):
        made[name] = values[name]
    if (boxes := values[BOX]) is not None:
        one = {"_id": ObjectId(), "_cls": "Detection", "attributes": {}, "tags": [], "label": "face"}
        made["box"] = {"_cls": "Detections", "detections": [{**one, "bounding_box": boxes[0]}]}
    if (points := values[POINTS]) is not None:
        one = {"_id": ObjectId(), "_cls": "Keypoint", "attributes": {}, "tags": [], "label": "face"}
        made["landmarks"] = {
            "_cls": "Keypoints",
            "keypoints": [{**one, "points": points[0], "confidence": None}],
        }
    for name, (kind, file) in layers.items():
        layer = {"_id": ObjectId(), "_cls": kind, "tags": []}
        made[name] = layer | (
            {"mask_path": file} if kind == "Segmentation" else {"map_path": file, "range": [0.0, 255.0]}
        )
    made["au_domain"] = values["au_domain"]
    units = {path[3:]: value for path, value in values.items() if path.startswith("au.")}
    attributes = {path[11:]: value for path, value in values.items() if path.startswith("attributes.")}
    if units:
        # Units that are null stand there too: the App replaces a value, it does not add one.
        made["au"] = {"_cls": _EMBEDDED, **units}
    if attributes:
        made["attributes"] = embedded(attributes)
    made |= {name: value for name, value in more.items() if name != "tags"}
    return {name: value for name, value in made.items() if value is not None}


def insert(dataset: Any, documents: Iterable[dict[str, Any]], stamp: datetime) -> int:
    """Insert documents that were made at `stamp`, and return how many."""
    documents = list(documents)
    for one in documents:
        one["_dataset_id"] = dataset._doc.id
        one["_media_type"] = "image"
        one["_rand"] = 0.999 + 0.001 * random.random()  # noqa: S311 - FiftyOne shuffles by it
        one["created_at"] = one["last_modified_at"] = stamp
    if documents:
        dataset._sample_collection.insert_many(documents, ordered=False)
    return len(documents)


def touched(dataset: Any, stamp: datetime) -> dict[str, datetime]:
    """Return when each sample was written last that was written after the push at `stamp`, by facedata_id."""
    shown = {"_id": 0, "facedata_id": 1, "last_modified_at": 1}
    found = dataset._sample_collection.find({"last_modified_at": {"$ne": stamp}}, shown)
    return {one["facedata_id"]: one["last_modified_at"] for one in found if one.get("facedata_id")}


def sample_ids(dataset: Any) -> list[str | None]:
    """Return the facedata_id of every sample; None of those that were not pushed."""
    return [
        one.get("facedata_id") for one in dataset._sample_collection.find({}, {"_id": 0, "facedata_id": 1})
    ]


def read(dataset: Any, ids: Sequence[str], paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the values at some paths of some samples, by facedata_id; None where there is none.

    As FiftyOne's `values` has it: a path that leads through a list gives a list.
    """
    tops = dict.fromkeys(path.split(".")[0] for path in paths)
    shown = {"_id": 0, "facedata_id": 1, **dict.fromkeys(tops, 1)}
    found = dataset._sample_collection.find({"facedata_id": {"$in": list(ids)}}, shown)
    steps = [(path, path.split(".")) for path in paths]
    return {one["facedata_id"]: {path: _at(one, parts) for path, parts in steps} for one in found}


def _at(place: Any, steps: Sequence[str]) -> Any:
    for number, step in enumerate(steps):
        if isinstance(place, list):
            return [_at(one, steps[number:]) for one in place]
        if not isinstance(place, Mapping):
            return None
        place = place.get(step)
    return place


def re_root(dataset: Any, old: str, new: str, layers: Iterable[str]) -> int:
    """Let pictures and layers that lay under the folder `old` lie under `new`; return how many pictures.

    Done by the server, so a million take seconds. What nobody edited does not count as edited.
    """
    paths = ["filepath", *layers]
    changed = 0
    for path in paths:
        there = {"$substrCP": [f"${path}", 0, len(old) + 1]}
        rest = {"$substrCP": [f"${path}", len(old), {"$strLenCP": f"${path}"}]}
        found = dataset._sample_collection.update_many(
            {path: {"$type": "string"}, "$expr": {"$eq": [there, f"{old}/"]}},
            [{"$set": {path: {"$concat": [new, rest]}}}],
        )
        changed = max(changed, found.modified_count)
    return changed


class Bases:
    """The rows as they were pushed, in a collection of their own beside FiftyOne's: what edits start from.

    They lie there in Parquet, a thousand to a document, so that a pull needs no file of the machine that
    pushed.
    """

    ROWS = 1024

    def __init__(self) -> None:
        import fiftyone.core.odm as foo

        self._database = foo.get_db_conn()
        self._collection = self._database["facedata.bases"]

    def add(self, key: str, number: int, rows: pa.Table) -> None:
        """Keep rows under the key of their push."""
        buffer = io.BytesIO()
        pq.write_table(rows, buffer, compression="zstd")
        if buffer.tell() > _MOST_BYTES and rows.num_rows > 1:
            half = rows.num_rows // 2
            self.add(key, number, rows[:half])
            self.add(key, number, rows[half:])
            return
        first = rows["sample_id"][0].as_py()
        self._collection.insert_one(
            {"push": key, "number": number, "first": first, "rows": buffer.getvalue()}
        )

    def tables(self, key: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the rows of a push in the order of their ids."""
        order = [("number", 1), ("first", 1)]
        for found in self._collection.find({"push": key}).sort(order):
            yield pq.read_table(io.BytesIO(found["rows"]), columns=list(columns) if columns else None)

    def index(self) -> None:
        """Make the lookups quick; where it is so already, this does nothing."""
        self._collection.create_index([("push", 1), ("number", 1), ("first", 1)])

    def tidy(self) -> None:
        """Forget the pushes of datasets that are no more."""
        used = self._database["datasets"].distinct("info.facedata.base")
        self._collection.delete_many({"push": {"$nin": used}})
