"""`folder`: pictures under readable names and one table, as imagefolder and most training code read it."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

from facedata.datasets.canonical import canonical_json
from facedata.datasets.exports.base import Card, Exporter, Layers, Picks, Written
from facedata.datasets.exports.columns import CONTENT, layer_columns
from facedata.datasets.names import stem_of, suffix_of
from facedata.datasets.sample import Sample

__all__ = ["METADATA_NAME", "Folder", "put", "table_row"]

METADATA_NAME = "metadata.csv"
"""The table's name: the one that Hugging Face's imagefolder looks for."""

_LOADING = """Pictures lie under `SPLIT/LABEL/`; `metadata.csv` has a line for each, with its path as `file_name`.

```python
from datasets import load_dataset

rows = load_dataset("path/to/this/folder", split="{split}")
picture, label = rows[0]["image"], rows[0]["label"]
```

A CSV file has no types, so readers guess them: a subject called 007 may become the number 7. Lists and nested
values are JSON text.{more}"""


class Folder(Exporter):
    """`train/live/x.jpg`, ..., and metadata.csv."""

    name = "folder"
    title = "pictures by split and label with metadata.csv, for imagefolder and for people"
    choices = Layers

    def write(self, picks: Picks, tree: Path, choices: Layers) -> Written:
        """Write the pictures and the table; layers go to `layers/NAME/` and into columns of paths."""
        picks.check_layers(choices.layers)
        columns = layer_columns(choices.layers)
        header = ["file_name", *CONTENT, *(f"{column}_file_name" for column in columns.values())]
        rows: Counter[str] = Counter()
        with (tree / METADATA_NAME).open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(header)
            for row in picks.rows():
                sample = Sample.from_row(row)
                split, stem = picks.split_names[sample.split], stem_of(sample)
                data = picks.read(sample.image, sample.content_hash)
                name = f"{split}/{sample.label or 'unlabelled'}/{stem}.{suffix_of(data)}"
                put(tree / name, data)
                values = [name, *table_row(row)]
                for layer, picture in picks.layers_of(row, choices.layers).items():
                    place = f"layers/{columns[layer]}/{stem}.png"
                    if picture is not None:
                        put(tree / place, picture)
                    values.append("" if picture is None else place)
                table.writerow(values)
                rows[split] += 1
        return Written(dict(sorted(rows.items())))

    def card(self, picks: Picks, written: Written, choices: Layers) -> Card:
        """Return the splits' folders."""
        files = [{"split": split, "path": [f"{split}/**", METADATA_NAME]} for split in written.rows]
        columns = layer_columns(choices.layers).values()
        more = f" The truth pictures are {', '.join(f'`{name}`' for name in columns)}." if columns else ""
        loading = _LOADING.format(split=next(iter(written.rows)), more=more)
        return Card(loading, {"configs": [{"config_name": "default", "data_files": files}]})


def table_row(row: dict[str, Any]) -> list[str]:
    """Return the content of a row of samples.parquet as the fields of a CSV line, null as nothing."""
    return [_text(row[name]) for name in CONTENT]


def put(path: Path, data: bytes) -> None:
    """Write a new file, and its folder where there is none yet."""
    try:
        file = path.open("xb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    with file:
        file.write(data)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return canonical_json(value) if isinstance(value, list | dict) else str(value)
