"""Putting parts together: the same bytes as one sort in memory would give, in memory that stays flat."""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from held_memory import most_held

from facedata.datasets import assemble as assemble_module
from facedata.datasets import buckets as buckets_module
from facedata.datasets import record as record_module
from facedata.datasets.assemble import assemble
from facedata.datasets.sample import SCHEMA, Sample, Source
from facedata.datasets.shard import PART_NAME, PART_ROWS, PART_SCHEMA


def hexes(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def a_row(sample_id: str, parent: str | None = None, image: str = "images/a.jpg", **values) -> dict:
    """A row whose hash is of its id and its picture's place: two rows of one id differ."""
    source = Source(dataset="made up", file=f"{sample_id[:6]}/{image}", sha256=sample_id * 2)
    sample = Sample(
        sample_id=sample_id, image=image, content_hash=sample_id * 2, width=8, height=8, parent_id=parent,
        operator="invert" if parent else None, parameters={"steps": [sample_id]}, source=source, **values,
    )  # fmt: skip
    return {**sample.to_row(), "row_hash": hashlib.sha256((sample_id + image).encode()).hexdigest()}


def write_parts(root, parts: list[list[dict]]) -> list:
    """Write parts as workers leave them: rows sorted by id."""
    paths = []
    for number, rows in enumerate(parts):
        path = root / f"{number:04x}-part"
        path.mkdir(parents=True)
        rows = sorted(rows, key=lambda row: row["sample_id"])
        pq.write_table(pa.Table.from_pylist(rows, schema=PART_SCHEMA), path / PART_ROWS)
        told = {"made": len(rows), "cached": 0, "left_out": 0, "failures": []}
        (path / PART_NAME).write_text(json.dumps(told))
        paths.append(path)
    return paths


def in_memory(parts: list[list[dict]], sort_rows: int, batch: int, path) -> tuple[str, list[str]]:
    """Write the rows as `assemble` must, by one sort of them all; return the version and the ids left out."""
    rows = sorted(
        (row for part in parts for row in sorted(part, key=lambda row: row["sample_id"])),
        key=lambda row: row["sample_id"],
    )
    ranges = 1
    while len(rows) / ranges > sort_rows:
        ranges *= 2
    version, doubles, last = hashlib.sha256(b"facedata dataset 1"), [], ""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as file:
        for number in range(ranges):
            inside = [row for row in rows if int(row["sample_id"], 16) * ranges >> 128 == number]
            for start in range(0, len(inside), batch):
                kept = []
                for row in inside[start : start + batch]:
                    if row["sample_id"] == last:
                        doubles.append(last)
                        continue
                    kept.append(row)
                    last = row["sample_id"]
                    version.update(bytes.fromhex(row["row_hash"]))
                table = pa.Table.from_pylist(kept, schema=PART_SCHEMA)
                file.write_table(table.select(SCHEMA.names).cast(SCHEMA))
    return version.hexdigest()[:32], doubles


def many(count: int, start: int = 0) -> list[dict]:
    return [a_row(hexes(n), hexes(n // 2) if n % 2 else None) for n in range(start, start + count)]


EDGES = ["0" * 32, "3" + "f" * 31, "4" + "0" * 31, "7" + "f" * 31, "8" + "0" * 31, "c" + "0" * 31, "f" * 32]
HARD = {
    "one part": [many(300)],
    "no row": [[], []],
    "empty parts between": [[], many(90), [], many(90, 90), []],
    "parts of one row": [many(1, n) for n in range(70)],
    "ids at the edges of ranges": [[a_row(one) for one in EDGES], many(120)],
    "an id twice in a part": [[*many(70), a_row(hexes(3), image="images/b.jpg")], many(70, 70)],
    "an id in two parts, and in three": [
        many(150),
        [a_row(hexes(n), image="images/b.jpg") for n in (0, 7, 8, 149)],
        [a_row(hexes(8), image="images/c.jpg")],
    ],
    "one id alone": [[a_row("5" * 32)], *[[a_row("5" * 32, image=f"images/{n}.jpg")] for n in range(90)]],
}


@pytest.mark.parametrize("bits", [1, 8], ids=["several passes", "one pass"])
@pytest.mark.parametrize("held", [1, 1 << 22], ids=["on disk", "in memory"])
@pytest.mark.parametrize("parts", HARD.values(), ids=HARD.keys())
def test_bytes_and_version_are_those_of_one_sort_in_memory(parts, held, bits, tmp_path, monkeypatch):
    for module, name, value in (
        (assemble_module, "_SORT_ROWS", 32),
        (assemble_module, "_BATCH", 5),
        (assemble_module, "_BITS", bits),
        (buckets_module, "_HELD", held),
    ):
        monkeypatch.setattr(module, name, value)
    version, doubles = in_memory(parts, 32, 5, tmp_path / "expected.parquet")
    root = tmp_path / "tree"
    root.mkdir()
    made = assemble(write_parts(tmp_path / "parts", parts), root)
    assert made.version == version
    assert [failure.kind for failure in made.failures] == ["duplicate-id"] * len(doubles)
    assert (root / "samples.parquet").read_bytes() == (tmp_path / "expected.parquet").read_bytes()
    assert [path.name for path in root.iterdir()] == ["samples.parquet"], "nothing is left beside it"
    ids = {row["sample_id"] for part in parts for row in part}
    first = {row["sample_id"]: row for part in reversed(parts) for row in reversed(part)}
    assert made.counts.rows == len(ids)
    parents = [row["parent_id"] for row in first.values() if row["parent_id"]]
    assert made.counts.orphans == sum(parent not in ids for parent in parents)


def test_subjects_are_counted_once_however_many_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(record_module, "_SUBJECTS", 10)
    monkeypatch.setattr(buckets_module, "_HELD", 500)
    parts = [
        [a_row(hexes(n), subject=f"person {n % 83}") for n in range(start, 400, 4)] for start in range(4)
    ]
    parts.append([a_row(hexes(400), subject=None)])
    (tmp_path / "tree").mkdir()
    assert assemble(write_parts(tmp_path / "parts", parts), tmp_path / "tree").counts.subjects == 83


def peak_of(root, parts: int) -> int:
    paths = write_parts(root / "parts", [many(100, 100 * n) for n in range(parts)])
    (root / "tree").mkdir()
    return most_held(lambda: assemble(paths, root / "tree"))


def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(assemble_module, "_SORT_ROWS", 1024)
    monkeypatch.setattr(buckets_module, "_HELD", 1 << 17)
    few, much = (peak_of(tmp_path / str(parts), parts) for parts in (20, 200))
    assert much < 1.5 * few, f"{few / 1e6:.2f} MB for 2,000 rows, {much / 1e6:.2f} MB for 20,000"
