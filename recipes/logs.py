"""What a run writes down as it goes: plain CSV, and TensorBoard where that is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from facedata.recipes.states import trim_log

__all__ = ["DEV_NAME", "LOG_NAME", "Logs"]

LOG_NAME = "log.csv"
DEV_NAME = "dev.csv"


class Logs:
    """The logs in `root`, of a run that goes on after `first` steps: later lines will be written again."""

    def __init__(self, root: Path, first: int) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root, self._board = root, _board(root)
        for name in (LOG_NAME, DEV_NAME):
            trim_log(root / name, first)

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Write what a step came to."""
        self._write(LOG_NAME, "train", step, values)

    def dev(self, step: int, values: Mapping[str, float]) -> None:
        """Write what the development set came to."""
        self._write(DEV_NAME, "dev", step, values)

    def close(self) -> None:
        """Finish the board's file."""
        if self._board is not None:
            self._board.close()

    def _write(self, name: str, kind: str, step: int, values: Mapping[str, float]) -> None:
        path = self._root / name
        new = not path.exists() or not path.stat().st_size
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                writer.writerow(["step", *values])
            writer.writerow([step, *(f"{value:.6g}" for value in values.values())])
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(f"{kind}/{key}", value, step)


def _board(root: Path) -> Any:
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(root / "tensorboard"))
