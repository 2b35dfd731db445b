"""`webdataset`: tar files of bounded size, read front to back over any network, with the standard library."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from facedata.datasets.canonical import canonical_json
from facedata.datasets.exports.base import Card, Exporter, Layers, Picks, Written
from facedata.datasets.exports.columns import content_features, layer_columns, typed
from facedata.datasets.pictures import suffix_of

if TYPE_CHECKING:
    import datasets

__all__ = ["WebDataset"]

_SUFFIXES = ("jpg", "png", "webp")

_LOADING = """Each sample is `ID.jpg` (or `.png`, `.webp`) and `ID.json`{more}, side by side in a tar file.

```python
from datasets import load_dataset

rows = load_dataset("path/to/this/folder", split="{split}", streaming=True)
first = next(iter(rows))
picture, label = first["jpg"] or first["png"] or first["webp"], first["json"]["label"]
```"""


class _Choices(Layers):
    shard_mb: int = Field(256, ge=1, le=65_536, description="megabytes in a tar file")


class WebDataset(Exporter):
    """`data/train-00000.tar`, ...: samples in the order of their ids, which are hashes: well mixed."""

    name = "webdataset"
    title = "tar files of pictures and JSON, for WebDataset loaders and datasets.load_dataset"
    choices = _Choices
    hub = True

    def write(self, picks: Picks, tree: Path, choices: _Choices) -> Written:
        """Write the tar files, each closed once it holds `shard_mb` megabytes."""
        picks.check_layers(choices.layers)
        columns = layer_columns(choices.layers)
        (tree / "data").mkdir()
        series: dict[str, _Series] = {}
        rows: Counter[str] = Counter()
        for row in picks.rows():
            split, key = picks.split_name(row["split"]), row["sample_id"]
            data = picks.read(row["image"], row["content_hash"])
            members = {f"{key}.{suffix_of(data)}": data}
            members[f"{key}.json"] = canonical_json(typed(row, picks.units)).encode("utf-8")
            for name, layer in picks.layers_of(row, choices.layers).items():
                if layer is not None:
                    members[f"{key}.{columns[name]}.png"] = layer
            if split not in series:
                series[split] = _Series(tree / "data" / split, choices.shard_mb << 20)
            series[split].add(members)
            rows[split] += 1
        for one in series.values():
            one.finish()
        return Written(dict(sorted(rows.items())))

    def card(self, picks: Picks, written: Written, choices: _Choices) -> Card:
        """Return data files and types: Hugging Face would guess the types from the first five samples."""
        from datasets import DatasetInfo
        from datasets.info import DatasetInfosDict  # type: ignore[import-untyped]
        from huggingface_hub import DatasetCardData

        columns = list(layer_columns(choices.layers).values())
        front = DatasetCardData()
        info = DatasetInfo(features=_features(picks.units, columns))
        DatasetInfosDict({"default": info}).to_dataset_card_data(front)
        files = [{"split": split, "path": f"data/{split}-*.tar"} for split in written.rows]
        more = "".join(f", `ID.{name}.png`" for name in columns)
        loading = _LOADING.format(split=next(iter(written.rows)), more=more)
        known = front.to_dict()  # type: ignore[no-untyped-call]
        return Card(loading, {**known, "configs": [{"config_name": "default", "data_files": files}]})


def _features(units: tuple[int, ...], layers: list[str]) -> datasets.Features:
    from datasets import Features, Image, Value

    pictures = {name: Image() for name in (*_SUFFIXES, *(f"{layer}.png" for layer in layers))}
    return Features(
        {
            **pictures,
            "json": dict(content_features(units, classes=False)),
            "__key__": Value("string"),
            "__url__": Value("string"),
        }
    )


class _Series:
    """Tar files of bounded size whose bytes depend on the members alone: no time, no owner, one format."""

    def __init__(self, prefix: Path, limit: int) -> None:
        self._prefix = prefix
        self._limit = limit
        self._number = self._bytes = 0
        self._file: tarfile.TarFile | None = None

    def add(self, members: dict[str, bytes]) -> None:
        if self._file is None:
            path = self._prefix.with_name(f"{self._prefix.name}-{self._number:05d}.tar")
            self._file = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed in finish
        for name, data in members.items():
            member = tarfile.TarInfo(name)  # time 0, owner 0, mode 0644
            member.size = len(data)
            self._file.addfile(member, io.BytesIO(data))
            self._bytes += len(data)
        if self._bytes >= self._limit:
            self.finish()

    def finish(self) -> None:
        """Close the open file; what is added next goes into another one."""
        if self._file is not None:
            self._file.close()
            self._file, self._bytes = None, 0
            self._number += 1
