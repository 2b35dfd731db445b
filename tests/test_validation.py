"""What validate finds out bucket by bucket, against cases worked by hand, and in memory that stays flat."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from held_memory import most_held
from test_validate import ROW_DAMAGES, dataset, rewrite  # noqa: F401 - a fixture

from facedata.datasets import buckets as buckets_module
from facedata.datasets import storage as storage_module
from facedata.datasets import validate as validate_module
from facedata.datasets.canonical import content_hash
from facedata.datasets.card import CARD_NAME
from facedata.datasets.dataset import Dataset
from facedata.datasets.record import RECORD_NAME, Record, read_record, write_text
from facedata.datasets.sample import Sample, Source, derived_id, ingested_id, to_table
from facedata.datasets.sheet import SHEET_NAME
from facedata.datasets.storage import ShardsWriter
from facedata.datasets.validate import Validation, validate
from facedata.datasets.validation import pictures as pictures_module
from facedata.datasets.validation.kin import KIN_COLUMNS, Kin
from facedata.datasets.validation.pictures import PICTURES
from facedata.datasets.versions.derive import write_rows


def many_buckets(monkeypatch) -> None:
    """Have many buckets, all of them on disk."""
    monkeypatch.setattr(buckets_module, "_ROWS_BITS", 1)
    monkeypatch.setattr(buckets_module, "_HELD", 500)


@pytest.fixture
def on_disk(monkeypatch):
    many_buckets(monkeypatch)


def found_in(rows: list[tuple[str, str | None, str | None]], outside_allowed=lambda _: True, count=None):
    """Each (check, sample) that is found of rows of (id, parent, split), in order."""
    kin = Kin(len(rows) if count is None else count)
    for start in range(0, len(rows), 3):
        columns = zip(*rows[start : start + 3], strict=True)
        kin.add_table(start, pa.table([pa.array(one, pa.string()) for one in columns], list(KIN_COLUMNS)))
    order = [(row, finding.check) for row, _, finding in kin.order()]
    lineage = [(finding.check, finding.sample_id) for finding in kin.lineage(outside_allowed)]
    kin.close()
    return order, lineage


def name(number: int) -> str:
    return f"{number:032x}"


KIN_CASES = {
    "none": ([], [], []),
    "families": ([("a", None, "x"), ("b", "a", "x"), ("c", "b", "x"), ("d", None, None)], [], []),
    "a parent behind its child": ([("a", "b", "x"), ("b", None, "x")], [], []),
    "split from a parent": (
        [("a", None, "x"), ("b", "a", "y"), ("c", "a", None), ("d", None, None), ("e", "d", None)],
        [],
        [("split-leak", "b"), ("split-leak", "c")],
    ),
    "an id after a greater one": ([("b", None, None), ("a", None, None)], [(1, "order")], []),
    "an id twice, side by side and apart": (
        [("a", None, "x"), ("a", None, "x"), ("c", None, "x"), ("b", None, "x"), ("c", None, "x")],
        [(1, "duplicate-id"), (3, "order"), (4, "duplicate-id")],
        [],
    ),
    "of rows of one id the last counts, told of where the first stands": (
        [("a", "c", "x"), ("b", "a", "y"), ("a", None, "y"), ("c", "b", "x")],
        [(2, "duplicate-id")],
        [("split-leak", "c")],
    ),
    "its own parent": ([("a", "a", None), ("b", "a", None)], [], [("cycle", "a")]),
    "a circle is told of once, where it is met first": (
        [("a", "d", None), ("b", "c", None), ("c", "d", None), ("d", "b", None), ("e", "d", None)],
        [],
        [("cycle", "d")],
    ),
    "two circles": (
        [("a", "b", None), ("b", "a", None), ("c", "d", None), ("d", "c", None), ("e", None, None)],
        [],
        [("cycle", "a"), ("cycle", "c")],
    ),
}


@pytest.mark.parametrize("count", [1, 200], ids=["one bucket", "many"])
@pytest.mark.parametrize(("rows", "order", "lineage"), KIN_CASES.values(), ids=KIN_CASES.keys())
def test_ids_and_parents(rows, order, lineage, count, on_disk):
    assert found_in(rows, count=count) == (order, lineage)


def test_parents_that_are_no_rows_are_named_where_there_should_be_fewer(on_disk):
    rows = [("a", "z", None), ("b", None, None), ("c", "y", None), ("d", "b", None)]
    asked = []

    def allowed(number):
        asked.append(number)
        return len(asked) == 1

    assert found_in(rows, allowed) == ([], [])
    assert found_in(rows, allowed) == ([], [("dangling-parent", "a"), ("dangling-parent", "c")])
    assert asked == [2, 2]


@pytest.mark.parametrize("length", [3, 63, 64, 65, 200])
def test_long_lines_of_descent_have_no_circle_but_where_they_have(length, on_disk):
    line = [(name(0), None, None), *((name(n), name(n - 1), None) for n in range(1, length))]
    assert found_in(line, count=8) == ([], [])
    line[0] = (name(0), name(2), None)
    assert found_in(line, count=8) == ([], [("cycle", name(0))])


@pytest.mark.parametrize(("change", "expected"), ROW_DAMAGES.values(), ids=ROW_DAMAGES.keys())
def test_nothing_depends_on_buckets_or_pieces(dataset, change, expected, monkeypatch):  # noqa: F811
    rewrite(dataset, change)
    whole = validate(dataset)
    many_buckets(monkeypatch)
    monkeypatch.setattr(pictures_module, "_PIECE", 5)
    assert validate(dataset) == whole
    assert expected in {finding.check for finding in whole.findings}


def test_workers_find_the_same(dataset, monkeypatch):  # noqa: F811
    def damage(rows):
        rows[3]["width"], rows[5]["image"], rows[9]["label"] = 7, "images/nowhere.jpg", "genuine"
        rows[20], rows[21] = rows[21], rows[20]

    rewrite(dataset, damage)
    alone = validate(dataset)
    monkeypatch.setattr(validate_module, "_ENOUGH", 1)
    assert validate(dataset, workers=2) == alone
    assert {finding.check for finding in alone.findings} >= {"size", "missing", "value", "order"}


def test_a_picture_that_kills_a_worker_is_named():
    columns = {"row": [7], "rank": [2], "reference": ["images/a.jpg"], "sample_id": ["a"]}
    ((row, _, finding),) = PICTURES.died((Path(), pa.table(columns)))
    assert (row, finding.check, finding.sample_id) == (7, "undecodable", "a")
    assert "images/a.jpg: a worker died on this picture" in finding.message


def test_what_comes_before_an_unreadable_row_is_looked_at(dataset):  # noqa: F811
    def damage(rows):
        rows[2]["width"], rows[4]["parameters"], rows[6]["width"] = 7, '{"a":', 7

    rewrite(dataset, damage)
    found = validate(dataset)
    assert [finding.check for finding in found.findings] == ["size", "samples"]
    assert found.rows == 4


def test_strays_are_told_in_order_whatever_their_names(dataset, on_disk):  # noqa: F811
    (dataset / "odd").mkdir()
    names = ["odd.txt", "odd/b c", "odd/é.jpg", ".hidden", "images/live/new\nline.jpg", "odd/.x"]
    for one in names:
        (dataset / one).parent.mkdir(parents=True, exist_ok=True)
        (dataset / one).touch()
    with open(os.fsencode(dataset) + b"/odd/caf\xe9", "wb"):  # noqa: PTH123 - Path takes no bytes
        names.append(os.fsdecode(b"odd/caf\xe9"))
    (dataset / "loop").symlink_to("loop")
    (dataset / "link").symlink_to("odd")
    found = validate(dataset).findings
    expected = [f"{name} belongs to no row; move it out of the dataset" for name in sorted(names)]
    assert [finding.message for finding in found] == expected


def make(root: Path, count: int) -> Path:
    """A dataset of many pictures of 8 x 8 and a variant of each, written without the engine."""
    root.mkdir()
    jpeg, writer = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes(), ShardsWriter(root)
    found = []
    for number in range(count // 2):
        # A comment in each: shards of the same pictures would be one.
        data = jpeg[:2] + b"\xff\xfe\x00\x0a" + f"{number:08d}".encode() + jpeg[2:]
        sample = Sample(
            sample_id=ingested_id(content_hash(data), str(number)), content_hash=content_hash(data),
            image=writer.put(data, str(number)), width=8, height=8, split="train", subject=f"s{number}",
            source=Source(file=str(number), sha256=content_hash(data)),
        )  # fmt: skip
        made = {"parent_id": sample.sample_id, "operator": "copy", "parameters": {}, "seed": 0, "variant": 0}
        new = derived_id(sample.sample_id, "copy", {}, 0, 0)
        found += [sample, sample.replace(sample_id=new, **made)]
    references = writer.close()
    found = sorted((one.replace(image=references[one.image]) for one in found), key=lambda one: one.sample_id)
    tables = (to_table(found[start : start + 1024]) for start in range(0, len(found), 1024))
    version, counts = write_rows(tables, root)
    record = Record(version=version, verb="test", layout="shards", counts=counts)
    write_text(root / RECORD_NAME, record.model_dump_json())
    for file in (CARD_NAME, SHEET_NAME):
        (root / file).touch()
    return root


def streamed(root: Path) -> int:
    """The most bytes of Arrow's while the rows are read, those of files read ahead among them."""
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    return max(pool.bytes_allocated() - before for _ in Dataset.open(root).tables())


def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(buckets_module, "_ROWS_BITS", 8)
    for size in ("SHARD_BYTES", "_GROUP_BYTES"):  # a hundred pictures in each
        monkeypatch.setattr(storage_module, size, 1 << 16)
    monkeypatch.setattr(buckets_module, "_HELD", 1 << 17)

    def peaks_of(count: int) -> tuple[int, int]:
        root = make(tmp_path / str(count), count)
        sound = Validation(read_record(root).version, count, [])
        found: list[Validation] = []
        held = most_held(lambda: found.append(validate(root)))
        assert found == [sound]
        return held, streamed(root)

    for few, much in zip(*map(peaks_of, (1500, 12_000)), strict=True):
        assert much < 1.5 * few, f"{few / 1e6:.2f} MB for 1,500 rows, {much / 1e6:.2f} MB for 12,000"
