"""Speed of the ray engine on this machine: two workers against one, and Ray against worker processes.

    python benchmarks/cluster.py [--pictures 512] [--variants 4] [--rounds 5] [--address local]
    python benchmarks/cluster.py --write docs/cluster.md

The same faces are augmented by each engine in turn, round by round, so that what else the machine does falls
on all of them. Every run has to come to the same version. A cluster that starts here is started once, and
its processes stay from run to run, as on a cluster; worker processes are started by every run.

(The file is not called ray.py: a script's folder is where Python looks first for `import ray`.)
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from page import write_between

from facedata.augment.run import augment
from facedata.datasets.connection import connected
from facedata.datasets.engine import Options
from facedata.datasets.ingest import ingest_demo

ENGINES = [("ray", 1), ("ray", 2), ("process", 1), ("process", 2)]


def measured(pictures: int, variants: int, rounds: int, address: str) -> dict[tuple[str, int], list[float]]:
    """Return seconds of each round by (engine, workers); a first round is made and not counted."""
    seconds: dict[tuple[str, int], list[float]] = {one: [] for one in ENGINES}
    versions = set()
    with tempfile.TemporaryDirectory() as folder, connected(address, 2):
        faces = Path(folder, "faces")
        ingest_demo(faces, Options(workers=2), identities=max(1, pictures // 8), pictures=8)
        for number in range(rounds + 1):
            for engine, workers in ENGINES:
                began = time.perf_counter()
                options = Options(engine=engine, workers=workers, layout="shards")
                made = augment(faces, Path(folder, "out"), variants=variants, options=options, seed=number)
                if number:
                    seconds[engine, workers].append(time.perf_counter() - began)
                versions.add((number, made.record.version))
                (Path(folder, "out")).rename(Path(folder, f"out-{number}-{engine}-{workers}"))
    if len(versions) != rounds + 1:
        raise SystemExit("the engines came to different versions")
    return seconds


def told(seconds: dict[tuple[str, int], list[float]], samples: int, loads: tuple[float, float]) -> str:
    """Return the table and the ratios, each a median over the rounds with its range."""
    rounds = len(next(iter(seconds.values())))
    lines = [
        f"{samples:,} samples a run, {rounds} rounds on {os.cpu_count()} cores; load {loads[0]:.1f} before, "
        f"{loads[1]:.1f} after. Medians (ranges).",
        "\n| engine | workers | seconds | samples a second |\n|---|---:|---:|---:|",
    ]
    for (engine, workers), found in seconds.items():
        rate = samples / statistics.median(found)
        lines.append(f"| {engine} | {workers} | {_spread(found, 1)} | {rate:.0f} |")
    lines.append("\n| times as fast | |\n|---|---:|")
    for name, one, other in (
        ("Ray, two workers over one", ("ray", 1), ("ray", 2)),
        ("processes, two workers over one", ("process", 1), ("process", 2)),
        ("Ray over processes, two workers each", ("process", 2), ("ray", 2)),
    ):
        ratios = [a / b for a, b in zip(seconds[one], seconds[other], strict=True)]
        lines.append(f"| {name} | {_spread(ratios, 2)} |")
    return "\n".join(lines)


def _spread(found: list[float], digits: int) -> str:
    return f"{statistics.median(found):.{digits}f} ({min(found):.{digits}f} - {max(found):.{digits}f})"


def main() -> None:
    """Parse the command line, and print or write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--address", default="local")
    parser.add_argument("--write", type=Path, help="a page with the marks <!-- cluster -->")
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    if before > 0.5:
        print(f"the machine is busy (load {before:.1f}): two workers get more of it than one, which flatters")
    seconds = measured(arguments.pictures, arguments.variants, arguments.rounds, arguments.address)
    samples = arguments.pictures * arguments.variants
    text = told(seconds, samples, (before, os.getloadavg()[0]))
    print(text)
    if arguments.write:
        write_between(arguments.write, "cluster", text)


if __name__ == "__main__":
    main()
