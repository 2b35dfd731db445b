"""A process that has imported everything and forks one child for each run of the command.

A fresh interpreter spends a second on imports before the moments that matter; a fork is at work at once, so a
hundred random moments fall where files are written. What runs in the child is the command line's own `run`.

Spoken line by line, in JSON, over standard input and output:

    {"do": "start", "run": {...}}     -> its process id
    {"do": "warm", "cwd": ..., "runs": [[...]]}  runs of the command in this process, so that all is imported
    {"do": "import", "names": [...]}  modules that a run had to import, which later ones find imported
    {"do": "wait", "pid": 1}          -> how it ended, null where it is still at it after `within` seconds
    {"do": "room", "steps": [...]}    -> the results of steps in a mount namespace of their own
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

ROOMS = (
    "facedata.cli.main",
    "facedata.augment.run",
    "facedata.annotate.annotate",
    "facedata.annotate.providers.catalogue",
    "facedata.datasets.ingest",
    "facedata.datasets.exports.run",
    "facedata.datasets.validate",
    "facedata.datasets.versions.edit",
    "facedata.datasets.versions.filter",
    "facedata.datasets.versions.merge",
    "facedata.datasets.versions.sampling",
    "facedata.datasets.versions.split",
    "openai",
)
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000  # sched.h: CLONE_NEWNS, CLONE_NEWUSER


def start(run: dict[str, Any]) -> int:
    """Fork a child that is the command; return its process id."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        os.read(ready, 1)  # from here on a signal meets the command
        os.close(ready)
        return pid
    os.close(ready)
    os.setsid()  # its workers are in its group
    for number, name in ((0, os.devnull), (1, run["out"]), (2, run["err"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(name, flags), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(run["cwd"])
    os.environ.update(run.get("env", {}))
    main = sys.modules["__main__"]  # as an installed command is: workers import no script
    main.__spec__ = None
    vars(main).pop("__file__", None)
    sys.argv = ["facedata", *run["argv"]]
    _run.update(run)
    for name in run.get("early", ()):
        importlib.import_module(name)
    if "clock" in run:
        _set_clock(run["clock"])
    if "trap" in run:
        from .traps import Trap

        Trap(**run["trap"]).set()
    if "file_bytes" in run:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (run["file_bytes"], resource.RLIM_INFINITY))
    if "memory" in run:
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + run["memory"],) * 2)
    os.close(tell)
    raise _Child


_run: dict[str, Any] = {}
"""In a child: what it was told to be."""


class _Child(BaseException):
    """Unwinds a forked child to the top, so that it ends as an interpreter ends."""


def _set_clock(seconds: float) -> None:
    """Move the time that Python tells by `seconds`."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)


def wait(pid: int, within: float) -> dict[str, Any] | None:
    """Return exit code (negative: the signal) and peak memory in bytes, None where it is not over."""
    end = time.monotonic() + within
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return {"code": os.waitstatus_to_exitcode(status), "peak": usage.ru_maxrss * 1024}
        if time.monotonic() > end:
            return None
        time.sleep(0.002)


def room(steps: list[dict[str, Any]]) -> list[Any]:
    """Take steps in a mount namespace, which goes with the process that does it: nothing stays mounted."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        try:
            results: Any = [_step(step) for step in [{"do": "enter"}, *steps]][1:]
        except (OSError, RuntimeError, ValueError) as error:
            results = {"error": repr(error)}
        with os.fdopen(write, "w") as pipe:
            json.dump(results, pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        results = json.load(pipe)
    os.waitpid(pid, 0)
    return results


def _step(step: dict[str, Any]) -> Any:
    match step:
        case {"do": "enter"}:
            return _enter()
        case {"do": "mount", "at": at, "options": options}:
            return _called("mount", "-t", "tmpfs", "-o", options, "tmpfs", at)
        case {"do": "remount", "at": at, "options": options}:
            return _called("mount", "-o", f"remount,{options}", at)
        case {"do": "run", "run": run}:
            pid = start(run)
            found = wait(pid, 60)
            if found is None:
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            return found
        case {"do": "look", "at": at}:
            from .look import looked

            return looked(Path(at), step["makes"])
        case {"do": "listing", "at": at}:
            return sorted(one.name for one in Path(at).iterdir())
    raise ValueError(step)


def _enter() -> None:
    """Take a mount namespace of one's own, with a user namespace for it where the user is not root."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_NEW_MOUNTS) != 0:
        if libc.unshare(_NEW_MOUNTS | _NEW_USER) != 0:
            raise OSError(ctypes.get_errno(), "no mount namespace")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _called("mount", "--make-rprivate", "/")


def warm(folder: Path, runs: list[list[str]]) -> int:
    """Run commands here, each in silence; return the number of threads that there are then."""
    from facedata.cli.main import app

    os.chdir(folder)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        for argv in runs:
            with suppress(SystemExit):
                app(argv, standalone_mode=False)
    return len(list(Path("/proc/self/task").iterdir()))


def take_in(names: list[str]) -> int:
    """Import modules, those that can be; return the number of threads that there are then."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
    gc.freeze()
    return len(list(Path("/proc/self/task").iterdir()))


def _called(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.returncode, done.stderr.strip())


def _serve() -> None:
    for name in ROOMS:
        importlib.import_module(name)
    gc.freeze()  # what is shared by the forks stays shared
    channel = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        order = json.loads(line)
        match order.pop("do"):
            case "start":
                reply: Any = start(order["run"])
            case "wait":
                reply = wait(order["pid"], order["within"])
            case "room":
                reply = room(order["steps"])
            case "import":
                reply = take_in(order["names"])
            case "warm":
                reply = warm(Path(order["cwd"]), order["runs"])
        os.write(channel, (json.dumps(reply) + "\n").encode())


def _be_the_command() -> None:
    """Run the command and end as an interpreter does, but for freeing what the forge had imported."""
    from facedata.cli.main import run

    code: Any = 0
    try:
        run()
    except SystemExit as left:
        code = left.code or 0
    except BaseException:  # noqa: BLE001 - as the interpreter does with what reaches its top
        traceback.print_exc()
        code = 1
    if "imported" in _run:
        early = {name for one in _run["early"] for name in sys.modules if name.partition(".")[0] == one}
        Path(_run["imported"]).write_text("\n".join(name for name in sys.modules if name not in early))
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0 if code == _run.get("well", 0) else code)


def main() -> None:
    """Serve until standard input ends; in a forked child, be the command."""
    try:
        _serve()
    except _Child:
        _be_the_command()


if __name__ == "__main__":
    main()
