"""Files that are never half there: written under a hidden name, then renamed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from facedata.datasets.lock import locked

__all__ = ["whole"]


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a hidden name beside `path` to write to; at the end it becomes `path`, and goes where that fails.

    The name is always the same, so that what a killed process leaves is written over by the next, and it is
    locked, so that two processes that write the same file do so one after the other.
    """
    hidden = path.with_name(f".{path.name}.tmp")
    with locked(hidden, wait=True):
        try:
            yield hidden
            hidden.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                hidden.unlink(missing_ok=True)
            raise
