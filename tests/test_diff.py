"""diff: what differs is named for what it is, and a rebuilt dataset differs only in what was changed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from conftest import jpeg
from PIL import Image
from test_derive import rewrite
from version_trees import by_file, make, samples

from facedata.augment.run import augment
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.ingest import ingest
from facedata.datasets.inputs import Reading
from facedata.datasets.sample import SCHEMA, Sample, Source, to_table
from facedata.datasets.versions import align
from facedata.datasets.versions.diff import KINDS, diff
from facedata.datasets.versions.diff_sheet import write_diff_sheet
from facedata.datasets.versions.filter import filter_rows
from facedata.datasets.versions.match import KEPT, kept_columns, matched
from facedata.datasets.versions.merge import merge


def counts(found) -> dict[str, int]:
    numbers = {kind: found.changes[kind].samples for kind in KINDS}
    numbers |= {"added": found.added.total(), "removed": found.removed.total(), "unchanged": found.unchanged}
    return {name: number for name, number in numbers.items() if number}


def test_a_dataset_rebuilt_on_another_seed_worker_count_and_folder(faces, tmp_path):
    """Workers and place change nothing, and of another seed the diff says just what it changed."""

    def made(place, seed, variants=2, **options):
        here = tmp_path / place
        shutil.copytree(faces, here / "faces")
        ingest("folder", here / "faces", here / "live", Reading(), Options())
        options = Options(**options)
        augment(here / "live", here / "set", policy="fas-aug", variants=variants, seed=seed, options=options)
        return here / "set"

    one = made("first", 1, layout="files", engine="serial")
    same = made("some/where else", 1, layout="shards", engine="process", workers=2)
    found = diff(one, same)
    assert found.same
    assert counts(found) == {"unchanged": 36}
    assert found.record == []
    assert found.versions[0] == found.versions[1]

    other = made("third", 2, variants=3)
    found = diff(one, other)
    assert not found.same
    assert counts(found) == {"unchanged": 12, "redrawn": 24, "added": 12}
    redrawn = found.changes["redrawn"]
    assert redrawn.fields["seed"] == 24
    assert not set(redrawn.fields) - {"content_hash", "label", "attack", "operator", "parameters", "seed"}
    assert [(c["field"], c["before"], c["after"]) for c in found.record] == [
        ("parameters.variants", 2, 3),
        ("seed", 1, 2),
    ]
    # what became of the labels, counted by hand over parent and variant
    rows = [
        {(s.parent_id, s.variant): s.label for s in samples(root) if s.parent_id} for root in (one, other)
    ]
    changed = [(rows[0][key], rows[1][key]) for key in rows[0] if rows[0][key] != rows[1][key]]
    table = redrawn.became.get("label", {})
    assert {pair: changed.count(pair) for pair in changed} == dict(table)
    assert redrawn.fields.get("label", 0) == len(changed)


def test_relabelled_rows_say_which_fields_and_from_what_to_what(faces, tmp_path):
    make(faces, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")

    def relabel(rows):
        live = [row for row in rows if row["label"] == "live"]
        for row in live[:5]:
            row.update(label="spoof", attack="mask")
        live[6].update(split="test", valence=0.5)

    rewrite(tmp_path / "b", relabel)
    found = diff(tmp_path / "a", tmp_path / "b")
    assert counts(found) == {"unchanged": 30, "relabelled": 6}
    change = found.changes["relabelled"]
    assert dict(change.fields) == {"label": 5, "attack": 5, "split": 1, "valence": 1}
    assert {name: dict(table) for name, table in change.became.items()} == {
        "label": {("live", "spoof"): 5},
        "attack": {(None, "mask"): 5},
        "split": {(None, "test"): 1},
    }
    changed = [row.sample_id for row in samples(tmp_path / "b") if row.attack == "mask"]
    assert change.examples[:5] == [(sid, sid) for sid in changed]
    assert not found.same  # though the records still state one version


def test_other_pixels_of_the_same_sample_are_rerendered(faces, tmp_path):
    make(faces, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    rewrite(tmp_path / "b", lambda rows: rows[3].update(content_hash="0" * 64))
    found = diff(tmp_path / "a", tmp_path / "b")
    assert counts(found) == {"unchanged": 35, "rerendered": 1}
    assert dict(found.changes["rerendered"].fields) == {"content_hash": 1}


def test_added_and_removed_are_counted_by_label_and_attack(faces, tmp_path):
    make(faces, tmp_path / "a")
    filter_rows(tmp_path / "a", 'label == "live"', tmp_path / "b")
    found = diff(tmp_path / "a", tmp_path / "b")
    assert counts(found) == {"unchanged": 24, "removed": 12}
    assert dict(found.removed) == {"spoof print": 12}
    back = diff(tmp_path / "b", tmp_path / "a")
    assert dict(back.added) == {"spoof print": 12}
    assert len(back.examples["added"]) == 8


def test_a_replaced_and_a_moved_file_take_their_variants_along(faces, tmp_path):
    make(faces, tmp_path / "a")
    (faces / "live" / "ada 1.jpg").write_bytes(jpeg(77))
    (faces / "live" / "ada 2.jpg").rename(faces / "live" / "eve 2.jpg")
    make(faces, tmp_path / "b")
    found = diff(tmp_path / "a", tmp_path / "b")
    assert counts(found) == {"unchanged": 30, "replaced": 2, "redrawn": 4}
    assert dict(found.changes["replaced"].fields) == {"source": 2, "content_hash": 1}
    # of the moved file the variants show the same pixels: only their parent has another id
    assert dict(found.changes["redrawn"].fields) == {"parent_id": 4, "source": 4, "content_hash": 2}
    old, new = (by_file(tmp_path / n) for n in "ab")
    pairs = {
        (old["live/ada 1.jpg"].sample_id, new["live/ada 1.jpg"].sample_id),
        (old["live/ada 2.jpg"].sample_id, new["live/eve 2.jpg"].sample_id),
    }
    assert set(found.changes["replaced"].examples) == pairs


def test_branches_of_two_policies_are_not_confused(faces, tmp_path):
    """In a merge of two policies a parent has a variant 0 of each: each is matched with its own."""
    for seed in (1, 2):
        for policy in ("fas-aug", "exact"):
            path = policy if policy == "fas-aug" else str(tmp_path / "exact.yaml")
            (tmp_path / "exact.yaml").write_text(
                "name: exact\nchains:\n  - steps:\n      - operator: low-resolution\n"
            )
            augment(
                faces, tmp_path / f"{policy}{seed}", policy=path, variants=1, seed=seed, options=Options()
            )
        merge([tmp_path / f"{policy}{seed}" for policy in ("fas-aug", "exact")], tmp_path / f"m{seed}")
    found = diff(tmp_path / "m1", tmp_path / "m2")
    assert counts(found) == {"unchanged": 12, "redrawn": 24}
    one, two = ({s.sample_id: s for s in samples(tmp_path / n)} for n in ("m1", "m2"))
    for before, after in found.changes["redrawn"].examples:
        assert one[before].parameters["policy"] == two[after].parameters["policy"]
    pure = diff(tmp_path / "m1", tmp_path / "fas-aug1")
    assert counts(pure) == {"unchanged": 24, "removed": 12}


def test_matching_pairs_each_row_once():
    def rows(*specs):
        made = [
            Sample(
                **{"image": "x", "content_hash": "0", "width": 1, "height": 1, "sample_id": sid},
                parent_id=parent,
                variant=variant,
                source=Source(dataset="d", file=file),
            )
            for sid, parent, variant, file in specs
        ]
        table = to_table(made)
        import pyarrow as pa

        return pa.table(kept_columns(table))

    a = rows(("a1", None, None, "f"), ("a2", "a1", 0, "f"), ("a3", "a2", 0, "f"), ("a4", "gone", 1, "f"))
    b = rows(("b1", None, None, "f"), ("b2", "b1", 0, "f"), ("b3", "b2", 0, "f"), ("b4", "other", 1, "f"))
    assert set(a.column_names) == set(KEPT)
    assert sorted(map(tuple, matched(a, b).tolist())) == [(0, 0), (1, 1), (2, 2)]
    twice = rows(("c1", "p", 0, "f"), ("c2", "p", 0, "f"), ("c3", "p", 0, "f"))
    again = rows(("d1", "p", 0, "f"), ("d2", "p", 0, "f"))
    assert sorted(map(tuple, matched(twice, again).tolist())) == [(0, 0), (1, 1)]
    lonely = rows(("e", "q", 0, "f"))
    assert matched(lonely.slice(0, 0), lonely).shape == (0, 2)


def test_the_result_does_not_depend_on_where_tables_end(faces, tmp_path, monkeypatch):
    make(faces, tmp_path / "a")
    filter_rows(tmp_path / "a", 'label == "live"', tmp_path / "b")
    rewrite(tmp_path / "b", lambda rows: [row.update(subject="x") for row in rows[::3]])
    whole = diff(tmp_path / "a", tmp_path / "b").to_json()
    for size in (1, 2, 5):
        monkeypatch.setattr(align, "TABLE_ROWS", size)
        part = diff(tmp_path / "a", tmp_path / "b").to_json()
        assert part == whole


def test_the_result_is_json(faces, tmp_path):
    make(faces, tmp_path / "a")
    make(faces, tmp_path / "b", variants=1, domain="x")
    found = json.loads(json.dumps(diff(tmp_path / "a", tmp_path / "b").to_json()))
    assert (found["same"], found["removed"]["samples"], found["relabelled"]["samples"]) == (False, 12, 24)


def test_diff_reads_no_picture(faces, tmp_path):
    make(faces, tmp_path / "a")
    make(faces, tmp_path / "b", variants=1)
    for name in "ab":
        shutil.rmtree(tmp_path / name / "images")
    assert counts(diff(tmp_path / "a", tmp_path / "b")) == {"unchanged": 24, "removed": 12}


def test_every_field_of_a_row_can_differ(faces, tmp_path):
    """Of rows of one id, and of rows that are matched: no field is forgotten."""
    make(faces, tmp_path / "a", variants=1)
    for name in SCHEMA.names:
        if name in ("image", "sample_id"):
            continue
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        rewrite(tmp_path / "b", lambda rows, name=name: rows[0].update({name: OTHER[name]}))
        found = diff(tmp_path / "a", tmp_path / "b")
        fields = {field for change in found.changes.values() for field in change.fields}
        assert fields == {name}, name


OTHER = {
    **dict.fromkeys(["content_hash", "split", "subject", "domain", "label", "attack", "expression"], "other"),
    **dict.fromkeys(["parent_id", "operator"], "other"),
    **dict.fromkeys(["width", "height", "variant", "seed"], 99),
    **dict.fromkeys(["valence", "arousal", "confidence"], 0.125),
    **dict.fromkeys(["parameters", "attributes"], '{"other":1}'),
    "layers": [{"name": "mask", "ref": "r", "content_hash": "c"}],
    "box": [1.0, 2.0, 3.0, 4.0],
    "landmarks": [[1.0, 2.0]],
    "au": [{"au": 12, "intensity": 1.0}],
    "au_domain": [12],
    "source": {"dataset": "other"},
}


@pytest.mark.parametrize("same", [True, False])
def test_the_picture_shows_pairs(faces, tmp_path, same):
    make(faces, tmp_path / "a", variants=1)
    make(faces, tmp_path / "b", variants=1 if same else 2, split="test" if not same else None)
    found = diff(tmp_path / "a", tmp_path / "b")
    write_diff_sheet(tmp_path / "a", tmp_path / "b", found, tmp_path / "out" / "d.png")
    sheet = np.asarray(Image.open(tmp_path / "out" / "d.png"))
    assert sheet.ndim == 3
    if same:
        assert sheet.shape[0] < 60
    else:  # two sections of two rows: relabelled pairs, and added ones of which the left is empty
        assert sheet.shape[0] > 700
        left, right = sheet[60:160, 40:120], sheet[60:160, 200:280]
        assert left.std() > 10
        assert right.std() > 10
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["d.png"]


def test_versions_are_compared_by_rows_and_not_by_what_records_say(faces, tmp_path):
    make(faces, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    record = json.loads((tmp_path / "b" / "dataset.json").read_text())
    record["version"] = "0" * 32
    (tmp_path / "b" / "dataset.json").write_text(json.dumps(record))
    assert diff(tmp_path / "a", tmp_path / "b").same
    assert Dataset.open(tmp_path / "b").version == "0" * 32
