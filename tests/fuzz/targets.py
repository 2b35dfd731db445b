"""The targets by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .files import FILES
from .target import Target
from .texts import TEXTS

__all__ = ["TARGETS"]

TARGETS: dict[str, Callable[[Path], Target]] = {**FILES, **TEXTS}
"""Each takes an empty folder and makes what it reads there, and its seeds."""
