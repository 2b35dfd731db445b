"""What the README and the docs say is run, and what they refer to is there."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from typer.testing import CliRunner

from facedata.cli.main import app

DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TINY = "{network: {size: tiny, resolution: 32}, steps: 4, batch: 4, warmup: 1}"
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)")


def commands(text: str) -> list[str]:
    lines = [line for block in CONSOLE.findall(text) for line in block.splitlines()]
    return [line[2:].split("#")[0].strip() for line in lines if line.startswith("$ ")]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for link in LINK.findall(path.read_text("utf-8")):
        assert link.startswith("https://") or (path.parent / link).exists(), link


def test_every_command_of_the_readme_runs(tmp_path):
    """CI runs the make targets, and test_curate_app.py the walk of curation, with the App that it needs.

    All other lines are run here, in their order, then the Python. Trainings are cut short: what they come to
    shows no face, so `sample` leaves the gates out, and `gates` refuses all of it.
    """
    (tmp_path / "tiny.yaml").write_text(TINY)
    short = {
        "facedata synth train ": ["--config", "tiny.yaml"],
        "facedata synth sample ": ["--gates", "none", "--limit", "4"],
        "facedata train fas ": ["--steps", "20"],
    }
    text = (ROOT / "README.md").read_text("utf-8")
    walk = commands((ROOT / "docs" / "curate.md").read_text("utf-8"))
    ran = [line for line in commands(text) if line.startswith("facedata ") and line not in walk]
    assert len(ran) >= 5
    code = "from facedata.cli.main import run; run()"
    for line in ran:
        arguments = shlex.split(line)[1:]
        arguments += next((more for start, more in short.items() if line.startswith(start)), [])
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        if line.startswith("facedata synth gates "):
            assert done.returncode == 1, f"{line}\n{done.stderr}"
            assert "leaves no row" in done.stderr
        else:
            assert done.returncode == 0, f"{line}\n{done.stderr}"
    for block in PYTHON.findall(text):
        subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True, capture_output=True)


def test_make_targets_named_in_the_readme_exist():
    text = (ROOT / "README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {line.split()[1] for line in commands(text) if line.startswith("make ")}
    assert targets >= {"demo", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("folder", [False, True], ids=["rendered", "own folder"])
def test_make_demo(tmp_path, faces, folder):
    """With the environment that runs the tests in place of a new one, which CI makes anyway."""
    make = shutil.which("make")
    assert make, "make is needed to run the tests"
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    for mark in (".base", ".all"):
        (venv / mark).touch()
    command = [make, "-C", ROOT, "demo", f"VENV={venv}", f"OUT={tmp_path / 'out'}", "VARIANTS=2"]
    command += [f"FACES={faces}"] if folder else []
    environment = {**os.environ, "FACEDATA_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    for name in ("demo/preview.png", "demo.report.html"):
        assert (tmp_path / "out" / name).is_file()
        assert f"{tmp_path}/out/{name}" in done.stdout


def test_the_operators_page_names_every_operator_and_policy():
    from facedata.augment.policy import stock_policies
    from facedata.augment.registry import OPERATORS

    text = (ROOT / "docs" / "operators.md").read_text("utf-8")
    for name in (*OPERATORS, *stock_policies()):
        assert f"`{name}`" in text


def test_the_policy_of_the_operators_page_loads(tmp_path):
    from facedata.augment.policy import load_policy

    text = (ROOT / "docs" / "operators.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "p.yaml").write_text(example)
    assert load_policy(str(tmp_path / "p.yaml")).name == "phone"


@pytest.mark.parametrize("number", [0, 1], ids=["albumentations", "torch"])
def test_the_examples_of_the_adapters_page_run(number):
    blocks = PYTHON.findall((ROOT / "docs" / "adapters.md").read_text("utf-8"))
    assert len(blocks) == 2
    command = [sys.executable, "-W", "error", "-c", blocks[number]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_examples_of_the_versions_page_run(tmp_path):
    """In this process, in their order; a comment says where the exit code is not 0."""
    text = (ROOT / "docs" / "versions.md").read_text("utf-8")
    lines = [line[2:] for block in CONSOLE.findall(text) for line in block.splitlines()]
    assert len(lines) >= 9
    for line in lines:
        expected = re.search(r"# exits with (\d)", line)
        arguments = shlex.split(line, comments=True)[1:]
        with contextlib.chdir(tmp_path):
            done = CliRunner().invoke(app, [*arguments])
        assert done.exit_code == (int(expected[1]) if expected else 0), f"{line}\n{done.stderr}"
    assert (tmp_path / "diff.png").is_file()


def test_the_files_of_the_versions_page_load(tmp_path):
    from facedata.datasets.versions.edits_file import read_edits
    from facedata.datasets.versions.protocol import load_protocol

    text = (ROOT / "docs" / "versions.md").read_text("utf-8")
    for kind, load, name in (
        ("yaml", lambda path: load_protocol(str(path)), "p.yaml"),
        ("csv", read_edits, "e.csv"),
    ):
        (example,) = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
        (tmp_path / name).write_text(example)
        assert load(tmp_path / name)
