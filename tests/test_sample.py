"""Rows, ids and hashes."""

from __future__ import annotations

import math

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedata.datasets.canonical import canonical_json, identifier
from facedata.datasets.sample import Layer, Sample, Source, derived_id, ingested_id, to_table
from facedata.datasets.words import Words

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
FLOAT = st.floats(allow_nan=False, allow_infinity=False, width=64)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOAT | TEXT, lambda v: st.dictionaries(TEXT, v), max_leaves=5
)
SAMPLES = st.builds(
    Sample,
    sample_id=TEXT,
    image=TEXT,
    content_hash=TEXT,
    width=st.integers(1, 9999),
    height=st.integers(1, 9999),
    split=st.none() | TEXT,
    subject=st.none() | TEXT,
    label=st.sampled_from([None, "live", "spoof"]),
    parameters=st.none() | st.dictionaries(TEXT, JSON, max_size=4),
    variant=st.none() | st.integers(0, 1000),
    seed=st.none() | st.integers(0, 2**62),
    layers=st.lists(st.builds(Layer, name=TEXT, ref=TEXT, content_hash=TEXT), max_size=2).map(tuple),
    box=st.none() | st.tuples(FLOAT, FLOAT, FLOAT, FLOAT),
    landmarks=st.none() | st.lists(st.tuples(FLOAT, FLOAT), max_size=3).map(tuple),
    au=st.none() | st.dictionaries(st.integers(1, 66), st.none() | st.floats(0, 5)),
    au_domain=st.none() | st.lists(st.integers(1, 66)).map(tuple),
    valence=st.none() | st.floats(-1, 1),
    attributes=st.none() | st.dictionaries(TEXT, JSON, max_size=3),
    source=st.none() | st.builds(Source, file=st.none() | TEXT, frame=st.none() | st.integers(0, 99)),
)


@given(SAMPLES)
def test_a_row_survives_parquet_and_keeps_its_hash(tmp_path_factory, sample):
    path = tmp_path_factory.mktemp("row") / "a.parquet"
    pq.write_table(to_table([sample]), path)
    (row,) = pq.read_table(path).to_pylist()
    again = Sample.from_row(row)
    assert again.row_hash() == sample.row_hash()
    assert again.to_row() == sample.to_row()


@given(SAMPLES, TEXT)
def test_references_are_not_hashed_and_everything_else_is(sample, other):
    assert sample.replace(image=other).row_hash() == sample.row_hash()
    if other != sample.content_hash:
        assert sample.replace(content_hash=other).row_hash() != sample.row_hash()
    if other != sample.domain:
        assert sample.replace(domain=other).row_hash() != sample.row_hash()


def test_canonical_json_has_one_spelling():
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1}) == '{"a":2,"b":1}'
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json(math.nan)


def test_ids_tell_apart_what_differs():
    base = derived_id("p", "o", {"a": 1}, 0, 0)
    others = [
        derived_id("q", "o", {"a": 1}, 0, 0),
        derived_id("p", "x", {"a": 1}, 0, 0),
        derived_id("p", "o", {"a": 2}, 0, 0),
        derived_id("p", "o", {"a": 1}, 1, 0),
        derived_id("p", "o", {"a": 1}, 0, 1),
        ingested_id("p", "o"),
    ]
    assert len({base, *others}) == 7
    assert identifier("a", "bc") != identifier("ab", "c")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": "bona fide"}, "not live, spoof or null"),
        ({"label": "live", "attack": "print"}, "on a live sample"),
        ({"width": 0}, "not positive"),
        ({"box": (0, 0, 0, 5)}, "width > 0"),
        ({"au": {12: 5.5}}, "outside 0-5"),
        ({"au": {12: 1}, "au_domain": (1, 2)}, "not in au_domain"),
        ({"valence": 1.5}, "valence"),
        ({"confidence": -0.1}, "confidence"),
    ],
)
def test_problems_name_the_value(changes, words):
    sample = Sample(sample_id="a", image="b", content_hash="c", width=1, height=1)
    assert sample.problems() == []
    (problem,) = sample.replace(**changes).problems()
    assert words in problem


def test_a_unit_that_is_present_but_not_graded_is_not_absent_and_not_graded():
    """CK+ and RAF-AU say that a unit shows, and not how much: no number may stand for that."""
    sample = Sample(sample_id="a", image="b", content_hash="c", width=1, height=1)
    present = sample.replace(au={12: None, 6: 2.0}, au_domain=(1, 6, 12))
    assert present.problems() == []
    assert present.to_row()["au"] == [{"au": 6, "intensity": 2.0}, {"au": 12, "intensity": None}]
    (row,) = to_table([present]).to_pylist()
    assert Sample.from_row(row).au == {6: 2.0, 12: None}
    others = [{6: 2.0}, {6: 2.0, 12: 0.0}, {6: 2.0, 12: 5.0}]
    assert present.row_hash() not in {present.replace(au=au).row_hash() for au in others}


def test_words_are_pinned():
    """These values may never change: every recorded seed depends on them."""
    assert Words.of(1).word() == 6608884284918881788
    assert Words.of("1").word() == 8834567713596705310
    assert Words.of(1, "x").named("y").word() == 15872435084392105168


@given(st.integers(), st.text(max_size=5))
def test_words_are_in_range_and_independent(seed, key):
    words = Words.of(seed, key)
    assert words.named("a").word() == Words.of(seed, key).named("a").word() != words.named("b").word()
    assert words.first("a") == words.named("a").word()
    values = [words.uniform(-2, 3) for _ in range(20)]
    assert all(-2 <= value < 3 for value in values)
    assert len(set(values)) == 20
    assert all(1 <= words.integer(1, 6) <= 6 for _ in range(20))
    assert all(0.1 <= words.log_uniform(0.1, 10) <= 10 for _ in range(20))


def test_words_follow_their_distributions():
    words = Words.of("statistics")
    uniform = [words.uniform(0, 1) for _ in range(20000)]
    assert abs(sum(uniform) / 20000 - 0.5) < 0.01
    normal = [words.normal(3, 2) for _ in range(20000)]
    mean = sum(normal) / 20000
    assert abs(mean - 3) < 0.06
    assert abs(math.sqrt(sum((v - mean) ** 2 for v in normal) / 20000) - 2) < 0.05
    faces = [words.integer(1, 6) for _ in range(12000)]
    assert all(abs(faces.count(face) - 2000) < 200 for face in range(1, 7))
