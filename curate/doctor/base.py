"""One line of `facedata doctor`, and how a library is tried without being imported here."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "State", "Tried", "tried"]

State = Literal["ok", "missing", "broken"]

_PATIENCE = 120.0
"""Seconds: a first import from a cold, slow disk takes long, and is no fault."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it stands, what was seen there, and what to do where that is not right.

    `needed` says that something which is installed does not work without it. An extra that nobody installed
    is missing, and nobody needs it.
    """

    name: str
    state: State
    seen: str
    mend: str = ""
    needed: bool = True

    @property
    def fault(self) -> bool:
        """Whether this keeps something that is installed from working."""
        return self.needed and self.state != "ok"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a piece of Python printed, and why it failed, in a line, where it did."""

    out: str
    failure: str | None = None


def tried(code: str, patience: float = _PATIENCE) -> Tried:
    """Run a piece of Python in a process of its own: a library that is broken may take its process along."""
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience)
    except subprocess.TimeoutExpired:
        return Tried("", f"no answer within {patience:g} s")
    if done.returncode == 0:
        return Tried(done.stdout.strip())
    if done.returncode < 0:
        return Tried("", f"ended by signal {-done.returncode}")
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return Tried("", lines[-1].strip() if lines else f"exit code {done.returncode}")
