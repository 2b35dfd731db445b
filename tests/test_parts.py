"""What a stopped run left is not trusted: parts that were damaged since are made again."""

from __future__ import annotations

import shutil

import pytest
from conftest import jpeg
from engine_tasks import Invert
from version_trees import make, sound

from facedata.datasets import engine as engine_module
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.record import write_text
from facedata.datasets.versions import derive
from facedata.datasets.versions.derive import Writing
from facedata.datasets.versions.filter import filter_rows


def stopped(faces, target, layout, monkeypatch, moment="write_card"):
    """A run that was stopped once all its parts were made."""

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(engine_module, moment, stop)
        with pytest.raises(KeyboardInterrupt):
            make(faces, target, layout=layout)
    return target.with_name(f".{target.name}.partial")


@pytest.mark.parametrize("change", [lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda _: b"", None])
@pytest.mark.parametrize(
    ("layout", "victim"),
    [
        ("files", "parts/*/part.json"),
        ("files", "parts/*/rows.parquet"),
        ("files", "parts/*/seal"),
        ("files", "parts/*/images/*/*"),
        ("shards", "parts/*/shards/*"),
    ],
)
def test_a_part_that_was_damaged_is_made_again(faces, tmp_path, monkeypatch, layout, victim, change):
    make(faces, tmp_path / "whole", layout=layout)
    partial = stopped(faces, tmp_path / "out", layout, monkeypatch, "assemble")
    path = next(iter(sorted(partial.glob(victim))))
    path.unlink() if change is None else path.write_bytes(change(path.read_bytes()))
    seen = []
    source = open_input(faces, Reading())
    options = Options(layout=layout, resume=True, progress=lambda done, total: seen.append(done))
    made = run("test", Invert(), source, tmp_path / "out", 0, options)
    assert made.record == Dataset.open(tmp_path / "whole").record
    assert 0 <= seen[0] < 12, "the damaged part is not counted as done"
    assert sound(tmp_path / "out")


def test_pictures_that_are_in_place_already_are_looked_at_too(faces, tmp_path, monkeypatch):
    partial = stopped(faces, tmp_path / "out", "files", monkeypatch)
    pictures = sorted((partial / "dataset" / "images").rglob("*.jpg"))
    assert len(pictures) == 12, "moved out of the parts"
    pictures[3].write_bytes(jpeg(99))
    (partial / "dataset" / ".README.md.4711.tmp").write_text("half a ca")
    (partial / "dataset" / ".facedata-4711").mkdir()  # scratch files
    (partial / "dataset" / ".facedata-4711" / "0").write_bytes(b"rows")
    run("test", Invert(), open_input(faces, Reading()), tmp_path / "out", 0, Options(resume=True))
    assert sound(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


def test_a_version_carries_its_pictures_again(faces, tmp_path, monkeypatch):
    make(faces, tmp_path / "a")
    filter_rows(tmp_path / "a", "true", tmp_path / "whole")

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(derive, "write_card", stop)
        with pytest.raises(KeyboardInterrupt):
            filter_rows(tmp_path / "a", "true", tmp_path / "out")
    partial = tmp_path / ".out.partial"
    next((partial / "dataset" / "images").rglob("*.jpg")).write_bytes(b"cut")
    (rows,) = partial.glob("parts/*/rows.parquet")
    data = bytearray(rows.read_bytes())
    data[len(data) // 2] ^= 1
    rows.write_bytes(data)
    filter_rows(tmp_path / "a", "true", tmp_path / "out", Writing(resume=True))
    shutil.move(tmp_path / "out" / "README.md", tmp_path / "card")  # it tells the name of its folder
    shutil.move(tmp_path / "whole" / "README.md", tmp_path / "card")
    trees = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "out", tmp_path / "whole")
    ]
    assert trees[0] == trees[1]


def test_a_text_that_cannot_be_written_leaves_no_half_of_it(tmp_path):
    (tmp_path / "text").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_text(tmp_path / "text", "words")
    assert [path.name for path in tmp_path.iterdir()] == ["text"]
