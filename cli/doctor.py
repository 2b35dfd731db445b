"""facedata doctor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from facedata.curate.doctor.base import Check


def doctor(json_wanted: o.Json = False) -> None:
    """Say what keeps facedata, or the FiftyOne it curates with, from working here, and the mend.

    Exit code 1 means that something which is installed does not work. Extras that are not installed are none
    of that.
    """
    from facedata.curate.doctor.run import examine

    checks = examine(Path(os.environ.get("FACEDATA_CACHE", ".facedata/cache")))
    faults = [check for check in checks if check.fault]
    if json_wanted:
        show.as_json({"healthy": not faults, "checks": [_fields(check) for check in checks]})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            show.echo(f"{check.name:{width}}  {check.state:7}  {check.seen}")
            if check.mend and check.state != "ok":
                show.echo(f"{'':{width}}  mend     {check.mend}")
    if faults:
        raise typer.Exit(1)


def _fields(check: Check) -> dict[str, str | bool]:
    return {
        "name": check.name,
        "state": check.state,
        "seen": check.seen,
        "mend": check.mend,
        "needed": check.needed,
    }
