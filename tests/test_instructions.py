"""Instruction records in datasets: written, carried by the verbs, validated, compared and exported."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from version_trees import listed, sound

from facedata.annotate.run import Tally
from facedata.annotate.write import check_target, write_annotated
from facedata.curate import report_records
from facedata.curate.report import write_report
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.errors import TargetError, UsageError
from facedata.datasets.exports.chat import MsSwift, QwenVl
from facedata.datasets.exports.run import export
from facedata.datasets.exports.taken import Taken
from facedata.datasets.instructions import (
    ImageReference,
    Part,
    Provenance,
    Record,
    Turn,
    read_records,
    record_id,
    to_table,
)
from facedata.datasets.sample import Sample
from facedata.datasets.validate import validate
from facedata.datasets.versions.derive import Writing
from facedata.datasets.versions.diff import diff
from facedata.datasets.versions.filter import filter_rows
from facedata.datasets.versions.merge import merge

LABELS = ["live", "live", "live", "spoof"]


def record(sample, task="coarse", text="A face <image> in the box [1.0, 2.0, 3.0, 4.5].", status="accept"):
    image = ImageReference(
        sha256=sample.content_hash, path=sample.image, width=sample.width, height=sample.height
    )
    asked = "Is it live? Give boxes as [x, y, width, height] in pixels."
    turns = (
        Turn(role="user", content=(Part(type="image", image=image), Part(type="text", text=asked))),
        Turn(role="assistant", content=(Part(type="text", text=text),)),
    )
    made = Provenance(
        task_version=1, template="t", response_schema="s", provider="rules", model="rules", request="r"
    )
    return Record(
        record_id=record_id(sample.sample_id, task, 1, "r"),
        sample_id=sample.sample_id,
        task=task,
        messages=turns,
        structured={"label": sample.label, "regions": [{"name": "nose", "box": [1.0, 2.0, 3.0, 4.5]}]},
        evidence={"label": {"value": sample.label}},
        provenance=made,
        status=status,
    )


def written(source, target, **values):
    dataset = Dataset.open(source)
    records = sorted((record(one, **values) for one in dataset), key=lambda one: one.record_id)
    return write_annotated(dataset, records, target, {}, 0, Options(), Tally(unanswered=1)).root


@pytest.fixture
def plain(tmp_path):
    return listed(tmp_path / "faces", "label", LABELS, tmp_path / "plain", variants=0)


@pytest.fixture
def asked(plain, tmp_path):
    return written(plain, tmp_path / "asked")


def test_the_version_covers_the_records_and_the_dataset_is_sound(plain, asked, tmp_path):
    assert sound(asked)
    counts = Dataset.open(asked).record.counts
    assert counts.instructions == {"coarse": {"accept": 4}}
    assert "1 questions have no answer" in Dataset.open(asked).record.notes[0]
    again = written(plain, tmp_path / "again")
    assert Dataset.open(again).version == Dataset.open(asked).version != Dataset.open(plain).version
    assert (again / "instructions.parquet").read_bytes() == (asked / "instructions.parquet").read_bytes()
    other = written(plain, tmp_path / "other", text="Another answer.")
    assert Dataset.open(other).version != Dataset.open(asked).version
    found = diff(asked, other)
    assert (found.instructions.changed, found.instructions.added, found.same) == (4, 0, False)


def test_a_record_hash_is_of_all_but_where_its_picture_lies(asked):
    for one in read_records(asked):
        plain = one.model_dump(mode="json", exclude_none=True)
        del plain["messages"][0]["content"][0]["image"]["path"]
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert one.record_hash() == hashlib.sha256(text.encode()).hexdigest()
        assert one.record_hash() == record(one_of(asked, one)).record_hash()


def one_of(root, found):
    return next(sample for sample in Dataset.open(root) if sample.sample_id == found.sample_id)


def test_records_of_the_parent_stay_and_a_new_answer_takes_its_place(asked, tmp_path):
    more = written(asked, tmp_path / "more", task="fine")
    assert Dataset.open(more).record.counts.instructions == {"coarse": {"accept": 4}, "fine": {"accept": 4}}
    anew = written(more, tmp_path / "anew", text="No.")
    texts = {(one.task, one.messages[1].text()) for one in read_records(anew)}
    assert ("coarse", "No.") in texts
    assert len(texts) == 2
    assert sound(anew)


@pytest.mark.parametrize("layout", ["files", "shards"])
def test_records_go_along_with_their_samples(asked, tmp_path, layout):
    spoofs = filter_rows(asked, "label == 'spoof'", tmp_path / "spoofs", Writing(layout=layout)).root
    assert [one.structured["label"] for one in read_records(spoofs)] == ["spoof"]
    assert sound(spoofs)  # the references of the records are those of the new layout
    lives = filter_rows(asked, "label == 'live'", tmp_path / "lives").root
    whole = merge([spoofs, lives], tmp_path / "whole", writing=Writing(layout="files")).root
    assert sound(whole)
    assert Dataset.open(whole).version == Dataset.open(asked).version


def test_records_that_differ_are_settled_by_prefer_or_refused(plain, asked, tmp_path):
    other = written(plain, tmp_path / "other", text="Other.")
    with pytest.raises(UsageError, match="choose with --prefer"):
        merge([asked, other], tmp_path / "merged")
    merged = merge([asked, other], tmp_path / "merged", prefer="last").root
    assert {one.messages[1].text() for one in read_records(merged)} == {"Other."}


def test_validate_names_what_was_changed(asked):
    records = list(read_records(asked))
    strange = records[0].model_copy(update={"sample_id": "0" * 32})
    pq.write_table(to_table([strange, *records[1:]]), asked / "instructions.parquet")
    checks = {finding.check for finding in validate(asked).findings}
    assert checks == {"instruction-id", "instruction-sample", "version"}


def test_the_target_is_looked_at_before_anything_is_asked(asked, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("mine")
    for target in (tmp_path / "mine", asked):
        with pytest.raises((TargetError, UsageError)):
            check_target(Dataset.open(asked), target, Options(overwrite=True))


def entries(root, kind):
    path = next(root.glob("train.json*"))
    text = path.read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)


@pytest.mark.parametrize("kind", ["llava", "llama-factory", "qwen-vl", "sharegpt"])
def test_every_image_has_its_mark_and_answers_have_none(asked, tmp_path, kind):
    root = export(asked, tmp_path / "out", kind).root
    found = entries(root, kind)
    assert len(found) == 4
    for one in found:
        paths = one.get("images") or [one["image"]]
        turns = one["conversations"]
        assert [turn["from"] for turn in turns] == ["human", "gpt"]
        assert sum(turn["value"].count("<image>") for turn in turns) == len(paths) == 1
        assert "<image>" not in turns[1]["value"]
        with Image.open(root / paths[0]) as picture:
            picture.verify()
        corners = "[1, 2, 4, 6]" in turns[1]["value"] and "[x1, y1, x2, y2]" in turns[0]["value"]
        assert corners == (kind == "qwen-vl")
    if kind == "llama-factory":
        info = json.loads((root / "dataset_info.json").read_text())["facedata_train"]
        assert set(info["columns"].values()) <= set(found[0])
        assert (root / info["file_name"]).is_file()


def test_ms_swift_has_a_mark_for_each_box_in_corners(asked, tmp_path):
    for one in entries(export(asked, tmp_path / "out", "ms-swift").root, "ms-swift"):
        text = "".join(message["content"] for message in one["messages"])
        assert text.count("<image>") == len(one["images"])
        assert text.count("<bbox>") == len(one["objects"]["bbox"]) == 1
        assert text.count("<ref-object>") == len(one["objects"]["ref"])
        assert one["objects"]["bbox"][0] == [1.0, 2.0, 4.0, 6.5]
        assert not re.search(r"\[x, y", text)


def test_ms_swift_names_the_boxes_that_the_text_names():
    text = (
        "Brows [1, 2, 3, 4]: they rise.\nMouth [5, 6, 7, 8]: it rests. See [9, 9, 9, 9] and at [1, 2, 3, 4]."
    )
    regions = [{"name": "brows", "box": [1, 2, 3, 4]}, {"name": "mouth", "box": [5.0, 6, 7, 8]}]
    sample = Sample(sample_id="a" * 32, image="a.png", content_hash="0" * 64, width=9, height=9)
    one = record(sample, text=text).model_copy(update={"structured": {"regions": regions}})
    found = MsSwift().conversation(one, ["a.png"])
    told = found["messages"][-1]["content"]
    assert told == (
        "<ref-object> <bbox>: they rise.\n<ref-object> <bbox>: it rests. See [9, 9, 9, 9] and at <bbox>."
    )
    assert found["objects"]["ref"] == ["Brows", "Mouth"]
    assert found["objects"]["bbox"] == [[1, 2, 4, 6], [5, 6, 12, 14], [1, 2, 4, 6]]
    # put back, the names give the text again
    assert told.replace("<ref-object>", "Brows", 1).startswith("Brows <bbox>")
    qwen = QwenVl().conversation(one, ["a.png"])["conversations"][-1]["value"]
    assert qwen.startswith("Brows [1, 2, 4, 6]: they rise.\nMouth [5, 6, 12, 14]")


def test_the_index_of_an_export_keeps_what_it_is_told():
    with Taken() as taken:
        taken.add_samples([("s1", "train"), ("s2", "test")])
        assert (taken.split_of("s1"), taken.split_of("s3")) == ("train", None)
        for number, (answer, word) in enumerate([("a", 3), ("a", 1), ("a", 2**64 - 1), ("b", 5), (None, 0)]):
            taken.take(f"r{number}", "s1", "train", "task", answer, word)
        # of three `a` the one with the smallest word stays beside the one `b`; what is of no class all stays
        assert taken.balance() == [("train", "task", "a", 2, 3)]
        assert taken.close() == 3
        taken.put("s1", "images/x.png")
        assert taken.has_path("images/x.png")
        assert not taken.has_path("images/y.png")
        assert [taken.place(f"r{number}") is not None for number in range(5)] == [
            False,
            True,
            False,
            True,
            True,
        ]
        assert taken.place("r1") == ("train", "images/x.png")
        assert (taken.wants("s1"), taken.wants("s2")) == (True, False)
        folder = Path(taken._folder.name)
        assert folder.is_dir()
    assert not folder.exists()


def test_trl_reads_typed_parts_and_pictures(asked, tmp_path):
    import datasets

    root = export(asked, tmp_path / "out", "trl").root
    rows = datasets.load_dataset(
        "json", data_files=str(root / "train.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    rows = rows.map(lambda row: {"images": [str(root / path) for path in row["images"]]})
    rows = rows.cast_column("images", datasets.List(datasets.Image()))
    types = [part["type"] for message in rows[0]["messages"] for part in message["content"]]
    assert types == ["image", "text", "text"]
    assert len(rows[0]["images"]) == 1
    assert rows[0]["images"][0].size[0] > 0


def test_balance_keeps_as_many_of_each_answer_and_says_what_it_left_out(asked, tmp_path):
    done = export(asked, tmp_path / "out", "llava", choices={"balance": "true", "seed": "3"})
    assert done.rows == {"train": 2}
    assert done.notes == ["balance: 2 of 3 'live' of coarse in train are left out"]
    again = export(asked, tmp_path / "again", "llava", choices={"balance": "true", "seed": "3"})
    assert entries(again.root, "llava") == entries(done.root, "llava")


def test_only_what_is_asked_for_leaves(plain, tmp_path):
    doubted = written(plain, tmp_path / "doubted", status="review")
    with pytest.raises(UsageError, match="--status"):
        export(doubted, tmp_path / "out", "llava")
    done = export(doubted, tmp_path / "out", "llava", choices={"status": "review", "images": "none"})
    assert done.rows == {"train": 4}
    assert not (done.root / "images").exists()
    with pytest.raises(UsageError, match="has no instructions"):
        export(plain, tmp_path / "none", "llava")


def test_the_report_shows_records_and_escapes_their_text(plain, tmp_path):
    asked = written(plain, tmp_path / "asked", text="<script>alert(1)</script> it is live")
    write_report(asked, tmp_path / "page.html", records=2)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count('<div class="record ') == 2
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_report_draws_the_boxes_and_tells_evidence_in_lines(plain, tmp_path):
    asked = written(plain, tmp_path / "asked")
    (first,) = [one for one in read_records(asked)][:1]
    units = [{"au": 4, "says": ["unsaid"], "name": "brow lowerer"}, {"au": 12, "side": "left"}]
    evidence = {"aus": units, "coded": [4, 12], "boxes": [[0, 1, 2, 3]], "label": {"value": "live"}, "x": []}
    boxed = {"boxes": [[10, 8, 20, 24], [5, 5, -3, 2]]}
    changed = first.model_copy(update={"evidence": evidence, "structured": boxed})
    shown = report_records._shown(Dataset.open(asked), changed)
    assert shown.evidence.splitlines() == [
        "aus:",
        "  au 4, name brow lowerer",
        "  au 12, side left",
        "coded: 4, 12",
        "boxes: [0, 1, 2, 3]",
        "label: value live",
        "x: -",
    ]
    pictures = {}
    for name, one in (("plain", first.model_copy(update={"structured": {}})), ("boxed", changed)):
        address = report_records._shown(Dataset.open(asked), one).picture
        data = base64.b64decode(address.split(",")[1])
        pictures[name] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    changes = np.abs(pictures["boxed"] - pictures["plain"]).sum(2) > 100
    rows, columns = np.nonzero(changes)
    assert (columns.min(), rows.min()) == pytest.approx((10, 8), abs=2)
    assert (columns.max(), rows.max()) == pytest.approx((29, 31), abs=2)
    assert not changes[14:26, 16:24].any()  # a frame, not a patch
