"""Faults of the machine are none of a picture: storage that fails now and then, and too little memory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import cv2
import pytest
from engine_tasks import Invert
from version_trees import make, sound

from facedata.datasets import reading
from facedata.datasets.engine import Options, run
from facedata.datasets.errors import FacedataError, StorageError
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.versions.filter import filter_rows


@pytest.fixture
def storage(monkeypatch):
    """Storage whose reads of one file fail so many times with an error number."""
    told = {"name": "", "times": 0, "errno": 0, "met": 0}
    honest = Path.read_bytes

    def read(path):
        if told["name"] in path.name and told["met"] < told["times"]:
            told["met"] += 1
            raise OSError(told["errno"], os.strerror(told["errno"]), str(path))
        return honest(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    monkeypatch.setattr(reading.time, "sleep", lambda _: None)
    return told


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_storage_that_answers_in_the_end_costs_nothing(faces, tmp_path, storage, number):
    version = run("test", Invert(), open_input(faces, Reading()), tmp_path / "a", 0, Options()).record.version
    storage.update(name="ada 3", times=3, errno=number)
    again = run("test", Invert(), open_input(faces, Reading()), tmp_path / "b", 0, Options())
    assert (again.record.version, again.record.failures, storage["met"]) == (version, [], 3)


def test_a_file_that_goes_on_failing_is_set_aside_and_had_again_once_it_can_be_read(
    faces, tmp_path, storage, monkeypatch
):
    storage.update(name="ada 3", times=99, errno=errno.EIO)
    result = run("test", Invert(), open_input(faces, Reading()), tmp_path / "a", 0, Options())
    assert [(one.place, one.kind) for one in result.record.failures] == [("live/ada 3.jpg", "unreadable")]

    def stop(done, total):
        if done == total:
            raise KeyboardInterrupt

    source = open_input(faces, Reading())
    with pytest.raises(KeyboardInterrupt):
        run("test", Invert(), source, tmp_path / "b", 0, Options(progress=stop))
    storage.update(times=0)
    result = run("test", Invert(), source, tmp_path / "b", 0, Options(resume=True))
    assert result.record.failures == []
    assert sound(tmp_path / "b")


@pytest.mark.parametrize("number", [errno.ESTALE, errno.ENOTCONN, errno.ENFILE])
def test_storage_that_is_gone_ends_the_run_and_blames_no_picture(faces, tmp_path, storage, number):
    make(faces, tmp_path / "set")
    storage.update(name=".jpg", times=10**6, errno=number)
    with pytest.raises(StorageError, match=r"does not answer .*--resume"):
        run("test", Invert(), open_input(faces, Reading()), tmp_path / "a", 0, Options())
    with pytest.raises(StorageError, match=r"does not answer .*--resume"):
        filter_rows(tmp_path / "set", "true", tmp_path / "b")
    storage.update(times=0)
    result = run("test", Invert(), open_input(faces, Reading()), tmp_path / "a", 0, Options(resume=True))
    assert result.record.failures == []


@pytest.mark.parametrize("error", [MemoryError(), cv2.error("Insufficient memory")])
def test_too_little_memory_ends_the_run_and_costs_no_row(faces, tmp_path, error, monkeypatch):
    if isinstance(error, cv2.error):
        error.code = cv2.Error.StsNoMem
    honest = Invert.render

    def render(self, planned, pixels):
        if "ada 3" in planned.recipe[0]:
            raise error
        return honest(self, planned, pixels)

    source = open_input(faces, Reading())
    with monkeypatch.context() as patched:
        patched.setattr(Invert, "render", render)
        with pytest.raises(FacedataError, match=r"live/ada 3.jpg: not enough memory; .*--resume"):
            run("test", Invert(), source, tmp_path / "a", 0, Options())
    result = run("test", Invert(), source, tmp_path / "a", 0, Options(resume=True))
    assert (result.record.counts.rows, result.record.failures) == (36, [])
