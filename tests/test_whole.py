"""Files and models' folders: never half there, written by one at a time, one line where that cannot be."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from safetensors import SafetensorError
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.datasets.errors import TargetError, lacks_memory
from facedata.datasets.in_place import in_place
from facedata.datasets.record import write_text
from facedata.datasets.whole import whole
from facedata.recipes.checkpoint import publish_tensors


def test_what_a_killed_process_left_is_written_over(tmp_path):
    (tmp_path / ".page.html.tmp").write_text("half of another page, and longer than the whole one")
    write_text(tmp_path / "page.html", "whole")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("page.html", "whole")]


def test_what_fails_leaves_what_stood_there(tmp_path):
    write_text(tmp_path / "page.html", "before")
    with pytest.raises(TypeError), whole(tmp_path / "page.html") as hidden:
        hidden.write_bytes("after")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("page.html", "before")]


def test_two_that_write_one_file_do_so_one_after_the_other(tmp_path):
    path, at_it = tmp_path / "page.html", threading.Event()

    def write(text: str) -> None:
        with whole(path) as hidden, hidden.open("w") as file:
            for letter in text:
                file.write(letter)
                file.flush()
                at_it.set()
                time.sleep(0.02)

    first = threading.Thread(target=write, args=("first",))
    first.start()
    at_it.wait(5)
    write("2nd")
    first.join()
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("page.html", "2nd")]


def test_a_model_is_trained_by_one_run_at_a_time(tmp_path):
    target = tmp_path / "model"
    said = rf"process {os.getpid()} on .* is writing to {target} already; wait for it, or choose another -o"
    with in_place(target), pytest.raises(TargetError, match=said), in_place(target):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_under_safetensors_is_one_line(tmp_path):
    error = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    said = "No space left on device; free some space and go on with --resume"
    with pytest.raises(TargetError, match=said), in_place(tmp_path / "model"):
        raise error
    with pytest.raises(SafetensorError, match="header"), in_place(tmp_path / "model"):
        raise SafetensorError("Error while deserializing header: HeaderTooLarge")


def test_what_was_begun_by_a_run_that_was_killed_goes(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / ".training.json.tmp").write_text("{")
    with in_place(tmp_path / "model"):
        assert list((tmp_path / "model").iterdir()) == []


def test_equal_models_have_equal_bytes(tmp_path):
    found = set()
    for number in range(8):  # the order of two keys was one of two, anew each time
        (root := tmp_path / str(number)).mkdir()
        publish_tensors(root, "model.safetensors", {"b": torch.ones(2), "a": torch.zeros(3)}, {"recipe": "x"})
        found.add((root / "model.safetensors").read_bytes())
    assert len(found) == 1
    assert "weights" in json.loads((tmp_path / "0" / "training.json").read_text())


def test_a_lack_of_memory_is_known_in_everybodys_words():
    assert lacks_memory(MemoryError())
    assert lacks_memory(
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")
    )
    assert lacks_memory(RuntimeError("can't start new thread"))
    assert not lacks_memory(OSError(errno.ENOSPC, "No space left on device"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "a.html"),
            "a.html: No space left on device; mend that",
        ),
        (OSError(errno.EIO, "Input/output error"), "the system says: Input/output error; mend that"),
        (RuntimeError("could not create a primitive"), "not enough memory; give it more"),
    ],
)
def test_what_the_machine_refuses_is_one_line(monkeypatch, error, said):
    def refused(*_given, **_named):
        raise error

    monkeypatch.setattr("facedata.curate.report.write_report", refused)
    done = CliRunner().invoke(app, ["report", "set"])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"facedata: {said}")
    assert done.stderr.count("\n") == 1


def test_ctrl_c_on_the_way_out_ends_without_a_word():
    late = "import atexit, os, signal, time; atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), "
    late += "time.sleep(20))); from facedata.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", late, "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    assert done.stdout.startswith("facedata ")
