"""A hash over a folder's tables, written beside them: damage to any of them shows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from facedata.datasets.record import write_text

__all__ = ["SEAL_NAME", "seal", "sealed"]

SEAL_NAME = "seal"


def seal(folder: Path, files: Sequence[str]) -> None:
    """Write down what `files` of the folder hold; it is the last thing that is written there."""
    write_text(folder / SEAL_NAME, _digest(folder, files), flush=False)


def sealed(folder: Path, files: Sequence[str]) -> bool:
    """Whether `files` of the folder hold what they held when it was sealed."""
    try:
        return (folder / SEAL_NAME).read_bytes() == _digest(folder, files).encode()
    except OSError:
        return False


def _digest(folder: Path, files: Sequence[str]) -> str:
    found = hashlib.sha256()
    for name in files:
        with (folder / name).open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
