"""How much of the step rate the way of the data costs: against batches that are in memory already.

    python benchmarks/loop.py DATASET [--config FILE] [--steps 30] [--rounds 5] [--threads 1]

DATASET has live faces and attacks (facedata augment). Three runs of the loop take turns, round by round:
batches made beforehand (the floor), pictures kept once decoded (the default), and pictures decoded each time.
On a CPU, where decoding and learning share the cores, the ratio is of CPU seconds, which other work on the
machine does not move; on a GPU it is of wall seconds: the share that the GPU does not wait.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from facedata.datasets.dataset import Dataset
from facedata.recipes.config import LoopConfig, load_config
from facedata.recipes.fas import DEFAULT_CONFIG, FasRecipe
from facedata.recipes.fas_config import FasConfig
from facedata.recipes.loop import train
from facedata.recipes.rows import choose_rows

_WARM = 5  # steps that are not timed


class InMemory:
    """A recipe whose batches were made before the clock starts."""

    def __init__(self, recipe: FasRecipe, steps: int) -> None:
        self._recipe = recipe
        self._batches = [recipe.batch(number) for number in range(steps)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recipe, name)

    def batch(self, number: int) -> Any:
        """Return a batch that is there already."""
        return self._batches[number]


def seconds(recipe: Any, steps: int, clock: Callable[[], float]) -> float:
    """Return the seconds a step, by `clock`, after the first few."""
    times: list[float] = []

    def note(step: int, _total: int, _losses: Any) -> None:
        if step in (_WARM, steps):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times.append(clock())

    with tempfile.TemporaryDirectory() as folder:
        train(recipe, Path(folder), progress=note)
    return (times[1] - times[0]) / (steps - _WARM)


def subjects(dataset: Dataset, config: FasConfig) -> dict[str, Any]:
    """Return the recipes that are compared, by name; the first is the floor."""
    rows = choose_rows(dataset, config.rows, None, 0)
    rows = dataclasses.replace(
        rows, dev=rows.dev[: config.loop.batch]
    )  # looking at them is not what is timed

    def recipe(memory: int) -> FasRecipe:
        loop = config.loop.model_copy(update={"memory": memory})
        return FasRecipe(dataset, rows, config.model_copy(update={"loop": loop}))

    return {
        "batches in memory": InMemory(recipe(4096), config.loop.steps),
        "pictures kept once decoded": recipe(4096),
        "pictures decoded each time": recipe(0),
    }


def main() -> None:
    """Time the runs in turn and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="torch's own, on a CPU")
    told = parser.parse_args()
    if told.threads:
        torch.set_num_threads(told.threads)
    config = load_config(FasConfig, told.config, DEFAULT_CONFIG)
    loop = LoopConfig.model_validate(
        {**config.loop.model_dump(), "steps": told.steps, "dev_every": 10**6, "save_every": 10**6}
    )
    config = config.model_copy(update={"loop": loop})
    gpu = torch.cuda.is_available()
    clock = time.perf_counter if gpu else time.process_time
    compared = subjects(Dataset.open(told.dataset), config)
    times: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(told.rounds):
        for name, recipe in compared.items():
            times[name].append(seconds(recipe, told.steps, clock))
    floor = times["batches in memory"]
    network, unit = config.network, "wall" if gpu else "CPU"
    print(
        f"{network.name}, {network.side} px, batch {loop.batch}, {loop.workers} workers, {told.rounds} rounds"
    )
    print(f"| | ms a step ({unit}) | pictures/s | share of the floor's rate | least - most |")
    print("|---|---:|---:|---:|---|")
    for name, found in times.items():
        shares = [one / other for one, other in zip(floor, found, strict=True)]
        middle = statistics.median(found)
        print(
            f"| {name} | {1000 * middle:.1f} | {loop.batch / middle:.0f} | {statistics.median(shares):.3f} | "
            f"{min(shares):.3f} - {max(shares):.3f} |"
        )


if __name__ == "__main__":
    main()
