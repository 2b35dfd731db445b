"""Duplicates and leaks: hand-worked cases, and the search against every pair."""

from __future__ import annotations

import numpy as np
import pytest
from audit_rows import NAMES, outcome, pairs, rows_of

from facedata.curate.audit import grouping, neighbours
from facedata.curate.audit.grouping import components
from facedata.curate.audit.intervals import share_interval
from facedata.curate.audit.neighbours import find_neighbours
from facedata.datasets.sample import Source


def test_copies_by_bytes_and_by_pixels_make_one_group():
    lines = [{"pixel_hash": "p"}, {"content_hash": "c"}, {"content_hash": "c", "pixel_hash": "p"}, {}]
    found = outcome("exact-duplicates", rows_of(lines), fail=0.6)
    assert found.verdict == "warn"
    assert found.fields["copy"].tolist() == [False, True, True, False]
    assert found.fields["group"].tolist() == [NAMES[0]] * 3 + [None]
    assert found.numbers["share"] == 0.5
    assert [one.samples for one in found.findings] == [tuple(NAMES[:3])]


def test_copies_that_disagree_fail_whatever_their_share():
    lines = [{"content_hash": "c", "label": "live"}, {"content_hash": "c", "label": "spoof"}, {}, {}]
    found = outcome("exact-duplicates", rows_of(lines), warn=1, fail=1)
    assert found.verdict == "fail"
    assert "labelled live, spoof" in found.findings[0].detail


def test_a_row_that_says_nothing_contradicts_none():
    lines = [{"content_hash": "c", "label": "live"}, {"content_hash": "c"}]
    assert outcome("exact-duplicates", rows_of(lines), warn=1, fail=1).verdict == "pass"


def test_components_of_hand_drawn_links():
    first, second = np.array([0, 5, 3]), np.array([4, 3, 1])
    assert components(7, [(first, second)]).tolist() == [0, 1, 2, 1, 0, 1, 6]
    assert components(2, []).tolist() == [0, 1]


def test_only_the_largest_groups_become_findings_and_all_are_counted(monkeypatch):
    monkeypatch.setattr(grouping, "MOST_GROUPS", 2)
    lines = [{"content_hash": one} for one in "aaabbccccddd"]
    found = outcome("exact-duplicates", rows_of(lines))
    assert [len(one.samples) for one in found.findings] == [4, 3]
    assert found.numbers["groups"] == 4
    halves = [{**line, "split": ("x", "y")[n % 2]} for n, line in enumerate(lines)]
    leaks = outcome("source-leakage", rows_of(halves))
    assert leaks.numbers["pictures_leaking"] == 4
    assert [len(one.samples) for one in leaks.findings] == [4, 3]


def test_near_pairs_of_a_family_and_of_a_video_are_no_finding():
    video = Source(dataset="d", file="v.mp4", frame=1)
    lines = [{}, {"parent_id": NAMES[0]}, {"source": video}, {"source": video}, {}, {}]
    rows = rows_of(lines, neighbours=pairs((0, 1, 0.99), (2, 3, 0.99), (4, 5, 0.98)))
    found = outcome("near-duplicates", rows)
    assert found.fields["group"].tolist() == [None] * 4 + [NAMES[4]] * 2
    assert np.isnan(found.fields["cosine"][:4]).all()
    assert found.fields["cosine"][4:] == pytest.approx([0.98, 0.98])
    numbers = found.numbers
    assert (numbers["pairs"], numbers["pairs_in_families"], numbers["pairs_in_videos"]) == (1, 1, 1)
    assert found.verdict == "fail"  # a third of the rows
    assert outcome("near-duplicates", rows, fail=0.5).verdict == "warn"
    assert outcome("near-duplicates", rows, cosine=0.985).verdict == "pass"


def test_near_duplicates_with_two_labels_come_first():
    lines = [{"label": "live"}] * 4 + [{"label": "spoof"}] + [{"label": "live"}] * 95
    rows = rows_of(lines, neighbours=pairs((0, 1, 0.99), (1, 2, 0.99), (3, 4, 0.98)))
    found = outcome("near-duplicates", rows, warn=1, fail=1)
    assert found.verdict == "warn"
    assert [one.samples for one in found.findings] == [tuple(NAMES[3:5]), tuple(NAMES[:3])]
    assert found.numbers["disagreeing"] == 1


def test_near_leakage_marks_both_ends_and_takes_equal_vectors_for_one():
    """Row 0 has no split, 1 and 2 are its equals; 3 is near it, so near them too."""
    splits = [None, "train", "test", "test", "train", "val"]
    rows = rows_of(
        [{"split": one} for one in splits],
        neighbours=pairs((0, 1, 1.0), (0, 2, 1.0), (0, 3, 0.98), (4, 5, 0.96)),
    )
    found = outcome("near-leakage", rows)
    assert found.fields["leaks"].tolist() == [False, True, True, True, False, False]
    assert found.fields["other_splits"].tolist() == [None, "test", "train", "train", None, None]
    wide = outcome("near-leakage", rows, cosine=0.95)
    assert wide.fields["other_splits"].tolist()[4:] == ["val", "train"]
    assert wide.verdict == "fail"


def test_persons_in_two_splits():
    lines = [
        {"split": "train", "subject": "ada", "source": Source(dataset="a")},
        {"split": "test", "subject": "ada", "source": Source(dataset="b")},  # another ada
        {"split": "train", "subject": "bob", "source": Source(dataset="a")},
        {"split": "test", "subject": "bob", "source": Source(dataset="a")},
        {"split": "test", "subject": "eve", "source": Source(dataset="a"), "attributes": {"identity": "ada"}},
        {"split": None, "subject": "bob", "source": Source(dataset="a")},
        {"split": "test"},
    ]
    found = outcome("subject-leakage", rows_of(lines))
    assert found.fields["leaks"].tolist() == [True, False, True, True, True, False, False]
    assert found.verdict == "fail"
    assert (found.numbers["persons"], found.numbers["persons_leaking"]) == (4, 2)
    assert found.numbers["unknown"] == 1
    assert sorted(one.samples for one in found.findings) == [(NAMES[0], NAMES[4]), (NAMES[2], NAMES[3])]
    assert found.numbers["share"] == pytest.approx(4 / 6)


def test_families_videos_and_pictures_in_two_splits():
    film, still = Source(dataset="d", file="v.mp4", frame=1), Source(dataset="d", file="list.csv")
    lines = [
        {"split": "train"},
        {"split": "test", "parent_id": NAMES[0]},
        {"split": "train", "source": film},
        {"split": "test", "source": film},
        {"split": "train", "source": still},
        {"split": "test", "source": still},  # pictures of one list are no video
        {"split": "train", "content_hash": "c"},
        {"split": "test", "content_hash": "c"},
        {"split": "train", "pixel_hash": "p"},
        {"split": "test", "pixel_hash": "p"},
        {"split": None, "pixel_hash": "p"},
    ]
    found = outcome("source-leakage", rows_of(lines))
    assert found.fields["leaks"].tolist() == [True] * 4 + [False] * 2 + [True] * 4 + [False]
    leaking = {kind: found.numbers[f"{kind}_leaking"] for kind in ("families", "videos", "pictures")}
    assert leaking == {"families": 1, "videos": 1, "pictures": 2}


@pytest.mark.parametrize("name", ["subject-leakage", "source-leakage", "near-leakage"])
def test_a_dataset_without_splits_is_skipped(name):
    rows = rows_of([{"subject": "a"}, {"subject": "a"}], neighbours=pairs((0, 1, 1.0)))
    found = outcome(name, rows)
    assert (found.verdict, found.said) == ("skipped", "the rows are not in two splits")


def every_pair(vectors, floor):
    """All pairs whose cosine reaches the floor, looked at one by one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    first, second = np.nonzero(np.triu(np.nan_to_num(cosine, nan=-1.0), 1) >= floor)
    return set(zip(first.tolist(), second.tolist(), strict=True))


def planted(count, width, seed, near=0.96):
    """Normal vectors of several lengths; the last fiftieth copies the first, turned to a cosine of `near`."""
    generator = np.random.default_rng(seed)
    vectors = generator.standard_normal((count, width)).astype(np.float32)
    pieces = count // 50
    unit = vectors[:pieces] / np.linalg.norm(vectors[:pieces], axis=1, keepdims=True)
    away = generator.standard_normal(unit.shape)
    away -= (away * unit).sum(axis=1, keepdims=True) * unit
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    vectors[-pieces:] = near * unit + np.sqrt(1 - near**2) * away
    return vectors * generator.uniform(0.1, 9, (count, 1)).astype(np.float32)


def test_the_exact_search_finds_every_pair():
    vectors = planted(600, 12, 0)
    found = find_neighbours(vectors, 0.9)
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == every_pair(vectors, 0.9)
    assert len(found.first) > 12
    assert (found.first < found.second).all()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert found.cosine == pytest.approx((unit[found.first] * unit[found.second]).sum(axis=1), abs=1e-5)
    assert found.recall["n"] == 0


def test_rows_without_a_vector_are_in_no_pair():
    vectors = np.ones((5, 3), np.float32)
    vectors[1] = np.nan
    vectors[2] = 0
    found = find_neighbours(vectors, 0.9)
    assert set(found.first) | set(found.second) == {0, 3, 4}


def test_a_dataset_of_one_vector_takes_no_square_of_memory():
    found = find_neighbours(np.ones((3000, 8), np.float32), 0.9)
    assert (found.first == 0).all()
    assert found.second.tolist() == list(range(1, 3000))


@pytest.mark.parametrize("vectors", [np.ones((0, 4)), np.ones((1, 4)), np.full((3, 4), np.nan)], ids=str)
def test_nothing_to_find(vectors):
    assert len(find_neighbours(vectors.astype(np.float32), 0.9).first) == 0


@pytest.mark.parametrize("width", [40, 96])  # below and above what PCA leaves
def test_the_search_in_cells_finds_planted_pairs_and_knows_its_recall(monkeypatch, width):
    monkeypatch.setattr(neighbours, "_EXACT", 1000)
    vectors = planted(6000, width, 1, near=0.955)
    found = find_neighbours(vectors, 0.95)
    got = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    wanted = {(one, 6000 - 120 + one) for one in range(120)}
    assert got <= every_pair(vectors, 0.95)  # cosines are taken at full length: nothing false
    assert len(got & wanted) / 120 >= 0.98
    assert found.recall["n"] == 1000
    assert found.recall["low"] > 0.9


# Newcombe, Statistics in Medicine 17 (1998), Table I, method 3.
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_of_the_textbook(count, total, low, high):
    found = share_interval(count, total)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_is_unknown():
    assert np.isnan(share_interval(0, 0)["value"])
