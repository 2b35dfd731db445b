"""Two runs on one target: one works, the other is told who does."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading

import pytest
from annotate_parts import facedata, make_dataset, start, write_task
from annotate_servers import Gemini, serving

from facedata.datasets.lock import Held, hold

RACE = """
import json, sys, time
from pathlib import Path
from facedata.datasets.lock import Held, hold
lock, inside = Path(sys.argv[1]), Path(sys.argv[2])
held = met = 0
end = time.monotonic() + 2
while time.monotonic() < end:
    try:
        with hold(lock):
            inside.open("x").close()  # fails where two are inside
            inside.unlink()
            held += 1
    except Held:
        met += 1
print(json.dumps([held, met]))
"""


def test_the_holder_is_named_and_the_lock_goes_with_it(tmp_path):
    with hold(tmp_path / "lock"):
        with pytest.raises(Held) as told, hold(tmp_path / "lock"):
            pass
        assert told.value.holder == f"process {os.getpid()} on {platform.node()}"
    assert not (tmp_path / "lock").exists()
    (tmp_path / "lock").write_text("process 1 on a machine that was switched off")
    with hold(tmp_path / "lock"):
        pass


def test_no_two_hold_it_at_once_though_each_removes_the_file(tmp_path):
    command = [sys.executable, "-c", RACE, str(tmp_path / "lock"), str(tmp_path / "inside")]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    found = [json.loads(process.communicate(timeout=60)[0]) for process in racing]
    assert [process.returncode for process in racing] == [0] * 4
    assert sum(held for held, _ in found) > 100
    assert sum(met for _, met in found) > 0, "they did meet"


def test_a_second_annotate_is_refused_before_anything_is_paid_for(tmp_path, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "k-0123456789")
    make_dataset(tmp_path, 2)
    write_task(tmp_path / "t.yaml")
    asked, release = threading.Event(), threading.Event()
    with serving(Gemini({"label": "live", "words": "So."})) as server:
        usual = server.usual

        def slow(*arguments):
            asked.set()
            assert release.wait(120)
            return usual(*arguments)

        server.usual = slow
        flags = ["--task-file", "t.yaml", "ds", "-o", "out", "--provider", "gemini", "--model", "m"]
        flags += ["--base-url", server.url, "--concurrency", "1"]
        first = start(*flags, cwd=tmp_path)
        assert asked.wait(60)
        before = len(server.asked)
        _, err = facedata(*flags, "--journal", "other.sqlite", cwd=tmp_path, code=1)
        assert f"process {first.pid} on {platform.node()} is writing to" in err
        assert len(server.asked) == before
        release.set()
        first.communicate(timeout=60)
    assert first.returncode == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []
