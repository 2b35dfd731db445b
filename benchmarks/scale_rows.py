"""A million rows: what the verbs that render nothing cost, in seconds and in memory.

    python benchmarks/scale_rows.py [--rows 1000000] [--rounds 3] [--only filter,diff] [--keep FOLDER]

The rows are generated: a fifth are ingested pictures of 500 subjects, the rest four variants of each, with
the parameters of a chain of three operators. The pictures are real JPEGs of 16 x 16 in Parquet shards, each
of its own bytes, so what is carried over is read and checked like any other. Every measurement runs in a
process of its own, so that one peak does not hide another; the rounds take turns.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa

from facedata.datasets.assemble import VersionHash
from facedata.datasets.canonical import canonical_json
from facedata.datasets.dataset import Dataset
from facedata.datasets.pictures import Encoding
from facedata.datasets.record import RECORD_NAME, Counts, Record, library_versions, write_text
from facedata.datasets.rowhash import row_digests
from facedata.datasets.sample import SCHEMA, derived_id, ingested_id
from facedata.datasets.storage import ShardsWriter
from facedata.datasets.versions.derive import TABLE_ROWS, Writing, write_rows
from facedata.datasets.versions.diff import diff
from facedata.datasets.versions.filter import filter_rows
from facedata.datasets.versions.merge import merge
from facedata.datasets.versions.split import split_by_ratios

_ATTACKS = ("print/inkjet", "print/laser", "replay/lcd", "mask/resin")
_BASE = np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8)


def picture(number: int, seed: int) -> bytes:
    """Return a JPEG that differs from every other in a comment."""
    comment = f"{number} {seed}".encode()
    head = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    data = _JPEG
    return data[:2] + head + data[2:]


_JPEG = Encoding("jpeg", 60).encode(_BASE)


def rows(count: int, seed: int) -> Iterator[tuple[dict[str, object], bytes]]:
    """Yield row and picture, not sorted."""
    for number in range(count // 5):
        data = picture(number, 0)
        place, hashed = f"{number % 500:03d}/{number:07d}.jpg", sha256(data).hexdigest()
        parent = {
            "sample_id": ingested_id(hashed, place),
            "content_hash": hashed,
            "width": 16,
            "height": 16,
            "subject": f"person-{number % 500:03d}",
            "domain": f"camera-{number % 7}",
            "label": "live",
            "layers": [],
            "box": [number % 97 / 4, 20.25, 60.5, 80.75],
            "source": {"dataset": "generated", "file": place, "sha256": hashed},
        }
        yield parent, data
        for variant in range(4):
            attack = _ATTACKS[(number + variant + seed) % 4]
            level = (number * 7919 + variant * 104729 + seed) % 100_003 / 100_003
            steps = [
                {
                    "operator": name,
                    "version": 2,
                    "parameters": {"strength": level, "angle": level * 90, "lpi": 85.0},
                }
                for name in ("paper-texture", attack.partition("/")[2], "camera")
            ]
            encoding = {"format": "jpeg", "quality": 95}
            parameters = {"policy": "generated", "steps": steps, "encoding": encoding}
            data = picture(5 * number + variant, seed + 1)
            operator = "+".join(str(step["operator"]) for step in steps)
            yield (
                {
                    **parent,
                    "sample_id": derived_id(str(parent["sample_id"]), operator, parameters, seed, variant),
                    "content_hash": sha256(data).hexdigest(),
                    "label": "spoof",
                    "attack": attack,
                    "parent_id": parent["sample_id"],
                    "operator": operator,
                    "parameters": canonical_json(parameters),
                    "variant": variant,
                    "seed": seed,
                },
                data,
            )


def generate(root: Path, count: int, seed: int) -> None:
    """Write a dataset of generated rows; this is not what is measured."""
    root.mkdir(parents=True)
    writer = ShardsWriter(root)
    found = []
    for number, (row, data) in enumerate(rows(count, seed)):
        writer.put(data, str(number))
        found.append(row)
    references = writer.close()
    for number, row in enumerate(found):
        row["image"] = references[str(number)]
    found.sort(key=lambda row: str(row["sample_id"]))
    tables = (
        pa.Table.from_pylist(found[start : start + TABLE_ROWS], schema=SCHEMA)
        for start in range(0, count, TABLE_ROWS)
    )
    finish(root, *write_rows(tables, root), seed)


def finish(root: Path, version: str, counts: Counts, seed: int) -> None:
    """Write the record."""
    record = Record(
        version=version,
        verb="generate",
        seed=seed,
        layout="shards",
        libraries=library_versions(),
        counts=counts,
    )
    write_text(root / RECORD_NAME, record.model_dump_json(indent=2) + "\n")


def write(base: Path, out: Path) -> object:
    """Write the rows of the base: samples.parquet, version, counts, record."""
    out.mkdir()
    spent = [0.0]

    def timed() -> Iterator[pa.Table]:
        tables = Dataset.open(base / "a").tables(most=TABLE_ROWS)
        while True:
            began = time.perf_counter()
            table = next(tables, None)
            spent[0] += time.perf_counter() - began
            if table is None:
                return
            yield table

    version, counts = write_rows(timed(), out)
    finish(out, version, counts, 0)
    return {"reading, included": round(spent[0], 1)}


def opened(base: Path, out: Path) -> object:
    """Open, and the first row; no picture is there to be read."""
    del out
    dataset = Dataset.open(base / "a")
    return {"rows": len(dataset), "first": next(iter(dataset)).sample_id[:8]}


def version_id(base: Path, out: Path) -> object:
    """Compute the version id from the rows alone."""
    del out
    version, dataset = VersionHash(), Dataset.open(base / "a")
    for table in dataset.tables(most=TABLE_ROWS):
        version.add_digests(row_digests(table))
    return {"true": version.result() == dataset.version}


def filtered(base: Path, out: Path) -> object:
    """Half of the rows, with their pictures packed anew."""
    condition = 'label == "live" or attack.startswith("print") and source.frame is None and box[0] >= 0'
    made = filter_rows(base / "a", condition, out, Writing())
    return {"rows": made.record.counts.rows, "failures": len(made.record.failures)}


def split(base: Path, out: Path) -> object:
    """Every row rewritten, every shard kept."""
    shares = {"train": 0.7, "val": 0.1, "test": 0.2}
    made = split_by_ratios(base / "a", out, ratios=shares, stratify=["label", "attack"])
    return made.details["got"]


def merged(base: Path, out: Path) -> object:
    """Two datasets that share a fifth of a row each."""
    made = merge([base / "a", base / "b"], out)
    return {"rows": made.record.counts.rows, "shared": made.details["shared"]}


def diff_seed(base: Path, out: Path) -> object:
    """Compare with another seed: four fifths of the ids differ, and are matched by parent and variant."""
    del out
    found = diff(base / "a", base / "b")
    return {"unchanged": found.unchanged, "redrawn": found.changes["redrawn"].samples}


def diff_split(base: Path, out: Path) -> object:
    """Compare the same ids with a field of every row changed."""
    del out
    found = diff(base / "a", base / "s")
    return {"unchanged": found.unchanged, "relabelled": found.changes["relabelled"].samples}


MEASURED: dict[str, Callable[[Path, Path], object]] = {
    "write": write,
    "open": opened,
    "version id": version_id,
    "filter": filtered,
    "split": split,
    "merge": merged,
    "diff of another seed": diff_seed,
    "diff of another split": diff_split,
}


def one(name: str, base: Path) -> dict[str, object]:
    """Measure in this process."""
    with tempfile.TemporaryDirectory(dir=base) as folder:
        began, spent = time.perf_counter(), time.process_time()
        found = MEASURED[name](base, Path(folder, "out"))
        return {
            "seconds": time.perf_counter() - began,
            "cpu": time.process_time() - spent,
            "peak": peak(),
            "found": found,
        }


def peak() -> float:
    """Return the largest resident size of this process in MB; rusage would count that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1e3


def main() -> None:
    """Generate, measure in turns, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="some of: " + ", ".join(MEASURED))
    parser.add_argument("--keep", type=Path, help="generate here once, and leave it for the next run")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.base)))
        return
    base = arguments.keep or Path(tempfile.mkdtemp(prefix="facedata-rows-"))
    try:
        for name, seed in (("a", 0), ("b", 1)):
            if not (base / name / RECORD_NAME).is_file():
                generate(base / name, arguments.rows, seed)
        if not (base / "s").exists():
            split_by_ratios(base / "a", base / "s", ratios={"train": 0.8, "test": 0.2})
        measure(
            base,
            [n for n in MEASURED if not arguments.only or n in arguments.only.split(",")],
            arguments.rounds,
        )
    finally:
        if not arguments.keep:
            shutil.rmtree(base)


def measure(base: Path, names: list[str], rounds: int) -> None:
    """Run every measurement in turns, and print medians with the least and the most."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            command = [sys.executable, __file__, "--one", name, "--base", str(base)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            runs[name].append(json.loads(done.stdout.splitlines()[-1]))
    print("| 1 process | seconds (least - most) | CPU s | peak MB | |\n|---|---:|---:|---:|---|")
    for name, found in runs.items():
        seconds, cpu = ([run[key] for run in found] for key in ("seconds", "cpu"))
        peak = max(run["peak"] for run in found)
        print(
            f"| {name} | {statistics.median(seconds):.1f} ({min(seconds):.1f} - {max(seconds):.1f}) | "
            f"{statistics.median(cpu):.1f} | {peak:.0f} | {json.dumps(found[0]['found'])} |"
        )


if __name__ == "__main__":
    main()
