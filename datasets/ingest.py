"""`facedata ingest`: pictures as they are, with labels, into a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from facedata.datasets.engine import ItemSource, Options, Result, run
from facedata.datasets.entries import Setting
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.framing import Framing
from facedata.datasets.inputs import Reading, open_input, refuse_overlap
from facedata.datasets.reader_source import ReaderSource
from facedata.datasets.readers.base import Choices, Reader
from facedata.datasets.readers.catalogue import open_reader
from facedata.datasets.task import Ingest

__all__ = ["INGEST_KINDS", "ingest", "ingest_demo", "ingest_reader", "parse_choices"]

INGEST_KINDS = ("folder", "list", "demo")


def ingest(kind: str, path: Path, target: Path, reading: Reading, options: Options) -> Result:
    """Make a dataset of a `folder` of pictures or of a `list`; the pictures' bytes are kept."""
    if kind not in ("folder", "list"):
        raise UsageError(f"kind {kind!r} is not one of {', '.join(INGEST_KINDS)}")
    refuse_overlap(path, target)
    source: ItemSource = open_input(path, reading, kind)
    task = Ingest({"kind": kind, "input": path.resolve().name, **reading.settings()})
    return run("ingest", task, source, target, None, options)


def ingest_reader(
    name: str,
    path: Path,
    target: Path,
    reading: Reading,
    options: Options,
    *,
    choices: Mapping[str, str] | None = None,
    framing: Framing | None = None,
) -> Result:
    """Make a dataset of one in its authors' layout, by the reader of that name (see `readers.catalogue`).

    `choices` settles what the reader cannot see from the files. Raises SourceError where `path` is not that
    dataset, and UsageError, naming the choice, where its reading is ambiguous.
    """
    reader, framing = open_reader(name), framing or Framing()
    if stated := [flag for flag in ("label", "label_map", "map") if getattr(reading, flag)]:
        flags = ", ".join("--" + flag.replace("_", "-") for flag in stated)
        raise UsageError(f"{name} states its labels; leave out {flags} (what is open is settled by --choose)")
    if not path.is_dir():
        raise SourceError(f"{path} is no folder; give the one that holds\n{reader.tree}")
    refuse_overlap(path, target)
    chosen = parse_choices(reader, choices or {})
    described = {"kind": name, "input": path.resolve().name, **reading.settings(), **framing.settings()}
    if settled := chosen.model_dump(mode="json", exclude_unset=True):
        described["choices"] = settled
    setting = Setting(
        root=str(path.resolve()),
        dataset=reading.name or name,
        values=reading.values(),
        framing=framing,
        follow_links=reading.follow_links,
        opener=reader.opener,
    )
    source = ReaderSource(reader.read(path.resolve(), chosen), setting, reader)
    task = Ingest(described, preload=("facedata.datasets.entries",))
    return run("ingest", task, source, target, None, options)


def parse_choices(reader: Reader, given: Mapping[str, str]) -> Choices:
    """Return the reader's choices from words; raise UsageError naming the one that cannot be."""
    try:
        return reader.choices.model_validate(dict(given))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "choices"
        known = ", ".join(reader.choices.model_fields) or "none"
        raise UsageError(
            f"--choose {place}={given.get(place, '')}: {problem['msg'].lower()}; "
            f"the choices of {reader.name} are: {known}"
        ) from None


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
