"""Files for the App: it shows pictures that lie in files, so those inside shards are written beside."""

from __future__ import annotations

import os
from pathlib import Path

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError
from facedata.datasets.storage import checked_name

__all__ = ["Pictures"]

_KINDS = ((b"\xff\xd8", "jpg"), (b"\x89PNG", "png"), (b"RIFF", "webp"))
"""What rows point to is one of these: other formats are converted when they are ingested."""


class Pictures:
    """Where each picture lies as a file; those inside shards go to `cache`, named by their content.

    A file that is there is not written again, so a push that was stopped goes on, and versions that share
    pictures share files. `missing` says what could not be found, by its reference.
    """

    def __init__(self, dataset: Dataset, cache: Path) -> None:
        self._dataset = dataset
        self._root = os.path.abspath(dataset.root)  # noqa: PTH100 - a link stays one
        self.cache = os.path.abspath(cache)  # noqa: PTH100
        self.missing: dict[str, str] = {}
        self.written = 0

    def file(self, reference: str, content_hash: str) -> str:
        """Return the path of the file, which is not there where `missing` names the reference."""
        if "#" not in reference:
            path = f"{self._root}/{checked_name(reference)}"
            if not os.path.exists(path):  # noqa: PTH110 - once a picture
                self.missing[reference] = f"{path} is missing"
            return path
        stem = f"{self.cache}/{content_hash[:2]}/{content_hash}"
        for _, kind in _KINDS:
            if os.path.exists(f"{stem}.{kind}"):  # noqa: PTH110
                return f"{stem}.{kind}"
        try:
            data = self._dataset.read(reference)
        except DatasetError as error:
            self.missing[reference] = str(error)
            return f"{stem}.jpg"
        kind = next((kind for start, kind in _KINDS if data.startswith(start)), "png")
        made = Path(f"{stem}.{kind}")
        made.parent.mkdir(parents=True, exist_ok=True)
        temporary = made.with_name(f".{made.name}.{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(made)
        self.written += 1
        return str(made)
