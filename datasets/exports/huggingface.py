"""`huggingface`: Parquet files that hold the pictures' bytes, and a card that `load_dataset` reads."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import Field

from facedata.datasets.exports.base import Card, Exporter, Layers, Picks, Written
from facedata.datasets.exports.columns import content_features, label_class, layer_columns, typed
from facedata.datasets.exports.tables import TableFile
from facedata.datasets.pictures import suffix_of
from facedata.datasets.sample import Sample
from facedata.datasets.shard import file_stem

if TYPE_CHECKING:
    import datasets

__all__ = ["HuggingFace"]

_LOADING = """```python
from datasets import load_dataset

rows = load_dataset("path/to/this/folder", split="{split}")
print(rows.features)
picture, label = rows[0]["image"], rows[0]["label"]
```

`image` is the picture as a PIL image; its bytes are those of the dataset (`content_hash` is their SHA-256).
`label` is 0 for live, 1 for spoof and null where the source says nothing.{more}"""


class _Choices(Layers):
    shard_mb: int = Field(256, ge=1, le=4096, description="megabytes of pictures in a file")


class HuggingFace(Exporter):
    """One series of files a split: `data/train-00000.parquet`, ..."""

    name = "huggingface"
    title = "Parquet with embedded pictures and a card, for datasets.load_dataset and the hub"
    choices = _Choices
    hub = True

    def write(self, picks: Picks, tree: Path, choices: _Choices) -> Written:
        """Write the files, each of at most `shard_mb` megabytes of pictures."""
        picks.check_layers(choices.layers)
        columns = layer_columns(choices.layers)
        features = _features(picks.units, list(columns.values()))
        (tree / "data").mkdir()
        writers: dict[str, _Series] = {}
        rows: Counter[str] = Counter()
        for row in picks.rows():
            sample = Sample.from_row(row)
            data = picks.read(sample.image, sample.content_hash)
            stem = file_stem(sample)
            values = typed(row, picks.units)
            values["label"] = label_class(sample.label)
            values["image"] = {"bytes": data, "path": f"{stem}.{suffix_of(data)}"}
            size = len(data)
            for name, layer in picks.layers_of(row, choices.layers).items():
                values[columns[name]] = layer and {"bytes": layer, "path": f"{stem}.png"}
                size += len(layer or b"")
            split = picks.split_name(sample.split)
            if split not in writers:
                prefix = tree / "data" / split
                writers[split] = _Series(prefix, features.arrow_schema, choices.shard_mb << 20)
            writers[split].add(values, size)
            rows[split] += 1
        for writer in writers.values():
            writer.finish()
        return Written(dict(sorted(rows.items())))

    def card(self, picks: Picks, written: Written, choices: _Choices) -> Card:
        """Return the list of data files by split: the types are in the files themselves."""
        files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in written.rows]
        columns = layer_columns(choices.layers).values()
        more = f" The truth pictures are {', '.join(f'`{name}`' for name in columns)}." if columns else ""
        loading = _LOADING.format(split=next(iter(written.rows)), more=more)
        return Card(loading, {"configs": [{"config_name": "default", "data_files": files}]})


def _features(units: tuple[int, ...], layers: list[str]) -> datasets.Features:
    """Return the types of all columns; they go into the files' schema, where `load_dataset` finds them."""
    from datasets import Features, Image

    content = content_features(units, classes=True)
    return Features({"image": Image(), **content, **{name: Image() for name in layers}})


class _Series:
    """Files of bounded size: one is closed once it holds `limit` bytes of pictures."""

    def __init__(self, prefix: Path, schema: pa.Schema, limit: int) -> None:
        self._prefix = prefix
        self._schema = schema
        self._limit = limit
        self._number = 0
        self._file: TableFile | None = None

    def add(self, values: dict[str, Any], size: int) -> None:
        if self._file is None:
            path = self._prefix.with_name(f"{self._prefix.name}-{self._number:05d}.parquet")
            self._file = TableFile(path, self._schema)
        self._file.add(values, size)
        if self._file.bytes >= self._limit:
            self.finish()

    def finish(self) -> None:
        """Close the open file; what is added next goes into another one."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._number += 1
