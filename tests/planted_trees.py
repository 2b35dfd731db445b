"""Small trees in the layouts of datasets, and what a reader says of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from conftest import jpeg

from facedata.datasets.ingest import parse_choices
from facedata.datasets.readers.base import Entry, Note
from facedata.datasets.readers.catalogue import open_reader

PICTURE = object()
"""Stands for a picture of its own in the tables of files."""


@dataclass
class Said:
    """What a reader said, sorted by kind."""

    entries: dict[str, Entry] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        return [failure.reason for failure in self.failures]


def plant(root, files):
    """Write the files of a tree: text, bytes, or PICTURE."""
    for number, (place, content) in enumerate(files.items()):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is PICTURE:
            content = jpeg(number, width=24, height=20)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return root


def read(name, root, **choices):
    """Return what the reader says of a tree."""
    reader, said = open_reader(name), Said()
    for one in reader.read(root, parse_choices(reader, choices)):
        if isinstance(one, Note):
            said.notes.append(one.text)
        elif isinstance(one, Entry):
            assert one.file not in said.entries, f"{one.file} came twice"
            said.entries[one.file] = one
        else:
            said.failures.append(one)
    return said
