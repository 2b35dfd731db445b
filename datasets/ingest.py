"""`facedata ingest`: pictures as they are, with labels, into a dataset."""

from __future__ import annotations

from pathlib import Path

from facedata.datasets.engine import ItemSource, Options, Result, run
from facedata.datasets.errors import UsageError
from facedata.datasets.inputs import Reading, open_input, refuse_overlap
from facedata.datasets.task import Ingest

__all__ = ["INGEST_KINDS", "ingest", "ingest_demo"]

INGEST_KINDS = ("folder", "list", "demo")


def ingest(kind: str, path: Path, target: Path, reading: Reading, options: Options) -> Result:
    """Make a dataset of a `folder` of pictures or of a `list`; the pictures' bytes are kept."""
    if kind not in ("folder", "list"):
        raise UsageError(f"kind {kind!r} is not one of {', '.join(INGEST_KINDS)}")
    refuse_overlap(path, target)
    source: ItemSource = open_input(path, reading, kind)
    task = Ingest({"kind": kind, "input": path.resolve().name, **reading.settings()})
    return run("ingest", task, source, target, None, options)


def ingest_demo(
    target: Path, options: Options, *, identities: int = 12, pictures: int = 4, size: int = 256, seed: int = 0
) -> Result:
    """Make a dataset of rendered faces: `pictures` of each of `identities` persons, `size` pixels square."""
    from facedata.datasets.demo_source import DemoSource  # the renderer compiles kernels: only where needed

    source = DemoSource(identities, pictures, size, seed)
    task = Ingest(
        {"kind": "demo", "identities": identities, "pictures": pictures, "size": size},
        preload=("facedata.datasets.demo",),
    )
    return run("ingest", task, source, target, seed, options)
