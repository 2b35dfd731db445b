"""The history in the record: whole, bounded, without machine paths, and read by `log`."""

from __future__ import annotations

import json

import pytest
from version_trees import by_file, make

from facedata.datasets import lineage
from facedata.datasets.dataset import Dataset
from facedata.datasets.lineage import Origin, ancestry, lineage_key
from facedata.datasets.record import Counts, Record
from facedata.datasets.versions.filter import filter_rows
from facedata.datasets.versions.history import in_words, log
from facedata.datasets.versions.merge import merge


def record(version: str, *origins: Origin, **values) -> Record:
    parents, ancestors = ancestry(origins)
    return Record(
        version=version,
        verb=values.pop("verb", "filter"),
        layout="files",
        counts=Counts(rows=1),
        parents=parents,
        ancestors=ancestors,
        **values,
    )


def chain(length: int, **values) -> Record:
    found = record("0", verb="ingest")
    for number in range(1, length):
        found = record(str(number), Origin(f"d{number - 1}", found), parameters={"step": number}, **values)
    return found


def test_a_chain_carries_every_step_once():
    found = chain(6)
    assert [ancestor.version for ancestor in found.ancestors.values()] == ["4", "3", "2", "1", "0"]
    assert [ancestor.parameters.get("step") for ancestor in found.ancestors.values()] == [4, 3, 2, 1, None]


def test_shared_ancestors_stand_once():
    """Twenty levels of a diamond are a million ways up, and forty datasets."""
    left = right = record("0", verb="ingest")
    for number in range(20):
        origins = [Origin("l", left), Origin("r", right)]
        left = record(f"l{number}", *origins, parameters={"side": "l"})
        right = record(f"r{number}", *origins, parameters={"side": "r"})
    assert len(left.ancestors) == 1 + 2 * 19


def test_an_edit_that_is_taken_back_is_no_circle():
    """Version ids are of the rows alone, so the third dataset has the version of the first."""
    one = record("same", verb="ingest")
    two = record("other", Origin("one", one), verb="edit")
    three = record("same", Origin("two", two), verb="edit")
    four = record("last", Origin("three", three))
    assert [ancestor.version for ancestor in four.ancestors.values()] == ["same", "other", "same"]
    assert lineage_key(one) != lineage_key(three)
    assert four.parents[0].lineage == lineage_key(three)


def test_a_long_history_is_bounded(monkeypatch):
    monkeypatch.setattr(lineage, "MOST_ANCESTORS", 5)
    found = chain(9)
    assert [ancestor.version for ancestor in found.ancestors.values()] == ["7", "6", "5", "4", "3"]


def test_far_parameters_become_a_hash(monkeypatch):
    monkeypatch.setattr(lineage, "_PARAMETER_BYTES", 40)
    found = chain(9)
    kept = [ancestor.parameters for ancestor in found.ancestors.values()]
    assert kept[:2] == [{"step": 7}, {"step": 6}]
    assert None in kept
    one = next(ancestor for ancestor in found.ancestors.values() if ancestor.parameters is None)
    assert f"parameters {one.parameters_hash}" in in_words(one)


def test_the_record_knows_no_place_of_the_machine(faces, tmp_path):
    make(faces, tmp_path / "a")
    filter_rows(tmp_path / "a", 'label == "live"', tmp_path / "b")
    filter_rows(tmp_path / "a", 'label == "spoof"', tmp_path / "c")
    merge([tmp_path / "b", tmp_path / "c"], tmp_path / "m")
    text = (tmp_path / "m" / "dataset.json").read_text()
    assert str(tmp_path) not in text
    kept = Dataset.open(tmp_path / "m").record
    assert [(a.verb, a.rows) for a in kept.ancestors.values()] == [
        ("filter", 24),
        ("filter", 12),
        ("test", 36),
    ]
    assert kept.ancestors[kept.parents[0].lineage].parents[0].name == "a"


def test_log_goes_up_to_the_source_files(faces, tmp_path):
    make(faces, tmp_path / "a", name="mine")
    filter_rows(tmp_path / "a", 'label == "spoof" or source.file.contains("ada 1")', tmp_path / "b")
    found = log(tmp_path / "b")
    assert json.loads(json.dumps(found)) == found
    (source,) = found["sources"]
    assert (source["dataset"], source["files"], source["licence"]) == ("mine", 5, None)
    assert source["examples"] == ["live/ada 1.jpg", "spoof/print/p0.jpg", "spoof/print/p1.jpg"]
    (ancestor,) = found["ancestors"].values()
    assert (ancestor["verb"], ancestor["seed"], ancestor["rows"]) == ("test", 0, 36)


def test_sources_are_told_apart_by_dataset_and_licence(faces, tmp_path):
    from facedata.datasets.versions.edit import edit

    make(faces, tmp_path / "a", variants=0)
    sid = by_file(tmp_path / "a")["live/ada 0.jpg"].sample_id
    (tmp_path / "e.csv").write_text(
        f"sid,field,old,new\n{sid},source.licence,,CC0\n{sid},source.dataset,,d\n"
    )
    edit(tmp_path / "a", tmp_path / "e.csv", tmp_path / "b")
    found = log(tmp_path / "b")["sources"]
    assert [(s["dataset"], s["licence"], s["files"]) for s in found] == [(None, None, 11), ("d", "CC0", 1)]


@pytest.mark.parametrize(
    "value", [True, 3, "x" * 500, ["a", "b"], {"name": "mixed", "chains": []}, {"a": 1}, None]
)
def test_words_for_any_parameters_are_short(value):
    words = in_words(record("1", parameters={"policy": value, "sha256": "0" * 64}))
    assert len(words) < 120
    assert "0" * 64 not in words
