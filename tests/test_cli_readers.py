"""`facedata ingest` of datasets in their authors' layout, as a user runs it."""

from __future__ import annotations

import json

import fas_trees as trees
import pytest
from reader_trees import text, video
from test_cli import facedata
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.datasets.readers.catalogue import READERS


def test_videos_to_a_dataset(tmp_path):
    trees.siw(tmp_path / "siw")
    whole = video(tmp_path / "whole.avi", 30).read_bytes()
    (tmp_path / "siw/Test/spoof/165/165-1-2-1-1.avi").write_bytes(whole[: len(whole) * 6 // 10])
    arguments = [
        "--frames",
        1,
        "--crop",
        "box",
        "--margin",
        0,
        "--faceless",
        "whole",
        "--domain",
        "S",
        "--json",
    ]
    done = facedata("ingest", "siw", "siw", "-o", "out", *arguments, cwd=tmp_path, code=3)
    told = json.loads(done.stdout)
    assert (told["rows"], told["by_label"]) == (4, {"live": 1, "spoof": 3})
    assert told["by_domain"] == {"S": 4}
    assert any(note.startswith("labels: the third number") for note in told["notes"])
    (failure,) = told["failures"]
    assert failure["reason"] in done.stderr
    assert failure["reason"].startswith("Test/spoof/165/165-1-2-1-1.avi: the video ends after")
    record = json.loads((tmp_path / "out/dataset.json").read_text())
    assert record["parameters"] == {
        "kind": "siw",
        "input": "siw",
        "domain": "S",
        "frames": 1,
        "crop": "box",
        "margin": 0.0,
        "faceless": "whole",
    }


def test_the_listing_shows_every_reader_with_its_choices(tmp_path):
    shown = facedata("ingest", "--list", cwd=tmp_path).stdout
    for name in READERS:
        assert name in shown
    assert "--choose live=0|1" in shown
    assert "Train_files/1_1_01_1.avi" in shown


WRONG = {
    "no kind": (["kodak", "x"], 2, "kind 'kodak' is not one of folder, list, demo, oulu-npu"),
    "no path": (["siw"], 2, "ingest siw needs a path"),
    "no such path": (["siw", "nowhere"], 1, "nowhere is no folder; give the one that holds\nSiW_release/"),
    "a choice of no form": (
        ["siw", "x", "--choose", "live"],
        2,
        "--choose 'live' is not of the form NAME=VALUE",
    ),
    "a choice twice": (["siw", "x", "--choose", "a=1", "--choose", "a=2"], 2, "gives a two values"),
    "a label for what has labels": (
        ["siw", "siw", "--label", "live"],
        2,
        "siw states its labels; leave out --label",
    ),
    "frames of a folder": (["folder", "siw", "--frames", "3"], 2, "ingest folder knows no --choose, frames"),
    "no detector": (
        ["siw", "siw", "--crop", "detect", "--detector", "face.onnx"],
        2,
        "--detector 'face.onnx' is neither cascade nor the path of an ONNX file",
    ),
    "into its own input": (["siw", "siw", "-o", "siw/out"], 2, "lies in the input"),
}


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_is_told(tmp_path, monkeypatch, arguments, code, words):
    text(tmp_path / "siw/readme.txt", "x")
    monkeypatch.chdir(tmp_path)
    output = [] if "-o" in arguments else ["-o", "out"]
    done = CliRunner().invoke(app, ["ingest", *arguments, *output])
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.count("facedata: ") == 1
    assert words in done.stderr
    assert not (tmp_path / "out").exists()
