"""A dataset that lies elsewhere by now, or was pushed from another machine: other paths, nothing else."""

from __future__ import annotations

from pathlib import Path

from facedata.curate.fiftyone.documents import re_root
from facedata.curate.fiftyone.pictures import Pictures
from facedata.curate.fiftyone.state import State, renew
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError

__all__ = ["re_rooted"]


def re_rooted(state: State, dataset: Dataset, cache: Path) -> int:
    """Let the App look for pictures where `dataset` lies; return how many samples had another path.

    Edits stay as they are. Raises UsageError where `dataset` is not the version that was pushed, whose
    pictures may have other names.
    """
    if dataset.version != state.version:
        raise UsageError(
            f"{state.name} was pushed from version {state.version}, and {dataset.root.name} is "
            f"{dataset.version}: push it, then its pictures are found"
        )
    pictures = Pictures(dataset, cache)
    pictures.unpack()
    root = str(dataset.root.resolve())
    changed = 0
    for old, new in ((state.root, root), (state.cache, pictures.cache)):
        if old != new:
            changed += re_root(state.dataset, old, new, state.layers)
    renew(state, root=root, cache=pictures.cache)
    return changed
