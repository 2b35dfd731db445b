"""What a dataset costs, from a thousand pictures to a million: time, memory, files, and a kill.

    python benchmarks/scale.py WORK --write docs/performance.md

That one command makes the table of the page, in hours; --sizes 1000,10000,100000 leaves out the million.

The inputs are JPEGs of 64 x 64 in folders of a thousand: eight faces under distinct names, so what grows is
the number of samples. For each size, in the folder WORK:

- `facedata augment` from nothing, with two workers;
- the same again, killed (SIGKILL, driver and workers) after half of that time, then `--resume`: how long
  until the first new part is written, whether the version is the same, and what both together cost more;
- `facedata validate` on the result, with two workers.

Each is a process of its own; memory is the resident memory of the driver and of the largest worker, looked
at ten times a second, seconds of CPU are those of all processes. Kernels are compiled before anything is
timed. Sizes that WORK has results of are not run again. The load is the mean of the last quarter of an hour,
this benchmark's own two workers included: where it is higher, other work shared the cores, and seconds say
less than CPU does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from page import write_between
from verbs import COMMAND

from facedata.datasets.demo import demo_face
from facedata.datasets.pictures import Encoding
from facedata.datasets.record import read_record
from facedata.datasets.workplace import Workplace

HEADS = {
    "inputs": "Inputs",
    "rate": "Samples/s",
    "cpu": "CPU, ms a sample",
    "driver": "Driver, peak MB",
    "worker": "Largest worker, MB",
    "files": "Files",
    "megabytes": "MB",
    "first": "Resumed: first new part after, s",
    "again": "Killed and resumed: CPU more, %",
    "same": "Same version",
    "validate": "Validate, s",
    "validate_cpu": "Validate, CPU s",
    "validate_peak": "Validate, peak MB",
    "load": "Load of the machine",
}


@dataclass
class Run:
    """What a command took."""

    wall: float = 0.0
    cpu: float = 0.0
    driver: float = 0.0
    worker: float = 0.0


def watched(
    words: list[str], *, stop_after: float | None = None, look: Callable[[float], None] = lambda _: None
) -> Run:
    """Run a facedata command, looking at its processes ten times a second; kill all of them after a time."""
    found, spent = Run(), dict[int, float]()
    began = time.perf_counter()
    with subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        driver = psutil.Process(process.pid)
        while process.poll() is None:
            _measure(driver, found, spent)
            passed = time.perf_counter() - began
            look(passed)
            if stop_after is not None and passed > stop_after:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.1)
        said = process.stderr.read().decode() if process.stderr else ""
    if process.returncode and stop_after is None:
        raise SystemExit(f"facedata {' '.join(words)}: {said[-500:]}")
    found.wall, found.cpu = time.perf_counter() - began, sum(spent.values())
    return found


def _measure(driver: psutil.Process, found: Run, spent: dict[int, float]) -> None:
    try:
        for process in [driver, *driver.children(recursive=True)]:
            memory, times = process.memory_info().rss / 1e6, process.cpu_times()
            spent[process.pid] = times.user + times.system
            if process.pid == driver.pid:
                found.driver = max(found.driver, memory)
            else:
                found.worker = max(found.worker, memory)
    except psutil.Error:
        return  # it has just ended


def inputs(work: Path, count: int) -> Path:
    """Return a folder of so many small faces."""
    source = work / f"faces-{count}"
    if not source.exists():
        partial = work / f"faces-{count}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        pictures = [Encoding("jpeg", 90).encode(demo_face(person, 0, 64).image) for person in range(8)]
        for number in range(count):
            file = partial / f"{number // 1000:04d}" / f"{number:07d}.jpg"
            if number % 1000 == 0:
                file.parent.mkdir(parents=True)
            file.write_bytes(pictures[number % 8])
        partial.rename(source)
    return source


def one(work: Path, count: int, layout: str, workers: int) -> dict[str, float]:
    """Return the figures of a size."""
    source, target, again = inputs(work, count), work / "out", work / "again"
    for old in (target, again):  # of a run of this benchmark that was stopped
        for folder in (old, Workplace(old).work):
            shutil.rmtree(folder, ignore_errors=True)
    words = ["augment", str(source), "--policy", "fas-aug", "--variants", "1", "--originals", "drop"]
    words += ["--layout", layout, "--workers", str(workers), "--no-cache", "--label", "live"]
    whole = watched([*words, "-o", str(target)])
    record = read_record(target)
    kept = [path for path in target.rglob("*") if path.is_file()]

    killed = watched([*words, "-o", str(again)], stop_after=whole.wall / 2)
    before, first = _parts(again), [0.0]

    def look(passed: float) -> None:
        if not first[0] and _parts(again) - before:
            first[0] = passed

    resumed = watched([*words, "-o", str(again), "--resume"], look=look)
    same = read_record(again).version == record.version
    shutil.rmtree(again)
    validated = watched(["validate", str(target), "--workers", str(workers)])
    figures = {
        "inputs": count,
        "rate": record.counts.rows / whole.wall,
        "cpu": 1000 * whole.cpu / record.counts.rows,
        "driver": whole.driver,
        "worker": whole.worker,
        "files": len(kept),
        "megabytes": sum(path.stat().st_size for path in kept) / 1e6,
        "first": first[0],
        "again": 100 * ((killed.cpu + resumed.cpu) / whole.cpu - 1),
        "same": float(same),
        "validate": validated.wall,
        "validate_cpu": validated.cpu,
        "validate_peak": validated.driver,
        "load": os.getloadavg()[2],
    }
    shutil.rmtree(target)
    return figures


def _parts(target: Path) -> set[str]:
    """Return the names of the parts that are finished."""
    parts = Workplace(target).parts
    return (
        {path.name for path in parts.iterdir() if not path.name.startswith(".")} if parts.is_dir() else set()
    )


def table(found: list[dict[str, float]]) -> str:
    """Return the figures in Markdown."""
    digits = {"cpu": 2, "first": 1, "again": 0, "validate": 1, "validate_cpu": 1, "load": 1}
    lines = ["| " + " | ".join(HEADS.values()) + " |", "|" + "---:|" * len(HEADS)]
    for one_size in found:
        cells = [f"{one_size[name]:,.{digits.get(name, 0)}f}" for name in HEADS if name != "same"]
        if not one_size["first"]:  # all parts were made before the kill
            cells[list(HEADS).index("first")] = "-"
        cells.insert(list(HEADS).index("same"), "yes" if one_size["same"] else "NO")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run every size, and print or write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="a folder with room for the inputs and two datasets of them")
    parser.add_argument("--sizes", default="1000,10000,100000,1000000")
    parser.add_argument("--layout", default="shards", choices=["files", "shards"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path, help="a page with the marks <!-- scale -->")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    warm = ["augment", str(inputs(asked.work, 50)), "--policy", "fas-aug", "--overwrite", "--no-cache"]
    watched([*warm, "-o", str(asked.work / "warm")])
    found = []
    for size in map(int, asked.sizes.split(",")):
        kept = asked.work / f"{size}-{asked.layout}.json"
        if not kept.exists():
            kept.write_text(json.dumps(one(asked.work, size, asked.layout, asked.workers)))
            shutil.rmtree(asked.work / f"faces-{size}")
        found.append(json.loads(kept.read_text()))
        print(found[-1], file=sys.stderr)
    made = table(found)
    if asked.write:
        write_between(asked.write, "scale", made)
    print(made)


if __name__ == "__main__":
    main()
