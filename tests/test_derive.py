"""Versions made of rows there are: filter, merge, sample, and the writer below them."""

from __future__ import annotations

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import jpeg
from version_trees import contents, listed, make, samples, sound

from facedata.datasets import storage
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, SourceError, TargetError, UsageError
from facedata.datasets.sample import SCHEMA
from facedata.datasets.versions import carry, carry_shards, derive
from facedata.datasets.versions.derive import Writing
from facedata.datasets.versions.filter import filter_rows
from facedata.datasets.versions.merge import merge
from facedata.datasets.versions.sampling import sample_rows

LAYOUTS = [("files", "files"), ("files", "shards"), ("shards", "files"), ("shards", "shards")]


def rewrite(root, change) -> None:
    rows = list(Dataset.open(root).rows())
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), root / "samples.parquet")


@pytest.mark.parametrize(("before", "after"), LAYOUTS)
def test_filter_keeps_rows_and_bytes_in_every_layout(faces, tmp_path, before, after):
    make(faces, tmp_path / "a", layout=before)
    found = filter_rows(tmp_path / "a", 'label == "spoof"', tmp_path / "b", Writing(after))
    old, new = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert found.record.layout == after
    assert found.details == {"left_out": 24}
    assert new == {s.sample_id: old[s.sample_id] for s in samples(tmp_path / "a") if s.label == "spoof"}
    assert sound(tmp_path / "b")


@pytest.mark.parametrize(("before", "after"), LAYOUTS)
def test_all_rows_are_the_same_version(faces, tmp_path, before, after):
    make(faces, tmp_path / "a", layout=before)
    found = filter_rows(tmp_path / "a", "true", tmp_path / "b", Writing(after))
    assert found.record.version == Dataset.open(tmp_path / "a").version


def test_layers_are_carried(tmp_path):
    from facedata.datasets.engine import Options
    from facedata.datasets.ingest import ingest_demo

    for layout in ("files", "shards"):
        ingest_demo(tmp_path / layout, Options(layout=layout), identities=1, pictures=2, size=64)
        for after in ("files", "shards"):
            target = tmp_path / f"{layout}-{after}"
            found = filter_rows(tmp_path / layout, '"regions" in layers', target, Writing(after))
            assert found.record.version == Dataset.open(tmp_path / layout).version
            assert sound(target)


def test_a_whole_shard_stays_and_a_part_is_packed_anew(faces, tmp_path, monkeypatch):
    """What was left out must not lie on in the bytes: faces are personal data."""
    monkeypatch.setattr(storage, "SHARD_BYTES", 4000)
    make(faces, tmp_path / "a", layout="shards")
    before = {path.name for path in (tmp_path / "a" / "shards").iterdir()}
    rows = samples(tmp_path / "a")
    first = rows[0].image.partition("#")[0]
    condition = f'content_hash != "{rows[0].content_hash}"'
    filter_rows(tmp_path / "a", condition, tmp_path / "b")
    after = {path.name for path in (tmp_path / "b" / "shards").iterdir()}
    assert len(before) > 2
    assert before - after == {first.partition("/")[2]}
    held = [pq.read_table(path)["content_hash"].to_pylist() for path in (tmp_path / "b" / "shards").iterdir()]
    assert rows[0].content_hash not in {one for shard in held for one in shard}
    assert sound(tmp_path / "b")


def test_files_are_no_hard_links(faces, tmp_path):
    make(faces, tmp_path / "a")
    filter_rows(tmp_path / "a", "true", tmp_path / "b")
    for path in (tmp_path / "b" / "images").rglob("*.jpg"):
        assert path.stat().st_nlink == 1
        path.write_bytes(b"overwritten")
    assert sound(tmp_path / "a")


def test_a_reflink_is_taken_where_there_is_one_and_a_copy_where_not(faces, tmp_path, monkeypatch):
    """What the file systems of the tests cannot do is played: FICLONE gives the other file's bytes."""
    make(faces, tmp_path / "a")
    cloned = []

    def ioctl(target, request, source):
        import os

        assert request == 0x40049409
        data = os.pread(source, 1 << 20, 0)
        cloned.append(len(data))
        os.pwrite(target, data, 0)

    monkeypatch.setattr(carry.fcntl, "ioctl", ioctl)
    filter_rows(tmp_path / "a", "true", tmp_path / "b")
    assert len(cloned) == 36
    assert sound(tmp_path / "b")


def test_orphans_are_counted_and_no_damage(faces, tmp_path):
    make(faces, tmp_path / "a")
    found = filter_rows(tmp_path / "a", "variant == 1", tmp_path / "b")
    assert found.record.counts.orphans == found.record.counts.rows == 12
    assert sound(tmp_path / "b")
    again = sample_rows(tmp_path / "b", 5, tmp_path / "c")  # and they stay so further down
    assert again.record.counts.orphans == 5
    assert sound(tmp_path / "c")


def test_a_condition_that_holds_of_nothing_leaves_nothing_behind(faces, tmp_path):
    make(faces, tmp_path / "a")
    with pytest.raises(SourceError, match="leaves no row"):
        filter_rows(tmp_path / "a", 'label == "mask"', tmp_path / "b")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "faces"}


@pytest.mark.parametrize("layout", ["files", "shards"])
def test_a_damaged_or_missing_picture_is_named_and_the_rest_is_made(faces, tmp_path, layout):
    make(faces, tmp_path / "a", layout="files")
    one, two = samples(tmp_path / "a")[:2]
    (tmp_path / "a" / one.image).write_bytes(jpeg(77))
    (tmp_path / "a" / two.image).unlink()
    found = filter_rows(tmp_path / "a", "true", tmp_path / "b", Writing(layout))
    assert [failure.place for failure in found.record.failures] == [one.sample_id, two.sample_id]
    assert "is not the picture of its row" in found.record.failures[0].reason
    assert "is missing" in found.record.failures[1].reason
    assert found.record.counts.rows == 34
    assert sound(tmp_path / "b")


@pytest.mark.parametrize("layout", ["files", "shards"])
def test_a_changed_row_of_a_shard_is_named_and_the_rest_is_made(faces, tmp_path, layout):
    make(faces, tmp_path / "a", layout="shards")

    def swap(rows):
        rows[0]["image"], rows[1]["image"] = rows[1]["image"], rows[0]["image"]

    rewrite(tmp_path / "a", swap)
    found = filter_rows(tmp_path / "a", "true", tmp_path / "b", Writing(layout))
    assert len(found.record.failures) == 2
    assert found.record.counts.rows == 34
    assert sound(tmp_path / "b")


@pytest.mark.parametrize("layout", ["files", "shards"])
@pytest.mark.parametrize(
    "reference", ["../../secret.jpg", "/etc/passwd", "../a/images#1", "dataset.json", ""]
)
def test_a_reference_that_climbs_out_is_not_followed(faces, tmp_path, layout, reference):
    make(faces, tmp_path / "a")
    (tmp_path / "secret.jpg").write_bytes(jpeg(5))
    rewrite(tmp_path / "a", lambda rows: rows[3].update(image=reference))
    found = filter_rows(tmp_path / "a", "true", tmp_path / "b", Writing(layout))
    (failure,) = found.record.failures
    assert failure.kind == "missing"
    assert found.record.counts.rows == 35
    assert sound(tmp_path / "b")


def test_a_manifest_out_of_order_is_refused(faces, tmp_path):
    make(faces, tmp_path / "a")
    rewrite(tmp_path / "a", lambda rows: rows.reverse())
    with pytest.raises(DatasetError, match=r"not in the order of their ids.*facedata validate"):
        filter_rows(tmp_path / "a", "true", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_the_label_decides_the_folder(faces, tmp_path):
    """A row and the place of its file never disagree, whatever an edit or a merge did."""
    make(faces, tmp_path / "a")
    rewrite(tmp_path / "a", lambda rows: [row.update(label=None, attack=None) for row in rows])
    filter_rows(tmp_path / "a", "true", tmp_path / "b")
    assert {s.image.split("/")[1] for s in samples(tmp_path / "b")} == {"unlabelled"}


@pytest.mark.parametrize("target", ["a/inside", "a", "."])
def test_a_target_in_an_input_or_around_it_is_refused(faces, tmp_path, target):
    make(faces, tmp_path / "a")
    with pytest.raises(UsageError, match=r"is the input|lies in the"):
        filter_rows(tmp_path / "a", "true", tmp_path / target, Writing(overwrite=True))
    assert sound(tmp_path / "a")


@pytest.mark.parametrize("layout", ["files", "shards"])
@pytest.mark.parametrize("moment", ["plan", "resolve", "write_sheet", "publish"])
def test_a_stopped_run_is_resumed(faces, tmp_path, layout, moment, monkeypatch):
    make(faces, tmp_path / "a", layout=layout)

    def stop(*arguments, **options):
        if moment == "resolve":
            original(*arguments, **options)
        raise KeyboardInterrupt

    carrier = carry.ToFiles if layout == "files" else carry_shards.ToShards
    owner = {"write_sheet": derive, "publish": derive.Workplace}.get(moment, carrier)
    original = getattr(owner, moment)
    with monkeypatch.context() as patched:
        patched.setattr(owner, moment, stop)
        with pytest.raises(KeyboardInterrupt):
            filter_rows(tmp_path / "a", 'label == "live"', tmp_path / "b")
    assert not (tmp_path / "b").exists()
    with pytest.raises(TargetError, match="--resume"):
        filter_rows(tmp_path / "a", 'label == "live"', tmp_path / "b")
    found = filter_rows(tmp_path / "a", 'label == "live"', tmp_path / "b", Writing(resume=True))
    assert (found.record.counts.rows, found.details) == (24, {"left_out": 12})
    assert sound(tmp_path / "b")
    again = filter_rows(tmp_path / "a", 'label == "live"', tmp_path / "b", Writing(resume=True))
    assert again.complete_before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_resume_does_not_take_another_input_for_the_same(faces, tmp_path):
    make(faces, tmp_path / "a")
    filter_rows(tmp_path / "a", "true", tmp_path / "b")
    make(faces, tmp_path / "c", variants=1)
    with pytest.raises(TargetError, match="already holds dataset"):
        filter_rows(tmp_path / "c", "true", tmp_path / "b", Writing(resume=True))


def test_two_runs_write_the_same_bytes(faces, tmp_path):
    make(faces, tmp_path / "a", layout="shards")
    trees = []
    for name in ("one", "two"):
        root = tmp_path / name / "set"
        filter_rows(tmp_path / "a", 'label == "live"', root)
        trees.append({p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()})
    assert trees[0] == trees[1]


# merge


@pytest.mark.parametrize("layout", ["files", "shards"])
def test_parts_merge_to_the_whole(faces, tmp_path, layout):
    make(faces, tmp_path / "a", layout="shards")
    filter_rows(tmp_path / "a", 'label == "live"', tmp_path / "live")
    filter_rows(tmp_path / "a", 'label == "spoof" or variant is None', tmp_path / "rest", Writing("files"))
    found = merge([tmp_path / "live", tmp_path / "rest"], tmp_path / "m", writing=Writing(layout))
    assert found.record.version == Dataset.open(tmp_path / "a").version
    assert found.details["shared"] == 8  # live originals stand in both
    assert found.record.counts.orphans == 0
    assert sound(tmp_path / "m")


def test_merge_is_the_same_in_any_order(faces, tmp_path):
    make(faces, tmp_path / "a")
    make(faces, tmp_path / "b", variants=4, layout="shards")
    versions = {
        merge([tmp_path / n for n in order], tmp_path / order).record.version for order in ("ab", "ba")
    }
    assert versions == {Dataset.open(tmp_path / "b").version}


def test_conflicts_are_named_by_field_and_settled_only_on_request(faces, tmp_path):
    make(faces, tmp_path / "a", variants=1)
    make(faces, tmp_path / "b", variants=2, split="train", domain="phone")
    with pytest.raises(UsageError, match="24 samples stand in several inputs") as caught:
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "m")
    for words in ("split 24", "domain 24", 'is null in a and "', "--prefer first or last"):
        assert words in str(caught.value)
    assert not (tmp_path / "m").exists()
    first = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "first", prefer="first")
    last = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "last", prefer="last")
    assert first.details["conflicts"]["fields"] == {"split": 24, "domain": 24}
    assert first.record.counts.by_split == {"none": 24, "train": 12}
    assert last.record.counts.by_split == {"train": 36}
    assert "24 samples" in last.record.notes[0]
    assert "--prefer last settled them" in last.record.notes[0]
    assert sound(tmp_path / "last")


def test_a_leak_that_a_merge_makes_is_noted(faces, tmp_path):
    make(faces, tmp_path / "a", split="train")
    make(faces, tmp_path / "b", split="test", name="other", variants=0)
    found = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "m", prefer="first")
    assert found.record.counts.by_split == {"train": 36}
    filter_rows(tmp_path / "a", 'source.file.contains("ada 1")', tmp_path / "one")
    (faces / "live" / "copy of ada 1.jpg").write_bytes((faces / "live" / "ada 1.jpg").read_bytes())
    make(faces, tmp_path / "c", split="test", variants=0)
    filter_rows(tmp_path / "c", 'source.file.contains("copy")', tmp_path / "two")
    found = merge([tmp_path / "one", tmp_path / "two"], tmp_path / "leaky")
    assert "splits that share: one picture:" in found.record.notes[0]


def test_a_dataset_is_not_merged_with_itself(faces, tmp_path):
    make(faces, tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(UsageError, match="again; name each once"):
        merge([tmp_path / "a", tmp_path / "link"], tmp_path / "m")
    with pytest.raises(UsageError, match="two datasets or more"):
        merge([tmp_path / "a"], tmp_path / "m")


def test_tables_that_end_anywhere_are_joined_whole(faces, tmp_path, monkeypatch):
    """Rows come in tables of three here: an id must never be parted from its repeat."""
    from facedata.datasets.versions import align

    monkeypatch.setattr(align, "TABLE_ROWS", 3)
    make(faces, tmp_path / "a")
    make(faces, tmp_path / "b", variants=3)
    filter_rows(tmp_path / "b", "variant == 2 or variant is None", tmp_path / "c")
    found = merge([tmp_path / "a", tmp_path / "c", tmp_path / "b"], tmp_path / "m")
    assert found.record.version == Dataset.open(tmp_path / "b").version
    assert found.details["shared"] == 36 + 24 + 48 - 48  # rows of all, less the rows of the result


# sample


def test_sample_is_a_function_of_seed_and_ids(faces, tmp_path):
    make(faces, tmp_path / "a")
    make(faces, tmp_path / "b", layout="shards")
    one = sample_rows(tmp_path / "a", 10, tmp_path / "1", seed=3)
    two = sample_rows(tmp_path / "b", 10, tmp_path / "2", seed=3)
    three = sample_rows(tmp_path / "a", 10, tmp_path / "3", seed=4)
    assert one.record.counts.rows == 10
    assert one.record.version == two.record.version != three.record.version
    assert one.record.seed == 3
    assert sound(tmp_path / "1")


def test_every_row_is_as_likely(faces, tmp_path):
    """300 draws of 12 of 36: each row comes 100 times, give or take four standard deviations."""
    from facedata.datasets.words import Words

    ids = [sample.sample_id for sample in samples(make(faces, tmp_path / "a"))]
    drawn = Counter()
    for seed in range(300):
        drawn.update(sorted(ids, key=lambda sid: Words.of(seed, "sample", sid).word())[:12])
    deviation = (300 * (1 / 3) * (2 / 3)) ** 0.5
    assert set(drawn) == set(ids)
    assert all(abs(n - 100) < 4 * deviation for n in drawn.values())
    sample_rows(tmp_path / "a", 12, tmp_path / "s", seed=7)  # and the verb draws just these
    chosen = sorted(ids, key=lambda sid: Words.of(7, "sample", sid).word())[:12]
    assert {sample.sample_id for sample in samples(tmp_path / "s")} == set(chosen)


def test_sample_by_groups(faces, tmp_path):
    make(faces, tmp_path / "a")  # 24 live, 12 spoof
    shares = sample_rows(tmp_path / "a", 10, tmp_path / "1", by=["label"])
    assert shares.record.counts.by_label == {"live": 7, "spoof": 3}  # 6.67 and 3.33, by largest remainder
    each = sample_rows(tmp_path / "a", 10, tmp_path / "2", by=["label"], per_group=True)
    assert each.record.counts.by_label == {"live": 10, "spoof": 10}
    most = sample_rows(tmp_path / "a", 20, tmp_path / "3", by=["label"], per_group=True)
    assert most.record.counts.by_label == {"live": 20, "spoof": 12}
    assert "1 of 2 groups have fewer than 20" in most.record.notes[0]


def test_sample_of_families_keeps_them_whole(faces, tmp_path):
    make(faces, tmp_path / "a")
    found = sample_rows(tmp_path / "a", 4, tmp_path / "s", families=True)
    assert (found.record.counts.rows, found.record.counts.orphans) == (12, 0)
    assert len({s.parent_id or s.sample_id for s in samples(tmp_path / "s")}) == 4


def test_samples_that_cannot_be_are_refused(faces, tmp_path):
    make(faces, tmp_path / "a")
    for words, options in {
        "37 rows are asked for, and there are 36": {"count": 37},
        "0 is not a positive number": {"count": 0},
        "'subject' is not one of label": {"count": 1, "by": ["subject"]},
        "--per-group needs --by": {"count": 1, "per_group": True},
    }.items():
        with pytest.raises(UsageError, match=words):
            sample_rows(tmp_path / "a", options.pop("count"), tmp_path / "s", **options)


def test_a_record_of_the_first_schema_opens_and_has_an_end(faces, tmp_path):
    make(faces, tmp_path / "a")
    path = tmp_path / "a" / "dataset.json"
    record = json.loads(path.read_text())
    record["schema_version"] = 1
    del record["ancestors"], record["counts"]["orphans"]
    path.write_text(json.dumps(record))
    assert sound(tmp_path / "a")
    found = filter_rows(tmp_path / "a", 'label == "live"', tmp_path / "b")
    assert found.record.schema_version == 2
    (ancestor,) = found.record.ancestors.values()
    assert (ancestor.verb, ancestor.rows) == ("test", 36)


def test_columns_of_a_list_reach_the_rows(tmp_path):
    """The helper that other tests build on does what it says."""
    root = listed(tmp_path / "l", "label,subject", ["live,ada", "spoof,ben"], tmp_path / "a", variants=1)
    assert {(s.label, s.subject) for s in samples(root)} == {("live", "ada"), ("spoof", "ben")}
