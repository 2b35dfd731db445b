"""A dataset in FiftyOne: what is there, how it is dressed, and what a second push does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from curate_parts import make, rows_of

from facedata.curate.fiftyone.pull import pull
from facedata.curate.fiftyone.push import push
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.instructions import Check, Part, Provenance, Record, Turn, record_id, to_table


@pytest.fixture
def root(tmp_path):
    return make(tmp_path / "faces")


def told(name: str) -> dict:
    """What FiftyOne says of a dataset."""
    import fiftyone as fo

    dataset = fo.load_dataset(name)
    spoof = dataset.match(fo.ViewField("attack.label") == "print/laser").first()
    return {
        "media": dataset.media_type,
        "rows": len(dataset),
        "ids": dataset.values("facedata_id"),
        "families": len(set(dataset.values("family_id"))),
        "units": dataset.values("au.AU12"),
        "absent": dataset.values("au.AU4"),
        "ungraded": dataset.values("au_ungraded"),
        "tags": dataset.values("tags"),
        "groups": {group.name: group.paths for group in dataset.app_config.sidebar_groups},
        "views": {name: len(dataset.load_saved_view(name)) for name in dataset.list_saved_views()},
        "skeleton": (dataset.skeletons["landmarks"].edges, dataset.skeletons["landmarks"].labels),
        "targets": dataset.mask_targets["regions"][1],
        "colours": [one["path"] for one in dataset.app_config.color_scheme.fields],
        "schemas": dataset.label_schemas,
        "active": dataset.active_label_schemas,
        "mask": spoof["mask"].map_path,
        "file": spoof.filepath,
        "picture": (spoof.metadata.width, spoof.metadata.height),
        "generation": spoof["generation"],
        "attributes": dataset.match(fo.ViewField("label.label") == "live").values("attributes.session"),
        "indexes": dataset.list_indexes(),
        "fixed": [dataset.get_field(name).read_only for name in ("facedata_id", "parent_id", "label")],
        "datasets": fo.list_datasets(),
        "info": dataset.info["facedata"],
    }


def test_everything_that_a_row_says_is_there(fifty, root):
    made = fifty(push, root)
    found = fifty(told, "facedata-faces")
    rows = rows_of(root)
    assert (made.name, made.rows, made.already, made.missing) == ("facedata-faces", 6, False, {})
    assert (found["media"], found["rows"], sorted(found["ids"])) == ("image", 6, sorted(rows))
    assert (found["families"], found["generation"], found["picture"]) == (2, 1, (48, 40))
    assert (set(found["units"]), set(found["absent"])) == ({3.3}, {0.0})
    assert found["ungraded"] == [[25]] * 6
    assert sorted(map(tuple, found["tags"])) == [(), (), (), (), ("b",), ("b",)]
    assert found["attributes"] == ["007", "007"]
    assert Path(found["file"]) in [root.resolve() / row.image for row in rows.values()]
    assert Path(found["mask"]).is_file()
    assert found["info"]["root"] == str(root.resolve())


def test_it_is_dressed_for_the_app(fifty, root):
    fifty(push, root, name="dressed")
    found = fifty(told, "dressed")
    assert list(found["groups"]) == [
        *("tags", "LABELS", "ACTION UNITS", "CHECKS", "LAYERS", "PROVENANCE", "metadata"),
    ]
    assert found["groups"]["ACTION UNITS"] == [
        *("au.AU4", "au.AU6", "au.AU12", "au.AU25", "au_domain", "au_ungraded"),
    ]
    assert {"label", "attack", "attributes.age", "box", "landmarks"} <= set(found["groups"]["LABELS"])
    assert found["groups"]["LAYERS"] == ["mask", "regions"]
    assert found["views"] == {
        "families": 2,
        "label live": 2,
        "label spoof": 4,
        "attack print/laser": 2,
        "attack replay/lcd": 2,
        "split train": 6,
        "low confidence": 2,
    }
    edges, names = found["skeleton"]
    assert (edges[0], names[0], len(names)) == ([0, 1], "right eye", 5)
    assert found["targets"] == "skin"
    assert found["colours"] == ["label", "attack"]
    assert found["schemas"]["label"] == {
        **{"type": "classification", "component": "radio"},
        "classes": ["live", "spoof"],
    }
    assert found["schemas"]["au.AU12"] == {"type": "float", "component": "slider", "range": [0.0, 5.0]}
    assert {"replay/lcd", "print/laser"} <= set(found["schemas"]["attack"]["classes"])
    assert set(found["active"]) == set(found["schemas"])
    assert {"facedata_id", "family_id"} <= set(found["indexes"])
    assert found["fixed"] == [True, True, False]


def queue(name: str) -> dict:
    import fiftyone as fo

    dataset = fo.load_dataset(name)
    waiting = dataset.load_saved_view("review queue")
    apart = dataset.load_saved_view("disagreements")
    return {
        "waiting": list(waiting.values(["facedata_id", "instructions.status", "instructions.failed"])),
        "records": sorted(dataset.values("instructions.records"), key=str),
        "apart": apart.values(["facedata_id", "agreement"]),
    }


def record(sid: str, task: str, status: str, *checks: Check) -> Record:
    turn = Turn(role="assistant", content=(Part(type="text", text="a face"),))
    provenance = Provenance(
        task_version=1, template="t", response_schema="s", provider="rules", model="rules-1", request=task
    )
    return Record(
        record_id=record_id(sid, task, 1, task),
        sample_id=sid,
        task=task,
        messages=(turn,),
        structured={},
        evidence={},
        provenance=provenance,
        checks=checks,
        status=status,
    )


def test_what_waits_for_people_is_a_view(fifty, tmp_path):
    votes = {"votes": {"anger": 6, "fear": 4}}
    root = make(
        tmp_path / "faces",
        change=lambda row: row if row.variant else row.replace(attributes=votes),
    )
    first, second, *_ = rows_of(root)
    bad = (Check(rule="polarity", status="fail"), Check(rule="side", status="flag"))
    records = [
        *(record(first, "caption", "accept"), record(first, "qa", "review", *bad)),
        record(second, "caption", "accept", Check(rule="polarity", status="pass")),
    ]
    pq.write_table(to_table(sorted(records, key=lambda one: one.record_id)), root / "instructions.parquet")
    fifty(push, root, name="queue")
    found = fifty(queue, "queue")
    assert found["waiting"] == [[first], ["review"], [["qa: polarity"]]]
    assert found["records"] == [1, 2, None, None, None, None]
    assert found["apart"][1] == [0.6] * 4


def compare_documents(name: str) -> list[tuple]:
    """Write each sample again through FiftyOne's own interface, and return how the documents differ."""
    import fiftyone as fo

    dataset = fo.load_dataset(name)
    other = dataset.clone(f"{name}-other")
    samples = [sample.copy() for sample in other]
    other.clear()
    other.add_samples(samples)
    ours = {one["facedata_id"]: one for one in dataset._sample_collection.find({})}
    theirs = {one["facedata_id"]: one for one in other._sample_collection.find({})}
    other.delete()
    assert set(ours) == set(theirs)
    found = []
    for sid, one in ours.items():
        left, right = (_shape(document) for document in (one, theirs[sid]))
        found += [
            (path, left.get(path), right.get(path))
            for path in left | right
            if left.get(path) != right.get(path)
        ]
    return found


def _shape(value, path="") -> dict:
    """The leaves of a document by their paths; of what is made anew each time, only the type."""
    anew = ("_id", "_dataset_id", "_rand", "created_at", "last_modified_at")
    if isinstance(value, dict):
        leaves = {}
        for name, one in value.items():
            if one is None:
                continue  # null and absent are the same to FiftyOne
            leaves |= (
                {f"{path}.{name}": type(one).__name__} if name in anew else _shape(one, f"{path}.{name}")
            )
        return leaves
    if isinstance(value, list):
        leaves = {path: len(value)}
        for number, one in enumerate(value):
            leaves |= _shape(one, f"{path}[{number}]")
        return leaves
    return {path: (type(value).__name__, value)}


def test_documents_are_those_that_fiftyone_writes_itself(fifty, root):
    fifty(push, root, name="documents")
    assert fifty(compare_documents, "documents") == []


def touch(name: str) -> None:
    import fiftyone as fo

    dataset = fo.load_dataset(name)
    sample = dataset.match(fo.ViewField("label.label") == "live").first()
    sample["valence"] = 0.5
    sample["au"]["AU12"] = 1.0
    sample.save()


def test_a_second_push_changes_nothing_or_says_what_it_would_lose(fifty, root):
    fifty(push, root, name="twice")
    before = fifty(told, "twice")["info"]
    again = fifty(push, root, name="twice")
    assert (again.already, again.re_rooted, fifty(told, "twice")["info"]) == (True, 0, before)
    fifty(touch, "twice")
    with pytest.raises(UsageError, match=r"twice holds 2 edits that faces does not: pull them first"):
        fifty(push, root, name="twice")
    fifty(push, root, name="twice", overwrite=True)
    assert fifty(pull, root, None, name="twice", dry_run=True).pending.edits == []
    assert [name for name in fifty(told, "twice")["datasets"] if name.startswith("twice")] == ["twice"]


def test_what_was_pulled_may_be_pushed_under_the_same_name(fifty, root, tmp_path):
    fifty(push, root, name="on")
    fifty(touch, "on")
    fifty(pull, root, tmp_path / "next", name="on")
    assert not fifty(push, tmp_path / "next", name="on").already
    assert fifty(told, "on")["units"].count(1.0) == 1


def foreign(name: str) -> None:
    import fiftyone as fo

    fo.Dataset(name, persistent=True)


def test_a_strangers_dataset_is_left_alone(fifty, root):
    fifty(foreign, "theirs")
    with pytest.raises(UsageError, match="'theirs' that facedata did not push; choose another --name"):
        fifty(push, root, name="theirs")
    with pytest.raises(UsageError, match="facedata did not push the FiftyOne dataset 'theirs'"):
        fifty(pull, root, None, name="theirs", dry_run=True)
    fifty(push, root, name="theirs", overwrite=True)
    assert fifty(told, "theirs")["rows"] == 6


def test_pictures_inside_shards_become_files_once(fifty, tmp_path):
    root = make(tmp_path / "faces", layout="shards")
    fifty(push, root, name="shards", cache=tmp_path / "cache")
    found = fifty(told, "shards")
    files = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.*")}
    spoof = next(row for row in rows_of(root).values() if row.attack == "print/laser")
    assert len(files) == 6 + 4  # pictures, and layers, of which some are the same
    assert Path(found["file"]).parent.parent == tmp_path / "cache"
    assert Path(found["file"]).suffix == ".jpg"
    assert Path(found["mask"]).name == f"{spoof.layers[0].content_hash}.png"
    fifty(push, root, name="shards", cache=tmp_path / "cache", overwrite=True)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.*")} == files


@pytest.mark.parametrize("layout", ["files", "shards"])
def test_a_push_from_elsewhere_finds_its_pictures_and_keeps_what_is_there(fifty, tmp_path, layout):
    name = f"moved-{layout}"
    root = make(tmp_path / "there" / "faces", layout=layout)
    fifty(push, root, name=name, cache=tmp_path / "cache")
    shutil.move(root, tmp_path / "here")
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    again = fifty(push, tmp_path / "here", name=name, cache=tmp_path / "other")
    found = fifty(told, name)
    assert (again.already, again.re_rooted) == (True, 6)
    assert Path(found["file"]).is_file()
    assert Path(found["mask"]).is_file()
    assert fifty(pull, tmp_path / "here", None, name=name, dry_run=True).pending.edits == []


@pytest.mark.parametrize("layout", ["files", "shards"])
def test_pictures_that_are_gone_are_named_and_their_rows_are_there(fifty, tmp_path, layout):
    root = make(tmp_path / "faces", layout=layout)
    (root / next(row.image for row in rows_of(root).values()).partition("#")[0]).unlink()
    made = fifty(push, root, name="gone", cache=tmp_path / "cache", overwrite=True)
    assert len(made.missing) == (1 if layout == "files" else 6 + 6)
    assert all("missing" in reason for reason in made.missing.values())
    assert fifty(told, "gone")["rows"] == 6


def audit(folder: Path, root: Path, version: str) -> Path:
    folder.mkdir()
    ids = list(rows_of(root))
    finding = {"samples": ids[:2], "samples_total": 2, "detail": "the same", "score": 1.0}
    audits = {
        "near-duplicates": {"title": "Near duplicates", "verdict": "warn", "findings": [finding]},
        "blur": {"title": "Blur", "verdict": "pass", "findings": []},
    }
    (folder / "audit.json").write_text(json.dumps({"version": version, "audits": audits}))
    columns = {
        "sample_id": ids[::-1][:5],
        "near-duplicates.group": ["g", None, "g", None, "h"],
        "near-duplicates.distance": [0.5, None, 0.25, 1.0, 0.0],
        "blur.poor": [True, False, None, False, False],
    }
    pq.write_table(pa.table(columns), folder / "audit.parquet")
    return folder


def audited(name: str) -> dict:
    import fiftyone as fo

    dataset = fo.load_dataset(name)
    paths = ["audit.near_duplicates.group", "audit.near_duplicates.distance", "audit.blur.poor", "tags"]
    columns = dataset.values(["facedata_id", *paths])
    checks = next(group.paths for group in dataset.app_config.sidebar_groups if group.name == "CHECKS")
    return {
        "rows": {sid: rest for sid, *rest in zip(*columns, strict=True)},
        "view": dataset.load_saved_view("audit near-duplicates").values("facedata_id"),
        "views": dataset.list_saved_views(),
        "checks": checks,
    }


def test_what_an_audit_found_becomes_fields_tags_and_a_view(fifty, root, tmp_path):
    version = fifty(push, root, name="audited").version
    folder = audit(tmp_path / "audit", root, version)
    assert not fifty(push, root, name="audited", audit=folder).already
    found, ids = fifty(audited, "audited"), list(rows_of(root))
    assert found["rows"][ids[5]][:3] == ["g", 0.5, True]
    assert found["rows"][ids[4]][:3] == [None, None, False]
    assert found["rows"][ids[0]][:3] == [None, None, None]
    assert "audit:near-duplicates" in found["rows"][ids[0]][3]
    assert sorted(found["view"]) == sorted(ids[:2])
    assert "audit blur" not in found["views"]
    assert "audit.near_duplicates.group" in found["checks"]
    assert fifty(push, root, name="audited", audit=folder).already
    assert fifty(pull, root, None, name="audited", dry_run=True).pending.edits == []  # its tags are no edits
    with pytest.raises(UsageError, match=r"an audit of version other, and \w+ is pushed; audit that one"):
        fifty(push, root, audit=audit(tmp_path / "old", root, "other"))
    with pytest.raises(SourceError, match="no folder that facedata audit -o wrote"):
        fifty(push, root, audit=tmp_path)
