"""Files for the App, which shows what lies in files: pictures in shards or far away are written beside."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from facedata.datasets.canonical import content_hash
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError
from facedata.datasets.remote import remote_of
from facedata.datasets.storage import checked_name

__all__ = ["PICTURES", "Pictures"]

PICTURES = Path(".facedata/pictures")
"""Where pictures of the layout `shards` are written for the App."""

_KINDS = ((b"\xff\xd8", "jpg"), (b"\x89PNG", "png"), (b"RIFF", "webp"))
"""What rows point to is one of these: other formats are converted when they are ingested."""


class Pictures:
    """Where each picture lies as a file; those inside shards go to `cache`, named by their content.

    A file that is there is not written again, so a push that was stopped goes on, and versions that share
    pictures share files. `missing` says what could not be found, by its reference.
    """

    def __init__(self, dataset: Dataset, cache: Path) -> None:
        self._dataset = dataset
        self._root = str(dataset.root.resolve())
        self.cache = os.path.abspath(cache)  # noqa: PTH100
        self.missing: dict[str, str] = {}

    def unpack(self) -> None:
        """Write the pictures inside shards as files, a shard after the other, which is quicker than by row.

        What is damaged is left out, and so missing.
        """
        for shard in sorted(Path(self._root, "shards").glob("*.parquet")):
            try:
                self._unpack(shard)
            except (OSError, KeyError, pa.ArrowException):
                continue  # `file` says of each picture why it cannot be read

    def _unpack(self, shard: Path) -> None:
        with pq.ParquetFile(shard) as file:
            for group in range(file.num_row_groups):
                hashes = file.read_row_group(group, columns=["content_hash"])["content_hash"].to_pylist()
                if all(self._there(one) for one in hashes):
                    continue
                data = file.read_row_group(group, columns=["bytes"])["bytes"].to_pylist()
                for one, bytes_ in zip(hashes, data, strict=True):
                    if not self._there(one) and content_hash(bytes_) == one:
                        self._write(one, bytes_)

    def file(self, reference: str, hashed: str) -> str:
        """Return the path of a picture's file; there is none where `missing` names the reference."""
        if "#" not in reference:
            path = f"{self._root}/{checked_name(reference)}"
            if os.path.exists(path):  # noqa: PTH110 - once a picture
                return path
            if remote_of(path) is None:
                self.missing[reference] = f"{path} is missing"
                return path
        if (there := self._there(hashed)) is not None:
            return there
        try:
            data = self._dataset.read(reference)
        except DatasetError as error:
            self.missing[reference] = str(error)
            return f"{self._stem(hashed)}.jpg"
        return self._write(hashed, data)

    def _stem(self, hashed: str) -> str:
        return f"{self.cache}/{hashed[:2]}/{hashed}"

    def _there(self, hashed: str) -> str | None:
        stem = self._stem(hashed)
        paths = (f"{stem}.{kind}" for _, kind in _KINDS)
        return next((path for path in paths if os.path.exists(path)), None)  # noqa: PTH110

    def _write(self, hashed: str, data: bytes) -> str:
        kind = next((kind for start, kind in _KINDS if data.startswith(start)), "png")
        path = f"{self._stem(hashed)}.{kind}"
        temporary = f"{path}.{os.getpid()}.tmp"
        try:
            file = open(temporary, "wb")  # noqa: PTH123,SIM115 - once a picture: pathlib doubles the cost
        except FileNotFoundError:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            file = open(temporary, "wb")  # noqa: PTH123,SIM115
        with file:
            file.write(data)
        os.replace(temporary, path)  # noqa: PTH105
        return path
