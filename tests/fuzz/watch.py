"""What counts as a finding: what an input makes the process do that no input may.

Python tells an audit hook of each opening, import, `exec`, process and connection before it happens. What C++
libraries open for themselves goes past it; a FIFO that nobody may read lies outside the tree for those.
"""

from __future__ import annotations

import contextlib
import dis
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from facedata.datasets.errors import FacedataError

__all__ = ["Finding", "Watch", "limit_memory"]

MOST_SECONDS = 5.0
"""Of processor time, for an input of some kilobytes."""
MOST_BYTES = 768 << 20
"""By which one input may raise the process's peak: what a lying Parquet file is allowed, and a little."""

_NEVER = {
    *("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty"),
    *("os.posix_spawn", "os.spawn", "pty.spawn", "os.kill", "socket.connect", "socket.bind", "socket.sendto"),
    *("socket.getaddrinfo", "urllib.Request", "ftplib.connect", "smtplib.connect", "webbrowser.open"),
    *("function.__new__", "cpython.run_command", "cpython.run_file", "cpython.run_module"),
}
_CHANGES = {
    *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "os.chmod"),
    *("shutil.rmtree", "os.utime", "os.mkfifo", "os.mknod"),
}
_CALLS = {"exec", "compile", "import", "marshal.loads", "ctypes.dlopen", "code.__new__"}
_MAY_CALL = (
    *("importlib", "_frozen_importlib", "zipimport", "runpy"),  # modules that the code names
    *("ast", "jinja2", "dataclasses", "collections", "typing", "pydantic", "attr", "functools", "enum"),
    *("numba", "llvmlite", "numpy", "pandas", "pyarrow", "scipy", "cv2", "_pytest", "atheris", "re"),
)
"""Who compiles by trade: from code and schemas that the project names, and texts to be parsed and not run."""
_IMPORTS = ("importlib", "_frozen_importlib")
_LIBRARY = os.path.dirname(os.__file__)  # noqa: PTH120
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Finding:
    """One thing that must not be: `kind` is a word, `where` the line of code, `detail` what was seen."""

    kind: str
    where: str
    detail: str

    @property
    def key(self) -> str:
        """What two inputs share that show the same thing."""
        return f"{self.kind} {self.where}"


class Watch:
    """Runs a target on inputs, one after the other, and tells what each came to.

    `tree` and `scratch`, for temporary files, may be changed; `outside` may not even be read.
    """

    def __init__(self, tree: Path, scratch: Path, outside: Path | None) -> None:
        self._mine = (f"{tree.resolve()}/", f"{scratch.resolve()}/", "/dev/null/")
        self._outside = outside and f"{outside.resolve()}/"
        self._armed = False
        self._seen: list[Finding] = []
        sys.addaudithook(self._told)  # for good: there is no taking it away

    def run(self, target: Callable[[bytes], None], data: bytes) -> Finding | None:
        """Return what the input came to, None where that is the project's own error or none."""
        self._seen.clear()
        _forget_peak()
        peak, began = _peak(), time.process_time()
        self._armed = True
        try:
            with contextlib.suppress(FacedataError):
                target(data)
        except Exception as error:  # noqa: BLE001 - which is what is looked for
            told = "".join(traceback.format_exception(error))[-6000:]
            self._seen.append(Finding(type(error).__name__, _place(error), told))
        finally:
            self._armed = False
        if (took := time.process_time() - began) > MOST_SECONDS:
            self._seen.append(Finding("time", "", f"{took:.1f} s"))
        if (grown := _peak() - peak) > MOST_BYTES:
            self._seen.append(Finding("memory", "", f"{grown >> 20} MiB more at the peak"))
        return self._seen[0] if self._seen else None

    def _told(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._armed:
            return
        self._armed = False  # what is done here is not to be met here
        try:
            if (what := self._wrong(event, arguments)) is not None:
                self._seen.append(Finding(event, _caller(), what))
        finally:
            self._armed = True

    def _wrong(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        if event in _NEVER:
            return repr(arguments)[:500]
        if event in _CALLS:
            name = sys._getframe(2).f_globals.get("__name__", "")
            if event == "import":
                return None  # by a statement; a name that was made is met where its code runs
            if event == "exec" and name.startswith(_IMPORTS):
                return _by_name(sys._getframe(2), arguments[0])
            if name.partition(".")[0] in _MAY_CALL or _importing(sys._getframe(2)):
                return None
            return f"{arguments!r:.300} by {name}"
        if event in _CHANGES or event == "open":
            changes = event != "open" or bool((arguments[2] or 0) & _WRITES)
            for path in _paths(event, arguments):
                if self._out(path, changes):
                    return path
        return None

    def _out(self, path: str, changes: bool) -> bool:
        place = os.path.abspath(path) + "/"  # noqa: PTH100 - resolve() asks the disk, which is audited
        if self._outside and place.startswith(self._outside):
            return True
        compiled = place.endswith((".pyc/", ".nbi/", ".nbc/"))
        return changes and not compiled and not place.startswith(self._mine)


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being loaded, which may do what it likes; which module is watched for itself."""
    while frame is not None and frame.f_globals.get("__name__") != __name__:
        if frame.f_globals.get("__name__", "").startswith(_IMPORTS):
            return True
        frame = frame.f_back
    return False


def _by_name(frame: FrameType | None, code: CodeType) -> str | None:
    """Return who imports a module by a name that was made, None where an `import` stands in the code.

    Libraries may, and the project's catalogues, of its own modules.
    """
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_IMPORTS):
        frame = frame.f_back
    if frame is None or dis.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_NAME":
        return None
    by = frame.f_code.co_filename
    known = "/facedata/" in code.co_filename or "/site-packages/" in by or by.startswith(_LIBRARY)
    return None if known else f"{code.co_filename} by {by}"


def _paths(event: str, arguments: tuple[Any, ...]) -> Iterator[str]:
    """Yield the paths of an event; names within an open folder, as rmtree has them, in full."""
    pairs = {"os.rename": (2, 3), "os.link": (2, 3), "os.remove": (1,), "os.rmdir": (1,), "os.mkdir": (2,)}
    places = pairs.get(event, ())
    for number, path in enumerate(arguments[: 2 if len(places) == 2 else 1]):
        if isinstance(path, str | bytes | os.PathLike):
            name = os.fsdecode(path)
            folder = arguments[places[number]] if number < len(places) else -1
            if isinstance(folder, int) and folder >= 0 and not name.startswith("/"):
                name = f"{Path(f'/proc/self/fd/{folder}').readlink()}/{name}"
            yield name


def limit_memory(more: int) -> None:
    """Have this process hold at most `more` bytes beyond what it holds: a bomb ends it, not the machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _forget_peak() -> None:
    """Have the highest memory be that of now: an input before may have taken more than this one can add."""
    with contextlib.suppress(OSError):  # another system than Linux
        Path("/proc/self/clear_refs").write_text(
            "5", "ascii"
        )  # proc_pid_clear_refs(5): peak resident set size


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _place(error: BaseException) -> str:
    """Return the innermost line of the project that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "facedata" in frame.filename] or list(frames)[-1:]
    name = own[-1].filename.rpartition("facedata/")[2] if own else ""
    return f"{name}:{own[-1].lineno}" if own else ""


def _caller() -> str:
    frame = sys._getframe(3)
    while frame is not None and "facedata" not in frame.f_code.co_filename:
        frame = frame.f_back
    if frame is None:
        return ""
    return f"{frame.f_code.co_filename.rpartition('facedata/')[2]}:{frame.f_lineno}"
