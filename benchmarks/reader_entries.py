"""A million listed entries: memory and time of the source, before any picture is read.

    python benchmarks/reader_entries.py [ENTRIES]

Prints the time to take the entries in and to hand all of them out in shards, and the peak of resident memory.
The floor of the time is a loop that only writes each entry's values as JSON and hashes its place.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

from facedata.datasets.canonical import canonical_json, identifier
from facedata.datasets.entries import Setting
from facedata.datasets.reader_source import ReaderSource
from facedata.datasets.readers.base import Entry
from facedata.datasets.readers.celeba_spoof import CelebASpoof


def entries(count: int) -> Iterator[Entry]:
    """Yield entries as CelebA-Spoof's are: the longest rows of the readers."""
    reader = CelebASpoof()
    traits = ["Arched_Eyebrows", "Attractive", "Brown_Hair", "Heavy_Makeup", "No_Beard", "Smiling", "Young"]
    for number in range(count):
        values = {
            "domain": reader.name,
            "label": "spoof",
            "attack": "print/photo",
            "subject": reader.subject(str(number // 60)),
            "split": "train",
            "box": [number % 90, number % 70, 100.0, 120.0],
            "box_in": (224, 224),
            "attributes": {"traits": traits, "spoof_type": "photo", "light": "normal", "place": "indoor"},
        }
        file = f"Data/train/{number // 60}/spoof/{number:06d}.jpg"
        yield Entry(file, values, where=f"metas/intra_test/train_label.json: entry {number + 1}")


def peak() -> float:
    """Return the peak of resident memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(count: int) -> None:
    """Measure and print."""
    before, start = peak(), time.perf_counter()
    for entry in entries(count):
        canonical_json(entry.values)
        identifier("place", entry.file)
    floor = time.perf_counter() - start
    start = time.perf_counter()
    source = ReaderSource(entries(count), Setting("/nowhere"), CelebASpoof())
    taken = time.perf_counter() - start
    held, start = peak(), time.perf_counter()
    handed = sum(len(items) for _, items in source.shards(256))
    out = time.perf_counter() - start
    print(f"entries            {count}, of which {handed} came out")
    print(f"taken in           {taken:.1f} s, {taken / floor:.2f} of the floor ({floor:.1f} s)")
    print(f"handed out         {out:.1f} s")
    print(
        f"resident, at most  {before:.0f} MB at the start, {held:.0f} MB taken in, {peak():.0f} MB at the end"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
