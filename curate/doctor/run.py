"""`facedata doctor`: every check, those that wait for other processes side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facedata.curate.doctor import database, machine
from facedata.curate.doctor.base import Check
from facedata.curate.installing import installed

__all__ = ["examine"]


def examine(cache: Path) -> list[Check]:
    """Look at everything, and return what was seen, in an order for people.

    `cache` is the folder of pictures made before. Nothing is changed, but that a MongoDB of FiftyOne's own
    runs for a moment in a folder for once.
    """
    parts: Sequence[Callable[[], Sequence[Check]]] = (
        lambda: (machine.python(), machine.facedata(), *machine.extras()),
        lambda: (machine.numba(), machine.video()),
        lambda: (machine.gpu(), machine.room(cache)),
        _fiftyone,
    )
    with ThreadPoolExecutor(len(parts)) as pool:
        running = [pool.submit(part) for part in parts]
        return [check for part in running for check in part.result()]


def _fiftyone() -> list[Check]:
    check, settings = database.fiftyone()
    if settings is None:
        return [check]
    found = [check]
    if settings.uri is not None:
        found.append(database.answers(settings.uri, settings.name, settings.least))
    else:
        found.append(database.installed(Path(settings.programs)))
        if found[-1].state == "ok":
            found.append(database.runs(Path(settings.programs) / "mongod"))
    return [*found, database.app_port(settings.address, settings.port), _plugin(Path(settings.plugins))]


def _plugin(folder: Path) -> Check:
    if installed(folder):
        return Check("plugin", "ok", f"linked in {folder}")
    mend = "facedata curate install-plugin"
    return Check("plugin", "missing", f"the App has no panel of facedata's ({folder})", mend, needed=False)
