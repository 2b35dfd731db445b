"""Buckets: every row comes back in its bucket and in its order, from memory or from disk."""

from __future__ import annotations

import tempfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedata.datasets import buckets as buckets_module
from facedata.datasets.buckets import Buckets, by_text, enough_for
from facedata.datasets.errors import StorageError


@given(st.lists(st.lists(st.integers(0, 4), max_size=30), max_size=12), st.sampled_from([1, 100, 1 << 20]))
def test_rows_come_back_in_their_bucket_and_order(tables, held):
    with pytest.MonkeyPatch.context() as patched, Buckets(5) as kept:
        patched.setattr(buckets_module, "_HELD", held)  # bytes: each table to disk, some of them, none
        expected: list[list[int]] = [[] for _ in range(5)]
        row = 0
        for numbers in tables:
            rows = list(range(row, row := row + len(numbers)))
            kept.add(pa.table({"row": pa.array(rows, pa.int64())}), np.array(numbers, np.int64))
            for one, number in zip(rows, numbers, strict=True):
                expected[number].append(one)
        for _ in range(2):  # reading takes nothing away
            whole = [kept.whole(number) for number in range(len(kept))]
            assert [[] if one is None else one["row"].to_pylist() for one in whole] == expected


def test_scratch_files_lie_where_they_should_and_go(tmp_path, monkeypatch):
    monkeypatch.setattr(buckets_module, "_HELD", 1)
    with Buckets(2, tmp_path) as kept:
        kept.add(pa.table({"a": ["x", "y"]}), np.array([0, 1]))
        (folder,) = tmp_path.iterdir()
        assert sorted(path.name for path in folder.iterdir()) == ["0", "1"]
        kept.drop(0)
        assert kept.whole(0) is None
        assert kept.whole(1)["a"].to_pylist() == ["y"]
    assert list(tmp_path.iterdir()) == []
    forgotten = Buckets(2, tmp_path)
    forgotten.add(pa.table({"a": ["x"]}), np.array([0]))
    del forgotten
    assert list(tmp_path.iterdir()) == []


def test_scratch_files_that_cannot_be_written_name_the_mend(tmp_path, monkeypatch):
    monkeypatch.setattr(buckets_module, "_HELD", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(StorageError, match=r"cannot write scratch files .*No such file.*TMPDIR"):
        Buckets(1).add(pa.table({"a": ["x"]}), np.array([0]))
    with pytest.raises(FileNotFoundError):
        Buckets(1, tmp_path / "nowhere").add(pa.table({"a": ["x"]}), np.array([0]))


def test_few_rows_never_touch_the_disk(tmp_path):
    with Buckets(64, tmp_path) as kept:
        kept.add(pa.table({"a": ["x"] * 1000}), np.arange(1000) % 64)
        assert kept.whole(3).num_rows == 16
        assert list(tmp_path.iterdir()) == []


@given(st.lists(st.text() | st.none()), st.integers(1, 300))
def test_equal_texts_share_a_bucket_as_text_and_as_bytes(texts, count):
    array = pa.array([text for text in texts if text is None or text.isprintable()], pa.string())
    numbers = by_text(array, count)
    assert all(number < count for number in numbers.tolist())
    assert numbers.tolist() == by_text(array.cast(pa.binary()), count).tolist()
    seen: dict[str | None, int] = {}
    assert all(
        seen.setdefault(text, number) == number
        for text, number in zip(array.to_pylist(), numbers.tolist(), strict=True)
    )


@pytest.mark.parametrize(
    ("rows", "count"), [(0, 1), (1, 1), (16_384, 1), (16_385, 2), (10**6, 64), (10**7, 1024), (10**9, 1024)]
)
def test_buckets_are_of_some_16384_rows_and_1024_at_most(rows, count):
    assert enough_for(rows) == count
