"""Faults at operations on files: the n-th one kills the process, or fails, or takes its time.

Python tells an audit hook of each opening, renaming, removing and making of a folder before it does it; a
hook that raises makes it fail. What C++ libraries open for themselves goes past it.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from typing import Any

_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "shutil.rmtree"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def set_trap(
    root: str,
    *,
    kill_at: int = 0,
    fail_at: int = 0,
    errno: int = 0,
    share: float = 0.0,
    slow: float = 0.0,
    seed: int = 0,
    reads: bool = False,
    count: str = "",
) -> None:
    """Watch what happens to files under `root`.

    `kill_at` and `fail_at` name the operation, from 1; `share` of the operations fail with `errno`, 0 for a lack of memory, and each
    takes up to `slow` seconds longer. `count` is a file to write the number of operations to.
    """
    draws, seen, inside, pid = random.Random(seed), 0, False, os.getpid()
    here = os.path.abspath(root)

    def told(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen, inside
        if inside or os.getpid() != pid:
            return
        if event == "open":
            path, _, flags = arguments
            if not reads and not (flags or 0) & _WRITES:
                return
        elif event in _CHANGES:
            path = arguments[0]
        else:
            return
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        inside = True
        try:
            if not os.path.abspath(os.fsdecode(path)).startswith(here):
                return
            seen += 1
            if count:
                with open(count, "w") as file:
                    file.write(str(seen))
            if slow:
                time.sleep(draws.random() * slow)
            if seen == kill_at:
                os.kill(pid, signal.SIGKILL)
            if seen == fail_at or draws.random() < share:
                if errno == 0:
                    raise MemoryError
                raise OSError(errno, os.strerror(errno), os.fsdecode(path))
        finally:
            inside = False

    sys.addaudithook(told)
