"""A hundred thousand rich samples into FiftyOne and their edits back: seconds, samples a second, memory.

    python benchmarks/curate.py [--rows 100000] [--rounds 3] [--layout shards|files] [--keep FOLDER]

The rows are generated: a fifth are live pictures of 500 subjects, the rest four spoofs of each, with 68
landmarks, a box, 16 action units, an expression, five attributes, the parameters of a chain, a source and a
mask. The pictures are real JPEGs of 16 x 16, each of its own bytes. MongoDB is one of its own, on loopback.
Every measurement runs in a process of its own, so that one peak does not hide another. `floor` is what cannot
be had for less: reading the rows, and inserting documents of the same size.
"""

from __future__ import annotations

import argparse
import json
import os
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
from scale_rows import peak, picture

from facedata.datasets.canonical import canonical_json
from facedata.datasets.dataset import Dataset
from facedata.datasets.pictures import Encoding
from facedata.datasets.record import RECORD_NAME, Record, library_versions, write_text
from facedata.datasets.sample import SCHEMA, derived_id, ingested_id
from facedata.datasets.storage import open_writer
from facedata.datasets.versions.derive import TABLE_ROWS, write_rows

_ATTACKS = ("print/inkjet", "print/laser", "replay/lcd", "mask/resin")
_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 17, 20, 23, 25, 26, 43)
_EXPRESSIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
_NAME = "facedata-measured"


def rows(count: int) -> Iterator[tuple[dict[str, object], bytes]]:
    """Yield row and picture, not sorted."""
    generator = np.random.default_rng(7)
    for number in range(count // 5):
        data = picture(number, 0)
        place, hashed = f"{number % 500:03d}/{number:07d}.jpg", sha256(data).hexdigest()
        levels = np.round(generator.uniform(0, 5, 3), 2)
        shown = sorted(generator.choice(_UNITS, 3, replace=False).tolist())
        parent: dict[str, object] = {
            "sample_id": ingested_id(hashed, place),
            "content_hash": hashed,
            "width": 16,
            "height": 16,
            "split": ("train", "val", "test")[number % 3],
            "subject": f"person-{number % 500:03d}",
            "domain": f"camera-{number % 7}",
            "label": "live",
            "layers": [],
            "box": np.round(generator.uniform(1, 8, 4), 2).tolist(),
            "landmarks": np.round(generator.uniform(0, 16, (68, 2)), 2).tolist(),
            "expression": _EXPRESSIONS[number % 7],
            "au": [
                {"au": unit, "intensity": level} for unit, level in zip(shown, levels.tolist(), strict=True)
            ],
            "au_domain": list(_UNITS),
            "valence": float(np.round(generator.uniform(-1, 1), 3)),
            "arousal": float(np.round(generator.uniform(-1, 1), 3)),
            "confidence": float(np.round(generator.uniform(0, 1), 3)),
            "attributes": canonical_json(
                {
                    "age": number % 80,
                    "gender": "female",
                    "glasses": number % 3 == 0,
                    "session": "a",
                    "tags": ["t"],
                }
            ),
            "source": {"dataset": "generated", "file": place, "sha256": hashed, "licence": "CC0"},
        }
        yield parent, data
        for variant in range(4):
            yield _spoof(parent, number, variant)


def _spoof(parent: dict[str, object], number: int, variant: int) -> tuple[dict[str, object], bytes]:
    attack = _ATTACKS[(number + variant) % 4]
    level = (number * 7919 + variant * 104729) % 100_003 / 100_003
    steps = [
        {"operator": name, "version": 2, "parameters": {"strength": level, "angle": level * 90}}
        for name in ("paper-texture", attack.partition("/")[2], "camera")
    ]
    parameters = {"policy": "generated", "steps": steps}
    data = picture(5 * number + variant, 1)
    operator = "+".join(str(step["operator"]) for step in steps)
    row = {
        **parent,
        "sample_id": derived_id(str(parent["sample_id"]), operator, parameters, 0, variant),
        "content_hash": sha256(data).hexdigest(),
        "label": "spoof",
        "attack": attack,
        "parent_id": parent["sample_id"],
        "operator": operator,
        "parameters": canonical_json(parameters),
        "variant": variant,
        "seed": 0,
        "layers": [{"name": "mask", "ref": "mask", "content_hash": _MASK_HASH}],
    }
    return row, data


_MASK = Encoding("png").encode(np.full((16, 16, 3), 255, np.uint8))
_MASK_HASH = sha256(_MASK).hexdigest()


def generate(root: Path, count: int, layout: str) -> None:
    """Write a dataset of generated rows; this is not what is measured."""
    root.mkdir(parents=True)
    writer = open_writer(layout, root)
    tickets = {"mask": writer.put(_MASK, "layers/mask.png")}
    found = []
    for number, (row, data) in enumerate(rows(count)):
        row["image"] = writer.put(data, f"images/{number % 997:03d}/{number:07d}.jpg")
        found.append(row)
    final = writer.close()
    for row in found:
        row["image"] = final.get(str(row["image"]), row["image"])
        for layer in row["layers"]:  # type: ignore[attr-defined]
            layer["ref"] = final.get(tickets["mask"], tickets["mask"])
    found.sort(key=lambda row: str(row["sample_id"]))
    tables = (
        pa.Table.from_pylist(found[start : start + TABLE_ROWS], schema=SCHEMA)
        for start in range(0, len(found), TABLE_ROWS)
    )
    version, counts = write_rows(tables, root)
    record = Record(
        version=version,
        verb="generate",
        layout=layout,  # type: ignore[arg-type]  # argparse checked it
        libraries=library_versions(),
        counts=counts,
    )
    write_text(root / RECORD_NAME, record.model_dump_json(indent=2) + "\n")


def floor_rows(base: Path) -> object:
    """Read every row as Python objects."""
    return {"rows": sum(1 for _ in Dataset.open(base / "a").rows())}


def floor_insert(base: Path) -> object:
    """Insert one document of the common size as often as there are rows, a new id each time."""
    import pymongo

    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(os.environ["FIFTYONE_DATABASE_URI"])
    source = client[os.environ["FIFTYONE_DATABASE_NAME"]]
    name = source["datasets"].find_one({"name": _NAME})
    one = source[str((name or {})["sample_collection_name"])].find_one({"label.label": "spoof"}) or {}
    one.pop("_id")
    count = len(Dataset.open(base / "a"))
    place = client["floor"]["inserted"]
    for start in range(0, count, 1024):
        place.insert_many([dict(one) for _ in range(min(1024, count - start))], ordered=False)
    client.drop_database("floor")
    return {"rows": count}


def pushed(base: Path) -> object:
    """Push, over whatever is there."""
    from facedata.curate.fiftyone.push import push

    made = push(base / "a", name=_NAME, overwrite=True, cache=base / "pictures")
    return {"rows": made.rows, "missing": len(made.missing)}


def pushed_cold(base: Path) -> object:
    """Push where no picture was written for the App yet."""
    from facedata.curate.fiftyone.push import push

    made = push(base / "a", name=_NAME, overwrite=True, cache=Path(tempfile.mkdtemp(dir=base)))
    return {"rows": made.rows, "missing": len(made.missing)}


def pushed_again(base: Path) -> object:
    """Push what was pushed."""
    from facedata.curate.fiftyone.push import push

    return {"already": push(base / "a", name=_NAME, cache=base / "pictures").already}


def edit(base: Path) -> object:
    """Edit through FiftyOne's own interface: 1,000 labels, 1,000 grades, 10,000 tags, 100 deletions."""
    del base
    import fiftyone as fo
    from fiftyone import ViewField

    dataset = fo.load_dataset(_NAME)
    spoofs = dataset.match(ViewField("label.label") == "spoof")
    ids = spoofs[:1000].values("id")
    dataset.select(ids).set_values("label.label", ["live"] * len(ids))
    dataset[20_000:21_000].set_values("au.AU12", [2.5] * 1000)
    dataset[30_000:40_000].tag_samples("look")
    dataset.delete_samples(dataset[50_000:50_100].values("id"))
    return {}


def dry(base: Path) -> object:
    """Read the edits."""
    from facedata.curate.fiftyone.pull import pull

    found = pull(base / "a", None, name=_NAME, dry_run=True)
    return {"edits": len(found.pending.edits)}


def pulled(base: Path) -> object:
    """Read the edits and write the new version."""
    from facedata.curate.fiftyone.pull import pull
    from facedata.datasets.versions.derive import Writing

    found = pull(base / "a", base / "b", name=_NAME, writing=Writing(overwrite=True))
    assert found.made is not None  # noqa: S101 - a benchmark of nothing would be fast
    return found.made.details | {"conflicts": 0}


MEASURED: dict[str, Callable[[Path], object]] = {
    "push, first": pushed_cold,
    "push, pictures there": pushed,
    "floor: read the rows": floor_rows,
    "floor: insert": floor_insert,
    "push again, unchanged": pushed_again,
    "(edit)": edit,
    "pull --dry-run": dry,
    "pull": pulled,
}


def one(name: str, base: Path) -> dict[str, object]:
    """Measure in this process."""
    from facedata.curate.fiftyone.connect import connect

    connect()
    began, spent = time.perf_counter(), time.process_time()
    found = MEASURED[name](base)
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    return {"seconds": seconds, "cpu": cpu, "peak": peak(), "found": found}


def main() -> None:
    """Generate, measure in turns, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layout", choices=["shards", "files"], default="shards")
    parser.add_argument("--mongod", default=os.environ.get("FACEDATA_MONGOD", "mongod"))
    parser.add_argument("--keep", type=Path, help="generate here once, and leave it for the next run")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.base)))
        return
    base = arguments.keep or Path(tempfile.mkdtemp(prefix="facedata-curate-"))
    try:
        if not (base / "a" / RECORD_NAME).is_file():
            generate(base / "a", arguments.rows, arguments.layout)
        measure(base, arguments.mongod, arguments.rounds)
    finally:
        if not arguments.keep:
            shutil.rmtree(base)


def measure(base: Path, program: str, rounds: int) -> None:
    """Run every measurement in turns, and print medians with the least and the most."""
    port = 27_000 + os.getpid() % 900
    place = Path(tempfile.mkdtemp(prefix="facedata-mongod-"))
    server = subprocess.Popen(
        [program, "--dbpath", place, "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"],
        stdout=subprocess.DEVNULL,
    )
    told = {
        "FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{port}",
        "FIFTYONE_DATABASE_NAME": "measured",
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in MEASURED}
    try:
        time.sleep(2)
        for _ in range(rounds):
            for name in MEASURED:
                command = [sys.executable, __file__, "--one", name, "--base", str(base)]
                done = subprocess.run(
                    command, check=True, capture_output=True, text=True, env={**os.environ, **told}
                )
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(place)
    count = len(Dataset.open(base / "a"))
    print("| 1 process | seconds (least - most) | samples/s | CPU s | peak MB | |")
    print("|---|---:|---:|---:|---:|---|")
    for name, found in runs.items():
        seconds, cpu = ([run[key] for run in found] for key in ("seconds", "cpu"))
        most = max(run["peak"] for run in found)
        print(
            f"| {name} | {statistics.median(seconds):.1f} ({min(seconds):.1f} - {max(seconds):.1f}) | "
            f"{count / statistics.median(seconds):.0f} | {statistics.median(cpu):.1f} | {most:.0f} | "
            f"{json.dumps(found[0]['found'])} |"
        )


if __name__ == "__main__":
    main()
