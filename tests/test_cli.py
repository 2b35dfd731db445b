"""The command, run as a user runs it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import jpeg, picture
from test_pictures import BAD, rotated, saved
from test_pictures import RGB as SMALL

COMMAND = [sys.executable, "-c", "from facedata.cli.main import run; run()"]


def start(*arguments, cwd, **options) -> subprocess.Popen:
    command = [*COMMAND, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=cwd, **pipes, **options)


def facedata(*arguments, cwd, code=0) -> subprocess.CompletedProcess:
    process = start(*arguments, cwd=cwd)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
    assert "Traceback" not in err + out
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


VERBS = [
    "ingest",
    "augment",
    "annotate",
    "info",
    "validate",
    "report",
    "filter",
    "merge",
    "sample",
    "edit",
    "split",
    "diff",
    "log",
    "rebuild",
    "export",
    "init",
    "doctor",
    "join",
    "eval",
    "curate push",
    "curate open",
    "curate pull",
]


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_quick_because_it_imports_nothing_heavy(verb, tmp_path):
    code = (
        "import sys\nfrom facedata.cli.main import app\n"
        f"sys.argv = ['facedata', *{verb!r}.split(), '--help']\n"
        "try: app()\nexcept SystemExit as done: assert not done.code\n"
        "heavy = {'numpy', 'cv2', 'numba', 'pyarrow', 'pandas', 'yaml', 'PIL', 'matplotlib', 'datasets'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_demo_augment_info_validate_report(tmp_path):
    facedata("ingest", "demo", "-o", "faces", "--identities", 2, "--pictures", 2, "--size", 64, cwd=tmp_path)
    made = facedata("augment", "faces", "-o", "out", "--variants", 3, "--seed", 7, cwd=tmp_path)
    assert "made 12 variants (0 from the cache) and kept 4 originals" in made.stdout
    info = json.loads(facedata("info", "out", "--json", cwd=tmp_path).stdout)
    assert (info["rows"], sum(info["by_label"].values())) == (16, 16)
    assert {"version", "by_attack", "parents"} <= set(info)
    assert info["parents"][0]["name"] == "faces"
    assert "16 rows, whole" in facedata("validate", "out", cwd=tmp_path).stdout
    facedata("report", "out", cwd=tmp_path)
    page = (tmp_path / "out.report.html").read_text()
    assert page.count('<img src="data:image/jpeg') >= 8
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/", "")
    assert (tmp_path / "out" / "preview.png").is_file()
    again = facedata("augment", "faces", "-o", "again", "--variants", 3, "--seed", 7, "--json", cwd=tmp_path)
    found = json.loads(again.stdout)
    assert (found["version"], found["made"], found["cached"]) == (info["version"], 0, 12)


def test_list_shows_operators_with_units_ranges_and_effects(tmp_path):
    text = facedata("augment", "--list", cwd=tmp_path).stdout
    for words in ("color-diversity", "moire-pattern", "spoof:", "kept", "unit", "fas-aug", "strength"):
        assert words in text


def test_report_escapes_what_it_shows(tmp_path):
    name = "<script>alert(1)</script>"
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "a.jpg").write_bytes(jpeg(1))
    (tmp_path / "faces" / "list.csv").write_text(f"path,domain,subject,attack\na.jpg,{name},$x$,{name}\n")
    facedata("ingest", "list", "faces/list.csv", "-o", "out", cwd=tmp_path)
    facedata("report", "out", cwd=tmp_path)
    assert "<script" not in (tmp_path / "out.report.html").read_text()
    assert "<script" not in (tmp_path / "out" / "README.md").read_text()


def write_awkward_folder(root: Path) -> set[str]:
    """Every bad input that there is, beside good ones; return the places of the bad ones."""
    root.mkdir()
    bad = {f"bad {name}.jpg": data for name, (data, _, _) in BAD.items()}
    good = {
        "plain.jpg": jpeg(1),
        "copy of plain.jpg": jpeg(1),
        "new\nline.jpg": jpeg(2),
        "günther.jpg": jpeg(3),
        "cmyk.jpg": saved(SMALL.convert("CMYK"), "JPEG"),
        "deep.png": cv2.imencode(".png", picture(4).astype(np.uint16) * 257)[1].tobytes(),
        "palette.png": saved(SMALL.convert("P"), "PNG"),
        "alpha.png": saved(SMALL.convert("RGBA"), "PNG"),
        "rotated.jpg": rotated(6),
        "grey.png": saved(SMALL.convert("L"), "PNG"),
        "dot.png": jpeg(5, width=1, height=1),
        "photo.webp": saved(SMALL, "WEBP"),
        "scan.tiff": saved(SMALL, "TIFF"),
    }
    for name, data in {**bad, **good}.items():
        (root / name).write_bytes(data)
    (root / "out.jpg").symlink_to(root.parent / "elsewhere.jpg")
    (root.parent / "elsewhere.jpg").write_bytes(jpeg(6))
    os.mkfifo(root / "pipe.jpg")
    (root / "gone.jpg").symlink_to(root / "nothing.jpg")
    return {*bad, "out.jpg", "pipe.jpg", "gone.jpg"}


def test_every_bad_input_gets_a_line_and_a_row_and_the_others_are_made(tmp_path):
    bad = write_awkward_folder(tmp_path / "faces")
    done = facedata("augment", "faces", "-o", "out", "--variants", 2, "--json", cwd=tmp_path, code=3)
    found = json.loads(done.stdout)
    assert {failure["place"] for failure in found["failures"]} == bad
    assert found["made"] == 13 * 2
    assert found["rows"] == 13 * 3
    lines = [line for line in done.stderr.splitlines() if line.startswith("not made: ")]
    assert len(lines) == len(bad)
    facedata("validate", "out", cwd=tmp_path)
    facedata("report", "out", cwd=tmp_path)


def test_unreadable_folder_is_told(tmp_path):
    """Root reads everything, so the command runs as nobody where the tests run as root."""
    root = tmp_path / "faces"
    (root / "closed").mkdir(parents=True)
    (root / "a.jpg").write_bytes(jpeg(1))
    (root / "closed" / "b.jpg").write_bytes(jpeg(2))
    (root / "closed").chmod(0)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from facedata.datasets.labels import FolderLabels\n"
        "from facedata.datasets.sources import folder_source\n"
        "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
        "if os.getuid() == 0: os.fchdir(fd); os.setgid(65534); os.setuid(65534)\n"
        "else: os.fchdir(fd)\n"
        "source = folder_source(Path('.'), FolderLabels())\n"
        "print([failure.reason for failure in source.failures], source.count)\n"
    )
    root.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=False)
    (root / "closed").chmod(0o755)
    assert "closed: cannot be read (Permission denied); check its rights" in done.stdout, done.stderr
    assert done.stdout.rstrip().endswith("1")


ERRORS = {
    "no such input": (["augment", "nowhere", "-o", "out"], 1, "nowhere does not exist"),
    "output in input": (["augment", "faces", "-o", "faces/out"], 2, "lies in the input"),
    "output is input": (["augment", "faces", "-o", "faces"], 2, "is the input"),
    "other folder": (["augment", "faces", "-o", "home"], 1, "with other things in it"),
    "no policy": (["augment", "faces", "-o", "out", "--policy", "x"], 2, "no policy 'x'"),
    "no variants": (["augment", "faces", "-o", "out", "--variants", "0"], 2, "--variants"),
    "no output": (["augment", "faces"], 2, "--output"),
    "bad label map": (["augment", "faces", "-o", "out", "--label-map", "x"], 2, "--label-map 'x'"),
    "no path": (["ingest", "folder", "-o", "out"], 2, "ingest folder needs a path"),
    "path for demo": (["ingest", "demo", "faces", "-o", "out"], 2, "takes no path"),
    "no dataset": (["info", "faces"], 1, "is not a facedata dataset"),
    "not validated": (["validate", "faces"], 1, "is not a facedata dataset"),
    "no report": (["report", "nowhere"], 1, "is no folder"),
    "output under a file": (["augment", "faces", "-o", "home/thesis.txt/out"], 1, "cannot write to"),
    "report under a file": (["report", "set", "-o", "home/thesis.txt/a.html"], 1, "cannot write"),
}


@pytest.mark.parametrize(("arguments", "code", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_mistakes_are_one_line_with_the_right_exit_code(faces, arguments, code, words):
    root = faces.parent
    (root / "home").mkdir()
    (root / "home" / "thesis.txt").write_text("precious")
    if "set" in arguments:
        facedata("ingest", "folder", "faces", "-o", "set", cwd=root)
    done = facedata(*arguments, cwd=root, code=code)
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert (root / "home" / "thesis.txt").read_text() == "precious"
    assert not (root / "out").exists()


def test_dry_run_makes_nothing(faces):
    root = faces.parent
    done = facedata("augment", "faces", "-o", "out", "--variants", 5, "--dry-run", cwd=root)
    assert "12 pictures x 5 variants by mixed: up to 60 samples" in done.stdout
    assert {path.name for path in root.iterdir()} == {"faces"}


def write_faces(root: Path, count: int) -> None:
    root.mkdir()
    for number in range(count):
        (root / f"face {number}.jpg").write_bytes(jpeg(number, width=96, height=96))


def test_kill_9_at_ten_random_moments_then_resume_gives_the_same_version(tmp_path):
    write_faces(tmp_path / "faces", 120)
    arguments = ["augment", "faces", "--variants", 4, "--seed", 7, "--no-cache", "--json"]
    began = time.monotonic()
    whole = json.loads(facedata(*arguments, "-o", "whole", cwd=tmp_path).stdout)
    length = time.monotonic() - began
    moments = random.Random(1)
    for round_number in range(10):
        target = f"killed-{round_number}"
        extra = ["-o", target, "--resume", "--engine", "process", "--workers", "2"]
        process = start(*arguments, *extra, cwd=tmp_path, start_new_session=True)
        time.sleep(moments.uniform(0.2, 1.0) * length)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        done = json.loads(facedata(*arguments, "-o", target, "--resume", cwd=tmp_path).stdout)
        assert done["version"] == whole["version"]
        facedata("validate", target, cwd=tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()


def test_workers_die_with_their_parent(tmp_path):
    write_faces(tmp_path / "faces", 200)
    command = ["augment", "faces", "-o", "out", "--variants", 20, "--engine", "process", "--workers", "2"]
    process = start(*command, "--no-cache", cwd=tmp_path, start_new_session=True)
    group = os.getpgid(process.pid)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out.partial/parts/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a worker outlived its parent")


def test_ctrl_c_keeps_what_is_finished(tmp_path):
    write_faces(tmp_path / "faces", 300)
    command = ["augment", "faces", "-o", "out", "--variants", 10, "--no-cache", "--workers", "2"]
    process = start(*command, cwd=tmp_path, start_new_session=True)
    deadline = time.monotonic() + 60
    parts = tmp_path / ".out.partial" / "parts"
    while not [path for path in parts.glob("*") if path.name[0] != "."] and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(os.getpgid(process.pid), signal.SIGINT)  # as a terminal does: to the workers too
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "facedata: stopped; what is finished is kept, go on with --resume" in err
    assert "Traceback" not in err
    kept = {path.name for path in parts.iterdir() if path.name[0] != "."}
    assert kept
    done = facedata(*command, "--resume", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["made"] == 3000


def test_real_photographs(real_faces, tmp_path):
    done = facedata("augment", real_faces, "-o", "out", "--variants", 4, "--seed", 7, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert (found["made"], found["rows"], found["failures"]) == (96, 120, [])
    facedata("validate", "out", cwd=tmp_path)
