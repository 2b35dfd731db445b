"""A shard on which workers died: which of its pictures kill, and the shard without them."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from facedata.datasets.items import printable
from facedata.datasets.shard import ShardSpec

__all__ = ["NOBODY_TO_BLAME", "without_killers"]

NOBODY_TO_BLAME = (
    "workers keep dying and no single picture is to blame (too little memory?); go on with --resume and "
    "fewer --workers"
)
_PROBE = ".probe"


def without_killers(
    spec: ShardSpec, make: Callable[[ShardSpec], str], died: type[Exception] | tuple[type[Exception], ...]
) -> ShardSpec:
    """Return `spec` with the pictures set aside on which `make` raises `died`, each tried by itself.

    `make` makes a shard in a worker. What it makes here is thrown away: a part is a whole shard or none.
    """
    quarantined = dict(spec.quarantined)
    probes = Path(spec.parts, f"{_PROBE}-{spec.name}")
    try:
        for number, item in enumerate(spec.items):
            name = f"{spec.name}-{number}"
            probe = dataclasses.replace(
                spec, name=name, items=(item,), parts=str(probes), remote=None, quarantined={}
            )
            started = time.monotonic()
            try:
                make(probe)
            except died:
                slow = 0 < spec.limit <= time.monotonic() - started
                quarantined[item.place] = f"{printable(item.place)}: " + (
                    f"not done within {spec.limit:g} s; remove it, or give it more time with --timeout"
                    if slow
                    else "a worker died on this picture (a crash in a library, or too little memory); remove "
                    "it, or run with --engine serial to see the crash"
                )
    finally:
        shutil.rmtree(probes, ignore_errors=True)
    return dataclasses.replace(spec, quarantined=quarantined)
