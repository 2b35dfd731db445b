"""What is fuzzed: a form, a few real inputs, and a function that reads one as the command line would."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facedata.datasets.engine import ItemSource
from facedata.datasets.errors import PictureError

__all__ = ["Target", "cleared", "take"]


@dataclass(frozen=True)
class Target:
    """`form` is a key of `mutate.FORMS`; `run` raises what reading an input raises."""

    form: str
    seeds: tuple[bytes, ...]
    run: Callable[[bytes], Any]
    reads_anywhere: bool = False
    """Whether the input may name files outside the tree: a list of pictures is the user's own."""


def cleared(folder: Path) -> Path:
    """Return the folder, emptied of what an earlier input left under its name."""
    for one in folder.parent.glob(f"*{folder.name}*"):
        shutil.rmtree(one) if one.is_dir() else one.unlink()
    return folder


def take(source: ItemSource, most: int = 12) -> None:
    """Load the first items of a source, as the engine does."""
    for _, items in source.shards(64):
        for item in _first(items, most):
            item.stamp()
            try:
                list(item.load(10**6))
            except PictureError:
                continue


def _first(items: Iterable[Any], most: int) -> Iterable[Any]:
    for number, item in enumerate(items):
        if number >= most:
            return
        yield item
