"""A small dataset and a small task, for tests of annotation."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import yaml
from conftest import jpeg
from typer.testing import CliRunner

from facedata.annotate.jobs import Jobs
from facedata.annotate.providers.base import Request, Sampling
from facedata.annotate.tasks import load_task
from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.ingest import ingest
from facedata.datasets.inputs import Reading

COMMAND = [sys.executable, "-c", "from facedata.cli.main import run; run()"]
ANSWER = {"label": "live", "words": "A face without any sign of a medium."}

TASK = {
    "name": "tell",
    "version": 1,
    "about": "Whether the face is live.",
    "source": "these tests",
    "needs": ["label"],
    "prompt": "Is this face live or a spoof? Say why.",
    "response": {
        "type": "object",
        "additionalProperties": False,
        "required": ["label", "words"],
        "properties": {"label": {"enum": ["live", "spoof"]}, "words": {"type": "string"}},
    },
    "rules": '{"label": {{ evidence.label.value | json }}, "words": {{ pick("So", "Thus") | json }}}',
    "turns": [{"ask": ["Live?"], "answer": "{{ response.label }}: {{ response.words }}"}],
    "checks": [{"rule": "schema"}],
}


def write_task(path: Path, **changes) -> Path:
    path.write_text(yaml.safe_dump({**TASK, **changes}), "utf-8")
    return path


def make_dataset(root: Path, count: int) -> Dataset:
    """`count` live faces."""
    folder = root / "pictures" / "live"
    folder.mkdir(parents=True)
    for number in range(count):
        # Five waves give five pictures; the size makes every one its own.
        (folder / f"{number:04d}.jpg").write_bytes(
            jpeg(number, width=40 + number % 40, height=40 + number // 40)
        )
    ingest("folder", root / "pictures", root / "ds", Reading(), Options(engine="serial"))
    return Dataset.open(root / "ds")


def make_requests(root: Path, count: int, sampling: Sampling | None = None, draws: int = 1) -> list[Request]:
    """The requests of the small task about `count` faces."""
    task = load_task(write_task(root / "task.yaml"))
    jobs = Jobs(make_dataset(root, count), [task], 0, sampling or Sampling(max_tokens=64), draws)
    return [job.request for job in jobs]


def start(*arguments, cwd, **environment) -> subprocess.Popen:
    """Start the command in a process of its own, to be stopped."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    variables = {**os.environ, **environment}
    return subprocess.Popen([*COMMAND, "annotate", *map(str, arguments)], cwd=cwd, env=variables, **pipes)


def facedata(*arguments, cwd, code=0, **environment) -> tuple[str, str]:
    """Run the command in this process."""
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(app, ["annotate", *map(str, arguments)], env=environment)
    assert done.exit_code == code, f"exit {done.exit_code}\n{done.stdout}\n{done.stderr}\n{done.exception!r}"
    return done.stdout, done.stderr
