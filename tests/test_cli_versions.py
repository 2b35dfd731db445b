"""The verbs on versions, from their arguments to their exit codes."""

from __future__ import annotations

import contextlib
import json
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest
from test_validate import edit_record
from typer.testing import CliRunner, Result

from facedata.cli.main import app


def facedata(*arguments, cwd, code=0) -> Result:
    """Run the command in this process: test_cli.py starts real ones, and shows that the two are the same."""
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, f"exit {done.exit_code}\n{done.stdout}\n{done.stderr}\n{done.exception!r}"
    return done


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Demo faces, and attacks made of them on two seeds."""
    root = tmp_path_factory.mktemp("shelf")
    facedata("ingest", "demo", "-o", "faces", "--identities", 4, "--pictures", 1, "--size", 64, cwd=root)
    for name, seed in (("one", 1), ("two", 2)):
        command = ["augment", "faces", "-o", name, "--policy", "fas-aug", "--variants", 2, "--seed", seed]
        facedata(*command, "--no-cache", cwd=root)
    return root


@pytest.fixture
def place(shelf, tmp_path):
    shutil.copytree(shelf, tmp_path, dirs_exist_ok=True)
    return tmp_path


def rebuilt(name, cwd, *arguments, code=0):
    return json.loads(facedata("rebuild", name, "--json", *arguments, cwd=cwd, code=code).stdout)


def test_every_verb_is_rebuilt_from_its_record(place):
    def run(*arguments):
        return json.loads(facedata(*arguments, "--json", cwd=place).stdout)

    split = ["--ratios", "train=0.5,test=0.5", "--stratify", "label", "--seed", 4]
    assert run("split", "one", "-o", "s", *split)["got"] == {"train": 0.5, "test": 0.5}
    assert run("filter", "s", 'label == "spoof" and split == "train"', "-o", "f")["rows"] > 0
    assert run("merge", "f", "s", "-o", "m", "--layout", "shards")["shared"] > 0
    assert run("sample", "m", 6, "-o", "p", "--by", "label")["rows"] == 6
    sid = pd.read_parquet(place / "m" / "samples.parquet").query("parent_id.isnull()").sample_id.iloc[0]
    (place / "e.csv").write_text(f"sid,field,old,new\n{sid},attributes.note,,checked\n")
    assert run("edit", "m", "e.csv", "-o", "e")["edited_rows"] == 1
    for name in ("faces", "one", "s", "f", "m", "p", "e"):
        found = rebuilt(name, place)
        assert found["same"], (name, found)
        assert found["path"] is None
    assert not [path for path in place.iterdir() if path.name.startswith(".") and path.name != ".facedata"]
    tree = facedata("log", "e", cwd=place).stdout
    for words in ("merge", "split --seed 4", "augment --seed 1", "kind demo", "4 source files", "(as above)"):
        assert words in tree


def test_the_same_folder_or_list_gives_the_same(faces, tmp_path):
    (tmp_path / "list.csv").write_text("path,label\nfaces/live/ada 0.jpg,live\nfaces/spoof/print/p1.jpg,1\n")
    facedata(
        "ingest", "list", "list.csv", "-o", "l", "--label-map", "spoof=1", "--name", "mine", cwd=tmp_path
    )
    facedata("ingest", "folder", "faces", "-o", "d", "--split", "train", cwd=tmp_path)
    command = ["augment", "faces", "-o", "a", "--policy", "fas-aug", "--variants", 1, "--originals", "drop"]
    facedata(*command, "--truth", "masks", "--format", "png", "--max-pixels", 1, cwd=tmp_path)
    for name in ("l", "d", "a"):
        assert rebuilt(name, tmp_path)["same"]
    (tmp_path / "faces").rename(tmp_path / "moved")
    done = facedata("rebuild", "d", cwd=tmp_path, code=2)
    assert "it was read from 'faces', which was not found; give its folder" in done.stderr
    assert rebuilt("d", tmp_path, "--input", "moved", "-o", "again")["path"] == "again"
    assert (tmp_path / "again" / "dataset.json").is_file()


def test_inputs_are_found_by_version_and_asked_for_by_name(place):
    (place / "store").mkdir()
    (place / "faces").rename(place / "store" / "old faces")
    facedata("ingest", "demo", "-o", "faces", "--identities", 2, "--pictures", 1, "--size", 64, cwd=place)
    done = facedata("rebuild", "one", cwd=place, code=2)
    assert "it was made from faces, version" in done.stderr
    assert "faces is version" in done.stderr
    assert rebuilt("one", place, "--input", "store")["same"]
    assert rebuilt("one", place, "--input", "store/old faces", "--engine", "serial")["same"]


def test_the_first_difference_is_named(place):
    """A row that was changed by hand, and a record that names another library."""
    path = place / "one" / "samples.parquet"
    table = pq.read_table(path)
    column = table["subject"].to_pylist()
    column[2] = "somebody else"
    index = table.schema.get_field_index("subject")
    pq.write_table(table.set_column(index, table.schema.field("subject"), [column]), path)
    edit_record(place / "one", lambda record: record.update(version="0" * 32))
    edit_record(place / "one", lambda record: record["libraries"].update(numpy="1.0"))
    found = rebuilt("one", place, code=4)
    sid = table["sample_id"][2].as_py()
    assert not found["same"]
    assert f"1 samples are relabelled, the first {sid}: subject differ" in found["first"]
    assert "numpy 1.0 made it" in found["first"]


def test_a_verb_that_nobody_knows_is_refused(place):
    edit_record(place / "one", lambda record: record.update(verb="conjure"))
    done = facedata("rebuild", "one", cwd=place, code=2)
    assert "made by 'conjure', which cannot be rebuilt; there are ingest, join, augment" in done.stderr


def test_diff_speaks_and_has_its_exit_code(place):
    same = facedata("diff", "one", "one", cwd=place)
    assert "every row, picture and instruction record" in same.stdout
    done = facedata("diff", "one", "two", "--picture", "d.png", cwd=place, code=4)
    assert "redrawn     8  (same variant of the same parent, drawn anew)" in done.stdout
    assert "made by     seed: 1 -> 2" in done.stdout
    assert (place / "d.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(facedata("diff", "one", "two", "--json", cwd=place, code=4).stdout)
    assert (found["same"], found["unchanged"], found["redrawn"]["samples"]) == (False, 4, 8)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["filter", "one", "lable == 1", "-o", "x"], 2, "did you mean 'label'"),
        (["filter", "one", '__import__("os")', "-o", "x"], 2, "is no function here"),
        (["filter", "one", "width < 0", "-o", "x"], 1, "leaves no row"),
        (["filter", "one", "true", "-o", "one/x"], 2, "lies in the input"),
        (["filter", "nothing", "true", "-o", "x"], 1, "is no folder"),
        (["merge", "one", "one", "-o", "x"], 2, "name each once"),
        (["split", "one", "-o", "x"], 2, "either --ratios or --protocol"),
        (["split", "one", "-o", "x", "--protocol", "ocim-o"], 2, "needs rows of the domain 'casia-fasd'"),
        (["split", "one", "-o", "x", "--ratios", "a=1", "--hold-out", "0.5"], 2, "--hold-out goes with"),
        (["split", "one", "-o", "x", "--protocol", "p.yaml", "--stratify", "label"], 2, "--stratify goes"),
        (["sample", "one", "99", "-o", "x"], 2, "99 rows are asked for, and there are 12"),
        (["edit", "one", "none.csv", "-o", "x"], 1, "none.csv cannot be read"),
        (["diff", "one", "nothing"], 1, "is no folder"),
        (["log", "nothing"], 1, "is no folder"),
        (["rebuild", "one", "--input", "nothing"], 1, "nothing does not exist"),
    ],
)
def test_mistakes_are_one_line(shelf, arguments, code, words):
    done = facedata(*arguments, cwd=shelf, code=code)
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (shelf / "x").exists()


def test_protocols_are_listed(shelf):
    text = facedata("split", "--list", cwd=shelf).stdout
    assert "ocim-o" in text
    assert "limited-mi-c" in text
    assert "test on OULU-NPU" in text
