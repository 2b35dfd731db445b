"""A real S3 server on this machine, started and stopped by its process id, and what lies in it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest

BUCKET = "faces-bucket"
SECRET = "not-to-be-told"  # noqa: S105 - a word to look for


@dataclass
class Server:
    """The server's process and address; `files` is fsspec's view of it."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]

    @property
    def files(self) -> Any:
        return fsspec.filesystem("s3", use_listings_cache=False)

    def names(self, place: str) -> list[str]:
        """Return what lies below a place, relative to it, without what hides."""
        path = place.removeprefix("s3://")
        return [name.removeprefix(f"{path}/") for name in self.files.find(path)]

    def upload(self, folder: Path, place: str) -> str:
        """Copy a folder there, as any other tool would."""
        self.files.put(str(folder), place, recursive=True)
        return place


def run(arguments: list[str], server: Server, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from facedata.cli.main import run; run()", *map(str, arguments)],
        env={**os.environ, **server.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@contextlib.contextmanager
def s3_server(mirror: Path) -> Iterator[Server]:
    """Start moto's server with one bucket, and set what a client needs; `mirror` is for FACEDATA_REMOTE."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "AKIAFACEDATATEST",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "FACEDATA_REMOTE": str(mirror),
    }
    try:
        ends = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None
            assert time.monotonic() < ends, "the server did not start"
            time.sleep(0.05)
        with pytest.MonkeyPatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            patched.delenv("AWS_PROFILE", raising=False)
            server = Server(process, environment)
            server.files.mkdir(BUCKET)
            yield server
    finally:
        process.terminate()
        process.wait(20)
        fsspec.filesystem("s3").clear_instance_cache()
