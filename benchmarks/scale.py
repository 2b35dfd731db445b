"""Memory of the driver and of its workers, from a thousand inputs to a hundred thousand.

    python benchmarks/scale.py [--sizes 1000,10000,100000] [--layout shards]

Each size runs in a process of its own, so that one peak does not hide another. The inputs are small pictures
(64 x 64) of repeated content under distinct names: what grows is the number of samples.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from augment import Watch

from facedata.augment.run import augment
from facedata.datasets.demo import demo_face
from facedata.datasets.engine import Options
from facedata.datasets.pictures import Encoding


def one(count: int, layout: str) -> dict[str, float]:
    """Run one size in this process and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "faces")
        pictures = [Encoding("jpeg", 90).encode(demo_face(person, 0, 64).image) for person in range(8)]
        for number in range(count):
            file = source / f"{number // 1000:04d}" / f"{number:07d}.jpg"
            if number % 1000 == 0:
                file.parent.mkdir(parents=True)
            file.write_bytes(pictures[number % 8])
        began = time.perf_counter()
        with Watch() as watch:
            options = Options(layout=layout, engine="process", workers=2)
            result = augment(source, Path(folder, "out"), policy="fas-aug", variants=1, options=options)
        seconds = time.perf_counter() - began
        driver = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        return {
            "rows": result.record.counts.rows,
            "seconds": seconds,
            "driver": driver,
            "worker": watch.peak,
        }


def main() -> None:
    """Run every size and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--layout", default="shards", choices=["files", "shards"])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.layout)))
        return
    print("| inputs | rows | samples/s | driver, peak MB | largest worker, MB |\n|---:|---:|---:|---:|---:|")
    for size in map(int, arguments.sizes.split(",")):
        command = [sys.executable, __file__, "--one", str(size), "--layout", arguments.layout]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        rate = found["rows"] / found["seconds"]
        print(f"| {size} | {found['rows']} | {rate:.0f} | {found['driver']:.0f} | {found['worker']:.0f} |")


if __name__ == "__main__":
    main()
