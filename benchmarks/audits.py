"""How well the audits find what is planted: precision and recall, and what they cost.

    python benchmarks/audits.py [--seed 0] [--only NAME] [--write docs/audit.md] [--near 1000000]

Each audit meets faults of known place and size (audit_plants.py). Of an audit that marks rows, rows are
counted; of one that judges a dataset, datasets, half of them faulty. `--write` puts the table into the file,
between its markers. `--near` measures instead how long near duplicates of so many vectors take.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from page import write_between

from facedata.curate.audit.intervals import share_interval
from facedata.curate.audit.neighbours import find_neighbours

MODULES = ("audit_plants", "audit_plants_models")


@dataclass
class Score:
    """Counts of what was planted and what was found."""

    right: int = 0
    missed: int = 0
    false: int = 0
    sound: int = 0

    def add(self, truth: np.ndarray, found: np.ndarray) -> None:
        """Count what is faulty, and what was found."""
        self.right += int((truth & found).sum())
        self.missed += int((truth & ~found).sum())
        self.false += int((~truth & found).sum())
        self.sound += int((~truth & ~found).sum())

    @property
    def precision(self) -> dict[str, float]:
        """Of what was found, how much is faulty."""
        return share_interval(self.right, self.right + self.false)

    @property
    def recall(self) -> dict[str, float]:
        """Of what is faulty, how much was found."""
        return share_interval(self.right, self.right + self.missed)


def measure(plant, seed: int, repeats: int | None = None) -> Score:
    """Judge as many faults as the plant asks for."""
    score = Score()
    for number in range(repeats or plant.repeats):
        score.add(*plant.judge(np.random.default_rng([seed, number])))
    return score


def every_plant() -> list:
    """Every plant there is, in the order of the modules."""
    return [plant for name in MODULES for plant in importlib.import_module(name).plants()]


def table(scores: Iterable[tuple[object, Score]]) -> str:
    """Return a Markdown table, a line a plant."""
    lines = ["| Audit | Planted | Counted | Precision | Recall |", "|---|---|---|---:|---:|"]
    for plant, score in scores:
        counted = f"{score.right + score.missed} of {score.right + score.missed + score.false + score.sound}"
        cells = (f"`{plant.audit}`", plant.fault, f"{counted} {plant.counted}")
        lines.append(f"| {' | '.join(cells)} | {_told(score.precision)} | {_told(score.recall)} |")
    return "\n".join(lines)


def _told(share: dict[str, float]) -> str:
    if not share["n"]:
        return "none"
    return f"{share['value']:.3f} ({share['low']:.3f}-{share['high']:.3f})"


def near(count: int, seed: int, width: int = 256) -> str:
    """Plant near duplicates of one in a hundred among `count` normal vectors, the hardest there are."""
    generator = np.random.default_rng(seed)
    vectors = generator.standard_normal((count, width), np.float32)
    planted = count // 100
    chosen = generator.choice(count, 2 * planted, replace=False)
    source, target = chosen[:planted], chosen[planted:]
    unit = vectors[source] / np.linalg.norm(vectors[source], axis=1, keepdims=True)
    away = generator.standard_normal(unit.shape, np.float32)
    away -= (away * unit).sum(axis=1, keepdims=True) * unit
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    cosine = generator.uniform(0.955, 1, (planted, 1)).astype(np.float32)
    vectors[target] = cosine * unit + np.sqrt(1 - cosine**2) * away
    began, worked = time.perf_counter(), time.process_time()
    found = find_neighbours(vectors, 0.95)
    took, cpu = time.perf_counter() - began, time.process_time() - worked
    pairs = set((found.first * count + found.second).tolist())
    low, high = np.minimum(source, target), np.maximum(source, target)
    hits = sum(pair in pairs for pair in (low * count + high).tolist())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return (
        f"{count} x {width}: {took:.0f} s ({cpu:.0f} s of processor), peak {peak:.2f} GB, vectors "
        f"{vectors.nbytes / 1e9:.2f}; planted pairs found {hits} of {planted}, own estimate of recall "
        f"{_told(found.recall)}; {len(pairs)} pairs"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--near", type=int)
    options = parser.parse_args(arguments)
    if options.near:
        print(near(options.near, options.seed))
        return
    chosen = [one for one in every_plant() if options.only in (None, one.audit)]
    scores = []
    for plant in chosen:
        scores.append((plant, measure(plant, options.seed)))
        print(table(scores[-1:]).splitlines()[-1], flush=True)
    if options.write:
        write_between(options.write, "planted", table(scores))


if __name__ == "__main__":
    main()
