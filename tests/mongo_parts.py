"""A real mongod of its own: its own folder, its own port, stopped by its process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from conftest import ROOT

_PLACE = ROOT / ".ci" / "mongod" / "fiftyone" / "db" / "bin" / "mongod"


def mongod_path() -> Path:
    """The program: FACEDATA_MONGOD, what `make test` installs, or what the system has."""
    for place in (os.environ.get("FACEDATA_MONGOD"), _PLACE, shutil.which("mongod")):
        if place and Path(place).is_file():
            return Path(place)
    pytest.skip("no mongod: `make test` installs one into .ci/mongod, or set FACEDATA_MONGOD")


def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def mongod(folder: Path, *options: str) -> Iterator[str]:
    """Run a server that keeps its files in `folder`; yield its address."""
    (folder / "db").mkdir(parents=True)
    port, number = free_port(), folder / "pid"
    subprocess.run(
        [
            mongod_path(),
            *("--dbpath", folder / "db", "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
            *("--logpath", folder / "log", "--fork", "--pidfilepath", number),
            *options,
        ],
        check=True,
        capture_output=True,
    )
    try:
        yield f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=2000"
    finally:
        with suppress(ProcessLookupError):  # at once: nobody will read its files again
            os.kill(int(number.read_text()), signal.SIGKILL)
