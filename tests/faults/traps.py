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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CHANGES = {
    *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink"),
    "shutil.rmtree",
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Trap:
    """What happens to operations on files under `root`, in this process and not in its children.

    `kill_at` and `fail_at` name an operation, from 1; `share` of the operations fail with `errno`, 0 for a
    lack of memory, and each takes up to `slow` seconds longer. `reads` has openings to read count too, and
    `count` is a file to write the number of operations to.
    """

    root: str
    kill_at: int = 0
    fail_at: int = 0
    errno: int = 0
    share: float = 0.0
    slow: float = 0.0
    seed: int = 0
    reads: bool = False
    count: str = ""
    _seen: int = field(default=0, init=False)
    _busy: bool = field(default=False, init=False)

    def set(self) -> None:
        """Set the trap; there is no taking it away."""
        self._pid, self._draws = os.getpid(), random.Random(self.seed)
        sys.addaudithook(self._told)

    def _told(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._busy or os.getpid() != self._pid or not self._matters(event, arguments):
            return
        self._busy = True  # what is done here is not to be met here
        try:
            path = os.fsdecode(arguments[0])
            if os.path.abspath(path).startswith(self.root):  # noqa: PTH100 - resolve() asks the disk
                self._strike(path)
        finally:
            self._busy = False

    def _matters(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event != "open":
            return event in _CHANGES and isinstance(arguments[0], str | bytes | os.PathLike)
        path, _, flags = arguments
        return isinstance(path, str | bytes | os.PathLike) and bool(self.reads or (flags or 0) & _WRITES)

    def _strike(self, path: str) -> None:
        self._seen += 1
        if self.count:
            Path(self.count).write_text(str(self._seen))
        time.sleep(self._draws.random() * self.slow)
        if self._seen == self.kill_at:
            os.kill(self._pid, signal.SIGKILL)
        if self._seen == self.fail_at or self._draws.random() < self.share:
            if self.errno == 0:
                raise MemoryError
            raise OSError(self.errno, os.strerror(self.errno), path)
