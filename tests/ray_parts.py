"""A Ray cluster on this machine: a head and more nodes, each started and stopped by its process id."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
_STORE = 80_000_000  # bytes, about the least that Ray takes


@dataclass
class RayCluster:
    """Nodes on this machine; `environment` is what a process needs to join."""

    folder: Path
    address: str
    environment: dict[str, str]
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add(self, cpus: int, gpus: int = 0) -> subprocess.Popen[bytes]:
        """Start a node; the first one is the head. Its GPUs are so many in name alone."""
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus", str(cpus)),
            *("--num-gpus", str(gpus), "--object-store-memory", str(_STORE)),
            *("--include-log-monitor", "false"),
        ]
        if self.nodes:
            command += ["--address", self.address]
        else:
            host, _, port = self.address.partition(":")
            command += ["--head", "--node-ip-address", host, "--port", port, "--temp-dir", str(self.folder)]
            command += ["--include-dashboard", "false", "--disable-usage-stats"]
        log = self.folder / f"node-{len(self.nodes)}.log"
        with log.open("wb") as out:
            node = subprocess.Popen(
                command, stdout=out, stderr=out, env=self.environment, cwd=self.folder, start_new_session=True
            )
        self.nodes.append(node)
        ends = time.monotonic() + 60
        while b"will now block" not in log.read_bytes():
            assert node.poll() is None, log.read_text()
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.1)
        return node

    def working(self, name: str) -> list[psutil.Process]:
        """Return the worker processes that are at a function of Ray called `name`."""
        found = []
        for node in self.nodes:
            with contextlib.suppress(psutil.Error):
                found += psutil.Process(node.pid).children(recursive=True)
        return [one for one in found if _title(one).startswith(f"ray::{name}")]

    def stop(self) -> None:
        """End all nodes, the head last."""
        for node in reversed(self.nodes):
            with contextlib.suppress(ProcessLookupError):
                node.send_signal(signal.SIGTERM)
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(node.pid, signal.SIGKILL)
                node.wait()


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextlib.contextmanager
def ray_cluster(cpus: int, gpus: int = 0) -> Iterator[RayCluster]:
    """Start a head, and stop it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    folder = Path(tempfile.mkdtemp(prefix="fd-"))  # short: sockets lie in it
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    cluster = RayCluster(folder, address, environment)
    try:
        cluster.add(cpus, gpus)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
