"""`facedata curate open`: FiftyOne's App on a dataset that was pushed."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facedata.curate.fiftyone.connect import connect, readable_errors
from facedata.curate.fiftyone.moved import re_rooted
from facedata.curate.fiftyone.pictures import PICTURES
from facedata.curate.fiftyone.state import State, default_name, open_state
from facedata.curate.ports import why_taken
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError

__all__ = ["PORT", "Opened", "open_app"]

PORT = 5151
"""FiftyOne's own."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Opened:
    """An App that runs: its session, what there is to say of it, and how many paths were changed."""

    session: Any
    name: str
    notes: list[str] = field(default_factory=list)
    re_rooted: int = 0


def open_app(
    source: Path,
    *,
    name: str | None = None,
    uri: str | None = None,
    remote: bool = False,
    port: int = PORT,
    address: str = "127.0.0.1",
    here: bool = False,
    cache: Path | None = None,
) -> Opened:
    """Open the App on what was pushed of the dataset at `source`.

    Local, it opens a browser; `remote` only serves. `here` looks for the pictures under `source`, where
    another place was pushed; those inside shards go to `cache`. Raises UsageError where nothing whole was
    pushed or the port is busy.
    """
    dataset = Dataset.open(source)
    _refuse_busy(address, port)
    fo = connect(uri)
    with readable_errors(uri):
        state = open_state(fo, name or default_name(dataset.root))
        changed = re_rooted(state, dataset, cache or PICTURES) if here else 0
        notes = [*_other_version(state, dataset), *_gone(state, dataset)]
    with redirect_stdout(sys.stderr):  # where its server is slow, FiftyOne says so on standard output
        session = fo.launch_app(state.dataset, remote=remote, port=port, address=address, auto=False)
    return Opened(session, state.name, notes, changed)


def _refuse_busy(address: str, port: int) -> None:
    if (reason := why_taken(address, port)) is not None:
        raise UsageError(f"port {port} of {address} cannot be had ({reason}); choose another --port")


def _other_version(state: State, dataset: Dataset) -> list[str]:
    if state.version == dataset.version:
        return []
    return [
        f"{state.name} shows version {state.version}; {dataset.root.name} is {dataset.version}: push it to "
        "see it"
    ]


def _gone(state: State, dataset: Dataset) -> list[str]:
    """Name the pictures that are not where they were pushed from."""
    paths = state.dataset.values("filepath")
    gone = [path for path in paths if not os.path.exists(path)]  # noqa: PTH110 - once a picture
    if not gone:
        return []
    shown = ", ".join(gone[:_SHOWN]) + (", ..." if len(gone) > _SHOWN else "")
    moved = str(dataset.root.resolve()) != state.root
    mend = "--re-root looks for them here" if moved else "restore them, or push again"
    return [f"{len(gone)} of {len(paths)} pictures are gone: {shown}; {mend}"]
