"""Every target over its seeds and some changes of them; at length it is `python -m tests.fuzz all`."""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from . import watch as watching
from .child import Bench
from .mutate import FORMS, mutated
from .targets import TARGETS
from .watch import Watch

ROOT = Path(__file__).resolve().parent.parent.parent
_MOST, _SECONDS = 30, 0.5  # changes of a target's seeds, or so long


@pytest.fixture
def own_scratch(monkeypatch):
    """Temporary files go to the bench's folder, and back."""
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)


@pytest.mark.filterwarnings("ignore")  # of libraries, on what is made up
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_comes_of_any_input_but_an_error_for_people(name, tmp_path, own_scratch):
    bench = Bench(name, tmp_path / "work")
    seeds = bench.target.seeds
    inputs = [*seeds, b""] + [bench.mutate(seeds[n % len(seeds)], n) for n in range(_MOST)]
    began = os.times().user
    for number, data in enumerate(inputs):
        if number > 2 and os.times().user - began > _SECONDS:
            break
        assert (found := bench.watch.run(bench.target.run, data)) is None, f"{found}\n{data!r:.3000}"


@pytest.mark.parametrize("form", FORMS)
def test_inputs_are_drawn_by_a_number_alone(form):
    seed = b'{"a": [1, "b"], "c": {"d": null}}\n'
    one, two = ([mutated(random.Random(n), seed, form, (seed,)) for n in range(50)] for _ in range(2))
    assert one == two
    assert len(set(one)) > 10
    assert any(data != seed for data in one)


def _imported(data: bytes) -> None:
    importlib.import_module(data.decode())


def _written(data: bytes) -> None:
    Path("/tmp", data.decode()).write_bytes(b"")  # noqa: S108


def _read(data: bytes) -> None:
    Path(data.decode()).read_bytes()


def _run(data: bytes) -> None:
    eval(compile(data, "x", "eval"))  # noqa: S307


def _slow(data: bytes) -> None:
    sum(range(int(data)))


def _large(data: bytes) -> None:
    bytearray(int(data))


def _spawned(data: bytes) -> None:
    subprocess.run([data.decode()], check=False)


@pytest.mark.parametrize(
    ("target", "data", "kind"),
    [
        (_imported, b"tabnanny", "exec"),
        (_written, b"facedata-fuzz-x", "open"),
        (_read, b"OUTSIDE/secret.jpg", "open"),
        (_run, b"1 + 1", "compile"),
        (_spawned, b"true", "subprocess.Popen"),
        (_slow, b"20000000", "time"),
        (_large, b"900000000", "memory"),
        (int, b"x", "ValueError"),
    ],
)
def test_what_may_not_be_is_found(tmp_path, target, data, kind, monkeypatch):
    """A watch that sees nothing would pass everything."""
    if kind == "time":
        monkeypatch.setattr(watching, "MOST_SECONDS", 0.05)
    sys.modules.pop("tabnanny", None)
    for name in ("tree", "scratch", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "secret.jpg").write_bytes(b"x")
    watch = Watch(tmp_path / "tree", tmp_path / "scratch", tmp_path / "outside")
    found = watch.run(target, data.replace(b"OUTSIDE", os.fsencode(tmp_path / "outside")))
    Path("/tmp/facedata-fuzz-x").unlink(missing_ok=True)  # noqa: S108
    assert found is not None
    assert found.kind == kind
    assert watch.run(len, b"x") is None


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is for Linux and Python 3.11"
)
def test_atheris_finds_its_way(tmp_path):
    """A short run in processes of its own, guided by what is reached."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "arguments", "--seconds", "2", "--keep", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("| arguments"))
    _, inputs, edges, findings = (cell.strip() for cell in line.strip("|").split("|"))
    assert int(inputs) > 100
    assert int(edges) > 10
    assert findings == "0"
