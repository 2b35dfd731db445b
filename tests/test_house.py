"""The house rules: rooms, imports, packaging."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT

FLOORS = {
    "datasets": 0,
    "augment": 1,
    "synth": 1,
    "annotate": 1,
    "curate": 2,
    "recipes": 2,
    "cli": 3,
}
MODULES = sorted(path for room in FLOORS for path in (ROOT / room).rglob("*.py"))


def imported_rooms(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            assert node.level == 0, "imports are absolute"
        found |= {name.split(".")[1] for name in names if name.startswith("facedata.")}
    return found & set(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    room = path.relative_to(ROOT).parts[0]
    for other in imported_rooms(path.read_text("utf-8")) - {room}:
        assert FLOORS[other] < FLOORS[room], f"{room} imports {other}"


def test_import_rule_sees_every_form_of_import():
    source = (
        "import facedata.curate.report\nfrom facedata import cli\ndef f():\n from facedata.synth import x"
    )
    assert imported_rooms(source) == {"curate", "cli", "synth"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_torchvision_and_no_timm(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in names} & {"torchvision", "timm"}


def test_datasets_stays_a_plain_folder():
    assert not (ROOT / "datasets" / "__init__.py").exists()


@pytest.mark.parametrize(
    "arguments", [["-c", "import datasets; datasets.load_dataset"], ["-m", "pytest", "--version"]]
)
def test_hugging_face_datasets_is_found_from_the_root(arguments):
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_wheel_holds_every_room(tmp_path):
    # A copy, so that what an earlier build left in the tree cannot stand in for what is missing.
    leave = shutil.ignore_patterns(".*", "build", "out", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "tree", symlinks=True, ignore=leave)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", tmp_path, tmp_path / "tree"]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"facedata/{path.relative_to(ROOT).as_posix()}" for path in MODULES}
    kinds = ("*.yaml", "*.yml", "*.html", "*.jinja")
    data = [path for room in FLOORS for kind in kinds for path in (ROOT / room).rglob(kind)]
    expected |= {f"facedata/{path.relative_to(ROOT).as_posix()}" for path in data}
    assert expected - packed == set()
    assert {name.split("/")[0] for name in packed if ".dist-info/" not in name} == {"facedata"}
    assert "facedata/py.typed" in packed


def test_no_dependency_brings_torchvision():
    done = subprocess.run([sys.executable, "-m", "pip", "list"], capture_output=True, text=True, check=True)
    assert "torchvision" not in done.stdout.lower()
