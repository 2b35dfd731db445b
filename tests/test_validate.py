"""validate: each kind of damage is found, and named."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import jpeg
from engine_tasks import Invert

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.errors import DatasetError
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.sample import SCHEMA, Sample
from facedata.datasets.validate import validate
from facedata.datasets.versions.filter import filter_rows
from facedata.datasets.versions.merge import merge


@pytest.fixture(params=["files", "shards"])
def dataset(request, faces, tmp_path):
    source = open_input(faces, Reading(split="train"))
    run("test", Invert(variants=1), source, tmp_path / "set", 0, Options(layout=request.param))
    return tmp_path / "set"


def checks(root) -> set[str]:
    return {finding.check for finding in validate(root).findings}


def rewrite(root, change) -> None:
    """Write samples.parquet anew with `change` applied to the list of row dictionaries."""
    rows = list(Dataset.open(root).rows())
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), root / "samples.parquet")


def child(rows):
    return next(row for row in rows if row["parent_id"])


def original(rows):
    return next(row for row in rows if not row["parent_id"])


def some_file(root):
    return min(path for kind in ("images", "shards") for path in (root / kind).rglob("*") if path.is_file())


def test_a_whole_dataset_has_no_findings(dataset):
    assert validate(dataset).findings == []
    assert validate(dataset).rows == 24


def flip_a_byte(root):
    path = some_file(root)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(root):
    path = some_file(root)
    path.write_bytes(path.read_bytes()[:100])


def to_another_split(rows):
    child(rows)["split"] = "test"


def share_a_subject(rows):
    for row, split in zip([row for row in rows if not row["parent_id"]][:2], ("train", "test"), strict=True):
        row["subject"], row["split"] = "ada", split


def point_outside(rows):
    original(rows)["image"] = "../../etc/passwd"


def make_a_cycle(rows):
    first = child(rows)
    original_of = next(row for row in rows if row["sample_id"] == first["parent_id"])
    original_of["parent_id"] = first["sample_id"]


DAMAGES = {
    "missing picture": (lambda root: some_file(root).unlink(), {"missing"}),
    "changed byte": (flip_a_byte, {"changed"}),
    "truncated file": (truncate, {"changed", "missing"}),
    "stray file": (lambda root: (root / "notes.txt").write_text("hello"), {"stray"}),
    "card removed": (lambda root: (root / "README.md").unlink(), {"missing"}),
    "sheet removed": (lambda root: (root / "preview.png").unlink(), {"missing"}),
    "rows removed": (lambda root: (root / "samples.parquet").unlink(), {"samples"}),
    "rows truncated": (lambda root: (root / "samples.parquet").write_bytes(b"PAR1"), {"samples"}),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_files_are_found(dataset, damage, expected):
    damage(dataset)
    assert checks(dataset) & expected


def set_field(pick, name, value):
    def change(rows):
        pick(rows)[name] = value

    return change


ROW_DAMAGES = {
    "wrong content hash": (set_field(original, "content_hash", "0" * 64), "changed"),
    "wrong width": (set_field(original, "width", 49), "size"),
    "wrong sample id": (set_field(original, "sample_id", "0" * 32), "sample-id"),
    "changed parameters": (set_field(child, "parameters", '{"steps":[],"add":9}'), "sample-id"),
    "changed seed": (set_field(child, "seed", 8), "sample-id"),
    "changed source": (set_field(original, "source", {"file": "x.jpg", "sha256": "0" * 64}), "sample-id"),
    "changed label": (set_field(child, "label", "spoof"), "version"),
    "unknown label": (set_field(child, "label", "genuine"), "value"),
    "attack on a live sample": (lambda rows: child(rows).update(label="live", attack="print"), "value"),
    "action unit out of range": (set_field(child, "au", [{"au": 12, "intensity": 7.0}]), "value"),
    "box outside the picture": (set_field(original, "box", [500.0, 0.0, 9.0, 9.0]), "box"),
    "dangling parent": (set_field(child, "parent_id", "f" * 32), "dangling-parent"),
    "row removed": (lambda rows: rows.pop(), "version"),
    "counts no longer true": (lambda rows: rows.pop(), "counts"),
    "duplicate id": (lambda rows: rows.insert(0, dict(rows[0])), "duplicate-id"),
    "rows out of order": (lambda rows: rows.reverse(), "order"),
    "child in another split": (to_another_split, "split-leak"),
    "subject in two splits": (share_a_subject, "split-leak"),
    "cycle of parents": (make_a_cycle, "cycle"),
    "reference out of the dataset": (point_outside, "missing"),
}


@pytest.mark.parametrize(("change", "expected"), ROW_DAMAGES.values(), ids=ROW_DAMAGES.keys())
def test_damaged_rows_are_found(dataset, change, expected):
    rewrite(dataset, change)
    found = validate(dataset)
    assert expected in {finding.check for finding in found.findings}
    assert all(finding.message for finding in found.findings)


def test_same_picture_in_two_splits_is_a_leak(tmp_path):
    for split in ("train", "test"):
        (tmp_path / "faces" / split).mkdir(parents=True)
        (tmp_path / "faces" / split / "a.jpg").write_bytes(jpeg(1))
    source = open_input(tmp_path / "faces", Reading())
    run("test", Invert(variants=0), source, tmp_path / "set", 0, Options())
    assert checks(tmp_path / "set") == {"split-leak"}


def test_a_subject_of_another_source_dataset_is_another_person(tmp_path):
    """Person 1 of one dataset is not person 1 of another; of one dataset it is."""
    for expected, names in ((set(), ("a", "b")), ({"split-leak"}, ("a", "a"))):
        root = tmp_path / "-".join(names)
        for number, split in enumerate(("train", "test")):
            folder = root / split
            folder.mkdir(parents=True)
            (folder / f"{number}.jpg").write_bytes(jpeg(number))
            (folder / "l.csv").write_text(f"path,subject,split\n{number}.jpg,1,{split}\n")
            source = open_input(folder / "l.csv", Reading(name=names[number]))
            run("test", Invert(variants=0), source, root / f"set {number}", 0, Options())
        merge([root / "set 0", root / "set 1"], root / "set")
        assert checks(root / "set") == expected


def test_an_orphan_more_than_when_it_was_written_is_found(dataset):
    filter_rows(dataset, "variant == 0", dataset.parent / "children")
    assert checks(dataset.parent / "children") == set()
    edit_record(dataset.parent / "children", lambda record: record["counts"].update(orphans=3))
    assert checks(dataset.parent / "children") == {"dangling-parent", "counts"}


def test_swapped_pictures_are_found(dataset):
    def swap(rows):
        rows[0]["image"], rows[1]["image"] = rows[1]["image"], rows[0]["image"]

    rewrite(dataset, swap)
    assert "changed" in checks(dataset)


def test_renamed_shard_is_found(faces, tmp_path):
    run("test", Invert(), open_input(faces, Reading()), tmp_path / "set", 0, Options(layout="shards"))
    shard = some_file(tmp_path / "set")
    renamed = shard.with_name("0" * 32 + ".parquet")
    shard.rename(renamed)

    def follow(rows):
        for row in rows:
            row["image"] = row["image"].replace(shard.name, renamed.name)

    rewrite(tmp_path / "set", follow)
    assert checks(tmp_path / "set") == {"shard"}


def edit_record(root, change):
    record = json.loads((root / "dataset.json").read_text())
    change(record)
    (root / "dataset.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: (root / "dataset.json").unlink(), "is not a facedata dataset.*facedata ingest"),
        (lambda root: (root / "dataset.json").write_text("{"), "cannot be read.*restore it"),
        (lambda root: (root / "dataset.json").write_text("[]"), "top level"),
        (lambda root: edit_record(root, lambda r: r.update(schema_version=99)), "newer than 2; upgrade"),
        (lambda root: edit_record(root, lambda r: r.pop("counts")), "counts: field required"),
        (lambda root: shutil.rmtree(root), "is no folder"),
    ],
)
def test_unreadable_records_are_refused_with_the_mend(dataset, damage, words):
    damage(dataset)
    with pytest.raises(DatasetError, match=words):
        validate(dataset)


def test_changed_version_in_the_record_is_found(dataset):
    edit_record(dataset, lambda record: record.update(version="0" * 32))
    assert checks(dataset) == {"version"}


def test_missing_column_is_found(dataset):
    table = pq.read_table(dataset / "samples.parquet").drop(["label"])
    pq.write_table(table, dataset / "samples.parquet")
    (finding,) = validate(dataset).findings
    assert "lacks the columns ['label']" in finding.message


def test_rows_survive_a_round_trip(dataset):
    for row in Dataset.open(dataset).rows():
        assert Sample.from_row(row).to_row() == row
