"""A folder that a run writes in place, for hours perhaps: a model that is being trained."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from facedata.datasets.workplace import Workplace

__all__ = ["in_place"]

_CODE = re.compile(r"\(os error (\d+)\)")


@contextlib.contextmanager
def in_place(target: Path) -> Iterator[None]:
    """Hold the folder `target` for this run, and say in one line what keeps it from being written.

    Raises TargetError, naming the holder, where another run has it, and in place of the errors of the system
    that come from within: a full disk, say.
    """
    with Workplace(target).held(), _system_errors():
        if target.is_dir():
            _sweep(target)
        yield


def _sweep(folder: Path) -> None:
    """Remove what a run that was killed had begun to write and not renamed yet."""
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)


@contextlib.contextmanager
def _system_errors() -> Iterator[None]:
    """Have safetensors, which tells of the system in words of its own, raise what everybody else raises."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        if found := _CODE.search(str(error)):
            raise OSError(int(found[1]), os.strerror(int(found[1]))) from None
        raise
