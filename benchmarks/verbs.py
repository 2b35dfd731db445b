"""facedata's command line, as a benchmark runs it: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["COMMAND", "Runner"]

COMMAND = (sys.executable, "-c", "from facedata.cli.main import run; run()")
"""What stands for `facedata`."""


class Runner:
    """The command line in a folder: what a user would type."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, output: str, *words: str, there: bool | None = None) -> None:
        """Run a verb that makes `output`, unless it is there."""
        if (self.home / output).exists() if there is None else there:
            return
        line = [*words, "-o", output]
        print("facedata", *line, file=sys.stderr)
        subprocess.run([*COMMAND, *line], cwd=self.home, check=True, stdout=sys.stderr)
