"""A lock on a target that names its holder, and goes with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

__all__ = ["Held", "hold", "locked"]


class Held(Exception):  # noqa: N818 - a state of affairs, which the caller puts into words
    """Somebody else holds the lock; `holder` is words for people."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock `path`, or raise Held; raises OSError where the file cannot be written."""
    file = locked(path)
    with file:
        file.truncate(0)
        # The host too: on a shared file system the holder may be a process of another machine.
        file.write(f"process {os.getpid()} on {platform.node() or 'this machine'}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def locked(path: Path, *, wait: bool = False) -> TextIO:
    """Return the file `path`, made where there is none, locked until it is closed.

    Where another has it, this waits for the other to close it, or raises Held.
    """
    while True:
        file = path.open("a+", encoding="utf-8", errors="replace")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # The holder before may have removed the file after it was opened here: a lock on a file that has
            # no name any more keeps nobody out.
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError:
            with file:
                file.seek(0)
                raise Held(file.read(200).strip() or "another run") from None
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()
