"""What was edited in FiftyOne as a new version, and how it meets what was edited elsewhere."""

from __future__ import annotations

import pytest
from curate_parts import edits_in, make, rows_of
from version_trees import sound

from facedata.curate.fiftyone.pull import pull
from facedata.curate.fiftyone.push import push
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.versions.diff import diff
from facedata.datasets.versions.edit import edit, edits_of
from facedata.datasets.versions.filter import filter_rows


@pytest.fixture
def root(tmp_path, fifty, request):
    """A dataset that was pushed under a name of its own."""
    root = make(tmp_path / "".join(one for one in request.node.name if one.isalnum())[:60])
    fifty(push, root)
    return root


def changed(name: str, sid: str, values: dict) -> None:
    """Set values of a sample by their paths, as a person would."""
    import fiftyone as fo

    sample = fo.load_dataset(name).match(fo.ViewField("facedata_id") == sid).first()
    for path, value in values.items():
        top, _, rest = path.partition(".")
        if not rest:
            sample[top] = value
        elif sample[top] is None:
            sample[top] = fo.Classification(label=value)
        else:
            setattr(sample[top], rest, value)
    sample.save()


def click(fifty, root, sid, **values):
    fifty(
        changed, f"facedata-{root.name}", sid, {name.replace("__", "."): one for name, one in values.items()}
    )


def pick(root, attack=None):
    """The first sample of an attack, or a live one."""
    return next(row for row in rows_of(root).values() if row.attack == attack)


def test_two_clicks_are_two_edits_and_what_follows(fifty, root, tmp_path):
    spoof = pick(root, "print/laser")
    click(fifty, root, spoof.sample_id, label__label="live", au__AU12=4.5)
    found = fifty(pull, root, tmp_path / "next", author="ada")
    sid = spoof.sample_id
    assert edits_in(tmp_path / "next") == [
        f"{sid},label,spoof,live",
        f"{sid},au.12,3.3,4.5",
        f"{sid},attack,print/laser,",
    ]
    lines = (tmp_path / "next" / "curation" / "edits.csv").read_text().splitlines()
    assert all(line.split(",")[4] == "ada" and line.split(",")[5].endswith("+00:00") for line in lines[1:])
    assert lines[3].endswith("follows from label")
    row = rows_of(tmp_path / "next")[sid]
    assert (row.label, row.attack, row.au) == ("live", None, {6: 1.37, 12: 4.5, 25: None})
    assert len(found.pending.derived) == 1
    told = diff(root, tmp_path / "next")
    assert told.changes["relabelled"].samples == 1
    assert dict(told.changes["relabelled"].fields) == {"label": 1, "attack": 1, "au": 1}
    assert told.unchanged == 5
    assert sound(tmp_path / "next")
    told = found.made.record.parameters
    assert len(edits_of(Dataset.open(tmp_path / "next"), 3, told["sha256"])) == 3
    assert fifty(pull, root, tmp_path / "same", author="ada").made.record.version == found.made.record.version


def test_nothing_edited_is_nothing_written(fifty, root, tmp_path):
    found = fifty(pull, root, tmp_path / "next")
    assert (found.made, found.pending.edits) == (None, [])
    live = pick(root)
    click(fifty, root, live.sample_id, valence=0.9)
    click(fifty, root, live.sample_id, valence=live.valence)
    assert fifty(pull, root, tmp_path / "next").made is None  # touched, and as it was
    assert not (tmp_path / "next").exists()


def bulk(name: str, tagged: str, deleted: list[str]) -> None:
    import fiftyone as fo

    dataset = fo.load_dataset(name)
    dataset.match(fo.ViewField("facedata_id") == tagged).tag_samples(["look", "audit:mine"])
    dataset.delete_samples(dataset.match(fo.ViewField("facedata_id").is_in(deleted)))


def test_tags_and_deletions_are_edits(fifty, root, tmp_path):
    live, spoof = pick(root), pick(root, "replay/lcd")
    fifty(bulk, f"facedata-{root.name}", live.sample_id, [spoof.sample_id])
    fifty(pull, root, tmp_path / "next")
    assert sorted(edits_in(tmp_path / "next")) == sorted(
        [
            f'{live.sample_id},attributes.tags,"[""b""]","[""b"", ""look""]"',
            f"{spoof.sample_id},deleted,,true",
        ]
    )
    rows = rows_of(tmp_path / "next")
    assert rows[live.sample_id].attributes["tags"] == ["b", "look"]
    assert set(rows) == set(rows_of(root)) - {spoof.sample_id}
    told = diff(root, tmp_path / "next")
    assert (sum(told.removed.values()), told.changes["relabelled"].samples) == (1, 1)
    assert sound(tmp_path / "next")


def other_fields(name: str, sid: str) -> None:
    import fiftyone as fo

    dataset = fo.load_dataset(name)
    dataset.add_sample_field("au.AU43", fo.FloatField)
    dataset.add_sample_field("attributes.note", fo.StringField)
    dataset.delete_sample_field("valence")
    sample = dataset.match(fo.ViewField("facedata_id") == sid).first()
    sample["au"]["AU43"] = 1.0
    sample["attributes"]["note"] = "blurred"
    sample["box"].detections[0].bounding_box = [0.25, 0.125, 0.5, 0.5]
    sample["expression"].label = "surprise"
    sample["expression"].tags.append("of a label")
    sample.save()


def test_fields_that_were_added_and_taken_away(fifty, root, tmp_path):
    live = pick(root)
    fifty(other_fields, f"facedata-{root.name}", live.sample_id)
    fifty(pull, root, tmp_path / "next")
    row = rows_of(tmp_path / "next")[live.sample_id]
    assert (row.au[43], row.au_domain) == (1.0, (4, 6, 12, 25, 43))
    assert (row.attributes["note"], row.box, row.expression) == (
        "blurred",
        (12.0, 5.0, 24.0, 20.0),
        "surprise",
    )
    assert row.valence == live.valence
    assert len(edits_in(tmp_path / "next")) == 5
    assert sound(tmp_path / "next")


def test_a_familys_split_is_moved_by_its_first_ancestor(fifty, root, tmp_path):
    live = pick(root)
    family = [row for row in rows_of(root).values() if live.sample_id in (row.sample_id, row.parent_id)]
    child = next(row for row in family if row.parent_id)
    click(fifty, root, child.sample_id, split="test", au__AU12=1.0)
    words = rf"1 edits cannot be made.* {child.sample_id} was made from {live.sample_id} and keeps its split"
    with pytest.raises(UsageError, match=words):
        fifty(pull, root, tmp_path / "next")
    found = fifty(pull, root, tmp_path / "some", skip_conflicts=True)
    assert [failure.kind for failure in found.made.record.failures] == ["edit-conflict"]
    assert edits_in(tmp_path / "some") == [f"{child.sample_id},au.12,3.3,1"]
    click(fifty, root, live.sample_id, split="test")
    fifty(pull, root, tmp_path / "next")
    assert sorted(edits_in(tmp_path / "next")) == sorted(
        [f"{child.sample_id},au.12,3.3,1", f"{live.sample_id},split,train,test"]
    )
    moved = {row.sample_id for row in rows_of(tmp_path / "next").values() if row.split == "test"}
    assert moved == {row.sample_id for row in family}


def test_a_value_that_cannot_be_is_named(fifty, root, tmp_path):
    live = pick(root)
    click(fifty, root, live.sample_id, valence=3.0)
    with pytest.raises(UsageError, match=rf"{live.sample_id} would have valence 3.0 is not in \[-1, 1\]"):
        fifty(pull, root, tmp_path / "next")
    assert not (tmp_path / "next").exists()


def elsewhere(root, *lines):
    """The dataset with edits that were made outside of FiftyOne, under the same folder name."""
    file = root.parent / "edits.csv"
    file.write_text("sid,field,old,new\n" + "".join(f"{line}\n" for line in lines))
    target = root.parent / "elsewhere" / root.name
    edit(root, file, target)
    return target


def test_edits_of_both_sides_meet(fifty, root, tmp_path):
    live, spoof = pick(root), pick(root, "print/laser")
    moved = elsewhere(
        root,
        f"{live.sample_id},expression,happiness,anger",
        f"{live.sample_id},arousal,-0.7,0.5",
        f"{spoof.sample_id},au.12,3.3,1",
    )
    click(fifty, root, live.sample_id, arousal=0.5, valence=-1.0)  # one is so there already
    click(fifty, root, spoof.sample_id, attack__label="print/photo")
    found = fifty(pull, moved, tmp_path / "next")
    assert (found.pending.held, found.pending.conflicts) == (1, [])
    rows = rows_of(tmp_path / "next")
    one, other = rows[live.sample_id], rows[spoof.sample_id]
    assert (one.expression, one.arousal, one.valence) == ("anger", 0.5, -1.0)
    assert (other.attack, other.au[12]) == ("print/photo", 1.0)
    assert sound(tmp_path / "next")


def test_one_value_changed_on_both_sides_is_a_conflict(fifty, root, tmp_path):
    live, spoof = pick(root), pick(root, "print/laser")
    moved = elsewhere(
        root, f"{live.sample_id},expression,happiness,anger", f"{spoof.sample_id},arousal,-0.7,0"
    )
    click(fifty, root, live.sample_id, expression__label="surprise", valence=-1.0)
    fifty(bulk, f"facedata-{root.name}", live.sample_id, [spoof.sample_id])
    dry = fifty(pull, moved, None, dry_run=True)
    assert dry.pending.conflicts == [
        f"facedata-{root.name}:1: expression of {live.sample_id} is 'anger', not 'happiness'"
    ]
    with pytest.raises(
        UsageError, match=f"{spoof.sample_id} was deleted in FiftyOne and edited in {root.name}"
    ):
        fifty(pull, moved, tmp_path / "next")
    assert not (tmp_path / "next").exists()
    found = fifty(pull, moved, tmp_path / "next", skip_conflicts=True)
    assert len(found.made.record.failures) == 2
    rows = rows_of(tmp_path / "next")
    assert (rows[live.sample_id].expression, rows[live.sample_id].valence) == ("anger", -1.0)
    assert rows[spoof.sample_id].arousal == 0.0


def test_an_edit_of_what_is_no_more_there_is_a_conflict(fifty, root, tmp_path):
    live = pick(root)
    click(fifty, root, live.sample_id, valence=-1.0)
    moved = filter_rows(root, 'label == "spoof"', root.parent / "elsewhere" / root.name).root
    with pytest.raises(UsageError, match=f"no sample '{live.sample_id}'"):
        fifty(pull, moved, tmp_path / "next")


def without_bases(name: str) -> None:
    import fiftyone.core.odm as foo

    foo.get_db_conn()["facedata.bases"].delete_many({})


def test_without_the_rows_that_were_pushed_only_their_version_will_do(fifty, root, tmp_path):
    live = pick(root)
    moved = elsewhere(root, f"{live.sample_id},expression,happiness,anger")
    click(fifty, root, live.sample_id, valence=-1.0)
    fifty(without_bases, root.name)
    with pytest.raises(UsageError, match="the database has no rows of that; give that version's folder"):
        fifty(pull, moved, tmp_path / "next")
    assert fifty(pull, root, tmp_path / "next").made.details["edited_rows"] == 1


def strangers(name: str) -> None:
    import fiftyone as fo

    fo.load_dataset(name).add_samples([fo.Sample(filepath="/a.jpg"), fo.Sample(filepath="/b.jpg")])


def test_samples_that_were_never_pushed_are_left_alone(fifty, root, tmp_path):
    fifty(strangers, f"facedata-{root.name}")
    found = fifty(pull, root, tmp_path / "next")
    assert (found.pending.strangers, found.made) == (2, None)
