"""A connection to a Ray cluster, or a line that says why there is none."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from facedata.datasets.errors import FacedataError, UsageError

__all__ = ["connected", "load_ray"]

_REACHED = 5.0  # s until a machine answers
_ANSWERED = 60.0  # s until a cluster does; Ray itself waits longer, and then aborts the process
_STORE = 80 << 20  # bytes of shared memory, about the least that Ray takes: paths are all that is in it
_KNOCK = """
import sys, ray
try:
    ray.init(sys.argv[1], log_to_driver=False, logging_level="CRITICAL")
except Exception as error:
    while error.__cause__:
        error = error.__cause__
    sys.exit("\\n" + (str(error).strip() or repr(error)).splitlines()[0])
"""
_HOW = "give --address auto for the cluster that this machine belongs to, HOST:PORT of its head, or local"


@contextlib.contextmanager
def connected(address: str | None, workers: int) -> Iterator[None]:
    """Be connected to the cluster at `address`, or at RAY_ADDRESS; `local` starts one here for the time.

    A connection that is there already is used, and left.
    """
    ray = load_ray()
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    if not address:
        raise UsageError(f"--engine ray needs an address: {_HOW}")
    how: dict[str, Any] = {"address": address}
    if address == "local":
        how |= {"num_cpus": workers or None, "object_store_memory": _STORE, "include_dashboard": False}
    else:
        _knock(address)
    before = signal.getsignal(signal.SIGTERM)
    try:
        try:
            ray.init(**how, log_to_driver=False, logging_level="ERROR")
        except ConnectionError as error:
            raise FacedataError(f"no Ray cluster at {address}: {error}") from None
        _restore(before)  # Ray's own handler would turn a kill into an ordinary exit
        yield
    finally:
        ray.shutdown()
        _restore(before)


def load_ray() -> Any:
    """Return the library, whose types are half there, or raise UsageError naming the extra."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is reported to anybody
    # Of each dead worker Ray tells on standard output, which is for results.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray needs Ray; install it with pip install 'facedata[ray]'") from None
    return ray


def _knock(address: str) -> None:
    """Raise where no cluster answers; in a process of its own, since Ray's waiting cannot be ended."""
    if address.startswith("ray://"):
        raise UsageError(f"--address {address}: the run itself has to be on a machine of the cluster; {_HOW}")
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), _REACHED).close()
        except OSError as error:
            raise FacedataError(
                f"no Ray cluster at {address} ({error}); see `ray status` on its head, and the port there"
            ) from None
    command = [sys.executable, "-c", _KNOCK, address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWERED, check=False)
    except subprocess.TimeoutExpired:
        raise FacedataError(
            f"what is at {address} does not answer as a Ray cluster within {_ANSWERED:g} s; see `ray status`"
        ) from None
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no reason given"]
        raise FacedataError(f"no Ray cluster at {address} ({words[-1][:400]}); {_HOW}")


def _restore(handler: Any) -> None:
    with contextlib.suppress(ValueError):  # not the main thread, which alone has handlers
        signal.signal(signal.SIGTERM, handler)
