"""How long it takes to score many answers, and how much memory.

    python benchmarks/score.py [records]

Two files of made-up records are scored against each other with 1,000 bootstrap draws. No record names a
subject, so that each is a cluster of its own: nothing is more to resample.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from facedata.annotate.facs import ACTION_UNITS, EXPRESSIONS
from facedata.annotate.score.run import score
from facedata.datasets.instructions import SCHEMA, Part, Provenance, Record, Turn, to_table

UNITS = (1, 2, 4, 5, 6, 7, 9, 12, 15, 17, 20, 25, 26)


def records(count: int, seed: int, wrong: float) -> Iterator[Record]:
    """Yield records of explain-expression; a share `wrong` of their units is not the truth's."""
    truth, noise = np.random.default_rng(0), np.random.default_rng(seed)
    for number in range(count):
        shows, expression = truth.random(len(UNITS)) < 0.3, str(truth.choice(EXPRESSIONS))
        said = shows ^ (noise.random(len(UNITS)) < wrong)
        units = [unit for unit, here in zip(UNITS, said, strict=True) if here]
        other = str(noise.choice(EXPRESSIONS)) if noise.random() < wrong else expression
        lines = [f"AU{unit} ({ACTION_UNITS[unit].name}): it can be seen on the face." for unit in units]
        text = "\n".join([*lines, f"All this makes the look of the face, and it is one of {other}."])
        yield Record(
            record_id=f"{number:032x}",
            sample_id=f"{number:032x}",
            task="explain-expression",
            messages=(
                Turn(role="user", content=(Part(type="text", text="What does the face show?"),)),
                Turn(role="assistant", content=(Part(type="text", text=text),)),
            ),
            structured={
                "expression": other,
                "aus": [{"au": unit, "intensity": int(noise.integers(1, 6))} for unit in units],
            },
            evidence={
                "expression": {"value": expression},
                "coded": list(UNITS),
                "aus": [{"au": u, "intensity": 3} for u, here in zip(UNITS, shows, strict=True) if here],
            },
            provenance=Provenance(
                task_version=1, template="", response_schema="", provider="made", model="up", request=""
            ),
            status="accept",
        )


def write(path: Path, count: int, seed: int, wrong: float) -> None:
    """Write the records, a thousand at a time."""
    with pq.ParquetWriter(path, SCHEMA) as writer:
        block: list[Record] = []
        for record in records(count, seed, wrong):
            block.append(record)
            if len(block) == 1000:
                writer.write_table(to_table(block))
                block.clear()
        writer.write_table(to_table(block))


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        truth, answers = Path(folder) / "truth.parquet", Path(folder) / "answers.parquet"
        write(truth, count, 1, 0.0)
        write(answers, count, 2, 0.1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        wall, cpu = time.perf_counter(), time.process_time()
        found = score(truth, answers)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    f1 = found.tasks[0].measure("action units", "mean", "f1")
    print(f"{count} records, {found.subjects} clusters, {found.draws.count} draws")
    print(f"{wall:.1f} s, {cpu:.1f} s of CPU time")
    print(f"peak memory {peak:.0f} MB ({before:.0f} MB before); mean F1 {f1.value:.4f}")


if __name__ == "__main__":
    main()
