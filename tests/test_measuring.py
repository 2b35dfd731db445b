"""Numbers of pictures: each measured once, kept, and never lost with the others."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import jpeg

from facedata.datasets import measuring
from facedata.datasets.kept import Kept
from facedata.datasets.measuring import Measuring, measure_pictures
from facedata.datasets.pixel_hash import PixelHash


@dataclass
class Mean:
    """The mean of each channel; counts the pictures that it saw, in this process."""

    key: str = "mean-1"
    in_workers: bool = True
    width: int = 3
    dtype: Any = field(default_factory=lambda: np.dtype(np.float32))
    seen: int = 0

    def of(self, pictures):
        self.seen += len(pictures)
        return np.array([one.pixels.mean(axis=(0, 1)) for one in pictures], np.float32)


@dataclass
class Deadly(Mean):
    """A measure on which a process dies: of pictures that are 33 wide."""

    key: str = "deadly-1"

    def of(self, pictures):
        if any(one.pixels.shape[1] == 33 for one in pictures):
            os._exit(1)
        return super().of(pictures)


def folder(root: Path, count: int = 6) -> list[str]:
    names = [f"{number}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        (root / name).write_bytes(jpeg(number))
    return names


def hashes(names):
    return [f"hash of {name}" for name in names]


def test_numbers_are_in_the_order_of_the_rows(tmp_path):
    names = folder(tmp_path)
    order = [names[one] for one in (3, 1, 3, 0)]
    mean = Mean()
    found = measure_pictures(tmp_path, order, hashes(order), [mean], Measuring())
    expected = Mean().of([measuring.read_picture((tmp_path / one).read_bytes(), one) for one in order])
    assert (found.values["mean-1"] == expected).all()
    assert mean.seen == 3  # the picture that stands twice is measured once
    assert found.unreadable == {}


def test_one_that_cannot_be_read_is_told_and_the_others_go_on(tmp_path):
    names = folder(tmp_path)
    (tmp_path / "2.jpg").write_bytes(b"no picture")
    (tmp_path / "4.jpg").unlink()
    found = measure_pictures(tmp_path, names, hashes(names), [Mean(), PixelHash()], Measuring())
    lost = np.array([one in (2, 4) for one in range(6)])
    assert set(found.unreadable) == {2, 4}
    assert "4.jpg" in found.unreadable[4]
    assert (np.isnan(found.values["mean-1"]).all(axis=1) == lost).all()
    assert ((found.values["pixel-hash-1"] == 0).all(axis=1) == lost).all()


def test_what_was_measured_is_not_measured_again(tmp_path):
    names = folder(tmp_path)
    how = Measuring(cache=tmp_path / "cache")
    first, second = Mean(), Mean()
    before = measure_pictures(tmp_path, names[:4], hashes(names[:4]), [first], how)
    after = measure_pictures(tmp_path, names, hashes(names), [second], how)
    assert (first.seen, second.seen) == (4, 2)
    assert (after.values["mean-1"][:4] == before.values["mean-1"]).all()


def test_another_measure_meets_no_number_of_this_one(tmp_path):
    names = folder(tmp_path)
    how = Measuring(cache=tmp_path / "cache")
    measure_pictures(tmp_path, names, hashes(names), [Mean()], how)
    other = Mean(key="mean-2")
    measure_pictures(tmp_path, names, hashes(names), [other], how)
    assert other.seen == len(names)


@pytest.mark.parametrize("damage", ["file", "folder"])
def test_a_cache_that_cannot_be_used_costs_time_alone(tmp_path, damage):
    names = folder(tmp_path)
    cache = tmp_path / "cache"
    measure_pictures(tmp_path, names, hashes(names), [Mean()], Measuring(cache=cache))
    if damage == "file":
        for path in (cache / "measures").iterdir():
            path.write_bytes(b"not a database" * 100)
    else:
        cache = tmp_path / "0.jpg"
    again = Mean()
    found = measure_pictures(tmp_path, names, hashes(names), [again], Measuring(cache=cache))
    assert again.seen == len(names)
    assert np.isfinite(found.values["mean-1"]).all()


def test_more_hashes_than_one_question_holds(tmp_path):
    kept = Kept(tmp_path, "many", np.dtype(np.int64), 2)
    names = [f"{one:064x}" for one in range(1300)]
    values = np.arange(2600).reshape(1300, 2)
    kept.add(names[:1200], values[:1200])
    kept.close()
    found = np.zeros((1300, 2), np.int64)
    again = Kept(tmp_path, "many", np.dtype(np.int64), 2)
    assert again.fill(names[::-1], found).tolist() == [True] * 100 + [False] * 1200
    assert (found[100:] == values[1199::-1]).all()
    again.close()


def test_workers_give_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "_ENOUGH", 4)
    monkeypatch.setattr(measuring, "_CHUNK", 3)
    names = folder(tmp_path, 10)
    steps = []
    how = Measuring(workers=2, progress=lambda done, total: steps.append((done, total)))
    many = measure_pictures(tmp_path, names, hashes(names), [PixelHash()], how)
    one = measure_pictures(tmp_path, names, hashes(names), [PixelHash()], Measuring())
    assert (many.values["pixel-hash-1"] == one.values["pixel-hash-1"]).all()
    assert sorted(steps)[-1] == (10, 10)


def test_a_picture_that_kills_a_worker_is_found_and_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "_ENOUGH", 4)
    monkeypatch.setattr(measuring, "_CHUNK", 3)
    names = folder(tmp_path, 8)
    (tmp_path / "5.jpg").write_bytes(jpeg(5, width=33))
    found = measure_pictures(tmp_path, names, hashes(names), [Deadly()], Measuring(workers=2))
    assert set(found.unreadable) == {5}
    assert "worker died" in found.unreadable[5]
    assert np.isnan(found.values["deadly-1"]).all(axis=1).tolist() == [one == 5 for one in range(8)]
