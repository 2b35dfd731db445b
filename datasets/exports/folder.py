"""`folder`: pictures under readable names, with tables beside them, as imagefolder and people read it."""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from facedata.datasets.canonical import canonical_json
from facedata.datasets.exports.base import Card, Exporter, Layers, Picks, Written
from facedata.datasets.exports.columns import CONTENT, content_features, label_class, layer_columns, typed
from facedata.datasets.exports.tables import TableFile
from facedata.datasets.pictures import suffix_of
from facedata.datasets.sample import Sample
from facedata.datasets.shard import file_stem

__all__ = ["SAMPLES_CSV", "TABLE_NAME", "Folder", "put"]

SAMPLES_CSV = "samples.csv"
"""All rows, for people and spreadsheets. Not `metadata.csv`: imagefolder would take it for every split's."""

TABLE_NAME = "metadata.parquet"
"""A split's table, under a name that imagefolder looks for. As CSV its columns would have no types: the
readers' guesses differ from split to split, and then they refuse it."""

_LOADING = """Pictures lie under `SPLIT/LABEL/`. Each split has its rows in `SPLIT/metadata.parquet`, and
`samples.csv` has all of them, with lists and nested values as JSON text.

```python
from datasets import load_dataset

rows = load_dataset("path/to/this/folder", split="{split}")
picture, label = rows[0]["image"], rows[0]["label"]
```

`label` is 0 for live, 1 for spoof and null where the source says nothing.{more}"""


class Folder(Exporter):
    """`train/live/x.jpg`, ..., train/metadata.parquet, ..., samples.csv."""

    name = "folder"
    title = "pictures by split and label with tables, for imagefolder and for people"
    choices = Layers

    def write(self, picks: Picks, tree: Path, choices: Layers) -> Written:
        """Write the pictures and the tables; layers go to `SPLIT/layers/NAME/`, with columns of paths."""
        picks.check_layers(choices.layers)
        columns = layer_columns(choices.layers)
        schema = _schema(picks.units, list(columns.values()))
        rows: Counter[str] = Counter()
        with ExitStack() as files:
            every = files.enter_context((tree / SAMPLES_CSV).open("w", encoding="utf-8", newline=""))
            lines = csv.writer(every, lineterminator="\n")
            lines.writerow(["file_name", *CONTENT, *map(_path_column, columns.values())])
            tables: dict[str, TableFile] = {}
            for row in picks.rows():
                sample = Sample.from_row(row)
                split, stem = picks.split_name(sample.split), file_stem(sample)
                if split not in tables:
                    (tree / split).mkdir()
                    tables[split] = files.enter_context(closing(TableFile(tree / split / TABLE_NAME, schema)))
                data = picks.read(sample.image, sample.content_hash)
                places: dict[str, str | None] = {
                    "file_name": f"{sample.label or 'unlabelled'}/{stem}.{suffix_of(data)}"
                }
                put(tree / split / str(places["file_name"]), data)
                for layer, picture in picks.layers_of(row, choices.layers).items():
                    column = columns[layer]
                    place = None if picture is None else f"layers/{column}/{stem}.png"
                    if picture is not None and place is not None:
                        put(tree / split / place, picture)
                    places[_path_column(column)] = place
                label = label_class(sample.label)
                tables[split].add({**typed(row, picks.units), **places, "label": label})
                first, *others = (place and f"{split}/{place}" for place in places.values())
                lines.writerow([first, *(_text(row[name]) for name in CONTENT), *others])
                rows[split] += 1
        return Written(dict(sorted(rows.items())))

    def card(self, picks: Picks, written: Written, choices: Layers) -> Card:
        """Return the splits' folders."""
        files = [{"split": split, "path": f"{split}/**"} for split in written.rows]
        columns = layer_columns(choices.layers).values()
        more = f" The truth pictures are {', '.join(f'`{name}`' for name in columns)}." if columns else ""
        loading = _LOADING.format(split=next(iter(written.rows)), more=more)
        return Card(loading, {"configs": [{"config_name": "default", "data_files": files}]})


def _path_column(column: str) -> str:
    """Return the column of a layer's paths: imagefolder makes a picture of each `X_file_name`, called X."""
    return f"{column}_file_name"


def _schema(units: tuple[int, ...], layers: list[str]) -> Any:
    from datasets import Features, Value

    paths = {name: Value("string") for name in map(_path_column, layers)}
    content = content_features(units, classes=True)
    return Features({"file_name": Value("string"), **content, **paths}).arrow_schema


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
