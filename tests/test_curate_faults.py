"""What can go wrong around FiftyOne: each is one line with the mend, and nothing is half there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import ROOT
from curate_parts import make
from mongo_parts import free_port, mongod
from test_cli import start

from facedata.curate.fiftyone import connect as module
from facedata.curate.fiftyone.connect import connect, database_uri
from facedata.curate.fiftyone.open import open_app
from facedata.curate.fiftyone.pull import pull
from facedata.curate.fiftyone.push import push
from facedata.datasets.errors import ServiceError, UsageError


@pytest.fixture
def no_fiftyone(monkeypatch, tmp_path):
    """Neither variables nor a configuration of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("FIFTYONE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(tmp_path / "config.json"))
    assert "fiftyone" not in sys.modules


def test_no_server_is_told_within_seconds(no_fiftyone):
    began = time.monotonic()
    address = f"mongodb://ada:secret@127.0.0.1:{free_port()}"
    with pytest.raises(
        ServiceError, match=r"no MongoDB answers at mongodb://...@127.0.0.1:\d+ within 2 s; start"
    ):
        connect(address)
    assert time.monotonic() - began < 8  # the time limit is 2 s


@pytest.mark.parametrize("address", ["localhost", "http://localhost:1", "mongodb://", "mongodb://a:b:c/"])
def test_what_is_no_address_is_told(no_fiftyone, address):
    with pytest.raises(UsageError, match=r"--uri .*; write it as mongodb://HOST:PORT"):
        connect(address)


def test_the_address_may_stand_in_the_configuration(no_fiftyone, tmp_path, monkeypatch):
    assert database_uri() is None
    (tmp_path / "config.json").write_text('{"database_uri": "mongodb://there:1"}')
    assert database_uri() == "mongodb://there:1"
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://here:1")
    assert database_uri() == "mongodb://here:1"


def test_an_old_server_and_one_that_refuses_are_told(no_fiftyone, fifty, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "OLDEST_SERVER", (99, 0))
    with pytest.raises(ServiceError, match=r"is \d+\.\d+\.\d+; FiftyOne needs 99.0 or newer: upgrade it"):
        connect(fifty.uri)
    with (
        mongod(tmp_path / "strict", "--auth") as uri,
        pytest.raises(ServiceError, match=r"refuses: .*mend the user"),
    ):
        connect(uri)


def test_a_fiftyone_that_does_not_start_is_told(no_fiftyone, tmp_path, monkeypatch):
    (tmp_path / "fiftyone").mkdir()
    (tmp_path / "fiftyone" / "__init__.py").write_text("raise RuntimeError('no mongod\\nis here')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ServiceError, match="does not start: no mongod is here; facedata doctor says"):
        connect()
    (tmp_path / "fiftyone" / "__init__.py").write_text("import absent_since_ever")
    with pytest.raises(UsageError, match=r"pip install 'facedata\[curate\]' \(No module named 'absent"):
        connect()


KILLED = """
import sys
sys.path.insert(0, {tests!r})
import os
from pathlib import Path
from facedata.curate.fiftyone import push
inserted = push.insert
def once(*arguments):
    inserted(*arguments)
    os._exit(9)  # as a kill does: nothing is tidied up
push.insert = once
push.push(Path({root!r}), name="killed")
"""


def names() -> list[str]:
    import fiftyone as fo

    return [name for name in fo.list_datasets() if name.startswith("killed")]


def test_a_push_that_was_killed_shows_nothing_and_the_next_one_mends_it(fifty, tmp_path):
    root = make(tmp_path / "faces")
    script = KILLED.format(tests=str(ROOT / "tests"), root=str(root))
    environment = {**os.environ, **fifty.environment}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, timeout=60)
    assert done.returncode == 9, done.stderr
    assert fifty(names) == ["killed.pushing"]
    with pytest.raises(UsageError, match="the push of killed did not end; push it again"):
        fifty(pull, root, None, name="killed", dry_run=True)
    assert not fifty(push, root, name="killed").already
    assert fifty(names) == ["killed"]
    assert fifty(pull, root, None, name="killed", dry_run=True).pending.edits == []


def test_what_was_never_pushed_is_told(fifty, tmp_path):
    root = make(tmp_path / "faces")
    with pytest.raises(UsageError, match="FiftyOne has no dataset 'never': push it first"):
        fifty(pull, root, None, name="never", dry_run=True)
    with pytest.raises(UsageError, match="say where the new version goes: -o FOLDER"):
        fifty(pull, root, None, name="never")


def test_a_busy_port_is_told(tmp_path):
    root = make(tmp_path / "faces")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            UsageError, match=f"port {port} of 127.0.0.1 cannot be had .*; choose another --port"
        ):
            open_app(root, port=port)


def run(*arguments, cwd, env) -> tuple[int, str, str]:
    process = start("curate", *arguments, cwd=cwd, env=env)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_the_command_line_pushes_opens_and_pulls(fifty, tmp_path):
    """One walk through the verbs as people type them; what they find is tested elsewhere."""
    root, env = make(tmp_path / "walk"), {**os.environ, **fifty.environment}
    (root / "images" / "p0.jpg").unlink()
    code, out, err = run("push", root, cwd=tmp_path, env=env)
    assert code == 3, err
    assert "pushed 6 samples as facedata-walk" in out
    assert "p0.jpg is missing" in err
    port = free_port()
    serving = start("curate", "open", root, "--remote", "--port", port, cwd=tmp_path, env=env)
    try:
        assert serving.stdout.readline() == f"open     facedata-walk at http://127.0.0.1:{port}\n"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=30) as answer:
            assert b"<title>FiftyOne</title>" in answer.read()
    finally:
        serving.send_signal(signal.SIGINT)
        _, err = serving.communicate(timeout=30)
    assert "1 of 6 pictures are gone" in err
    assert serving.returncode == 0
    code, out, err = run("pull", root, "--dry-run", cwd=tmp_path, env=env)
    assert (code, out) == (0, "facedata-walk was not edited since the push; nothing to write\n"), err
