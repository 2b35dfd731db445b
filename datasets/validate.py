"""`facedata validate`: every kind of damage that can be told from a dataset's own files.

What is checked: the record (readable, counts and version true), the rows (schema, order, values, ids that are
the hash of their row), the pictures and layers (there, unchanged, decodable, of the stated size), the shards
(named by their content), lineage (parents there, no cycles), splits (no subject, family or picture in two),
instruction records (their ids, samples, pictures and form), and files that no row knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from facedata.datasets.assemble import VersionHash
from facedata.datasets.canonical import content_hash
from facedata.datasets.card import CARD_NAME
from facedata.datasets.dataset import SAMPLES_NAME, Dataset
from facedata.datasets.errors import DatasetError, PictureError
from facedata.datasets.instructions import INSTRUCTIONS_NAME
from facedata.datasets.pictures import read_picture
from facedata.datasets.record import RECORD_NAME, Counts, Tally
from facedata.datasets.remote import shown
from facedata.datasets.sample import Sample
from facedata.datasets.sheet import SHEET_NAME
from facedata.datasets.storage import read_reference, shard_hashes, shard_name, stored_names
from facedata.datasets.versions.check_records import check_records
from facedata.datasets.versions.edits_log import EDITS_NAME

__all__ = ["Finding", "Validation", "validate"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: `check` is a short stable name, `message` names the thing and the mend."""

    check: str
    message: str
    sample_id: str | None = None


@dataclass
class Validation:
    """What a validation found; no findings means that the dataset is whole."""

    version: str
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)


def validate(path: str | Path) -> Validation:
    """Check the dataset at `path`; raise DatasetError only where there is no readable record at all."""
    dataset = Dataset.open(path)
    return _Check(dataset).run()


class _Check:
    """One pass over the rows; what is kept of each is small (ids, parents, splits)."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.root = dataset.root
        self.result = Validation(dataset.version)
        self.parents: dict[str, str | None] = {}
        self.splits: dict[str, str | None] = {}
        self.files: set[str] = set()
        self.split_of_subject: dict[str, tuple[str, str]] = {}
        self.split_of_content: dict[str, tuple[str, str]] = {}

    def run(self) -> Validation:
        version, tally, last = VersionHash(), Tally(), ""
        try:
            for table in self.dataset.tables():
                tally.add_table(table)
                for sample in map(Sample.from_row, table.to_pylist()):
                    self.result.rows += 1
                    self._order(sample.sample_id, last)
                    last = sample.sample_id
                    self._row(sample)
                    self._split(sample)
                    version.add(sample.row_hash())
        except DatasetError as error:
            self._find("samples", str(error))
            return self.result
        self._lineage()
        self._record(*self._instructions(version.result(), tally.counts()))
        names = stored_names(self.root)
        self._shards(names)
        self._strays(names)
        return self.result

    def _find(self, check: str, message: str, sample: str | None = None) -> None:
        self.result.findings.append(Finding(check, message, sample))

    def _order(self, sample_id: str, last: str) -> None:
        if sample_id == last or sample_id in self.parents:
            self._find("duplicate-id", f"two rows have the id {sample_id}; remove one", sample_id)
        elif sample_id < last:
            self._find("order", f"row {sample_id} stands after {last}; rows are sorted by id", sample_id)

    def _row(self, sample: Sample) -> None:
        self.parents[sample.sample_id] = sample.parent_id
        self.splits[sample.sample_id] = sample.split
        for problem in sample.problems():
            self._find("value", f"{sample.sample_id}: {problem}", sample.sample_id)
        if (expected := sample.expected_id()) is not None and expected != sample.sample_id:
            self._find(
                "sample-id",
                f"{sample.sample_id} is not the id of its row ({expected}): the source, the operator, the "
                "parameters, the seed or the variant was changed",
                sample.sample_id,
            )
        data = self._bytes(sample, sample.image, sample.content_hash)
        for layer in sample.layers:
            self._bytes(sample, layer.ref, layer.content_hash)
        if data is not None:
            self._picture(sample, data)

    def _bytes(self, sample: Sample, reference: str, expected: str) -> bytes | None:
        self.files.add((reference or "").partition("#")[0])  # null, where somebody changed the row
        try:
            data = read_reference(self.root, reference)
        except DatasetError as error:
            self._find("missing", str(error), sample.sample_id)
            return None
        if content_hash(data) != expected:
            self._find(
                "changed",
                f"{reference} has other bytes than when it was written (row {sample.sample_id}); restore it",
                sample.sample_id,
            )
            return None
        return data

    def _picture(self, sample: Sample, data: bytes) -> None:
        try:
            height, width = read_picture(data, sample.image, max_pixels=2**40).pixels.shape[:2]
        except PictureError as error:
            self._find("undecodable", str(error), sample.sample_id)
            return
        if (width, height) != (sample.width, sample.height):
            self._find(
                "size",
                f"{sample.image} is {width} x {height}, its row says {sample.width} x {sample.height}",
                sample.sample_id,
            )
        if sample.box is not None and len(sample.box) == 4:
            x, y, w, h = sample.box
            if x >= width or y >= height or x + w <= 0 or y + h <= 0:
                self._find("box", f"{sample.sample_id}: the box lies outside the picture", sample.sample_id)

    def _split(self, sample: Sample) -> None:
        """Find a subject or a picture that stands in two splits."""
        if sample.split is None:
            return
        # Person 1 of one source dataset is not person 1 of another.
        dataset = sample.source.dataset if sample.source else None
        subject = None if sample.subject is None else f"{dataset or ''}\0{sample.subject}"
        for what, key, seen in (
            ("subject", subject, self.split_of_subject),
            ("picture", sample.content_hash, self.split_of_content),
        ):
            if key is None:
                continue
            split, first = seen.setdefault(key, (sample.split, sample.sample_id))
            if split != sample.split:
                name = f"subject {sample.subject!r}" if what == "subject" else "the same picture"
                places = f"{split!r} ({first}) and {sample.split!r} ({sample.sample_id})"
                self._find("split-leak", f"{name} stands in the splits {places}", sample.sample_id)

    def _lineage(self) -> None:
        outside = {parent for parent in self.parents.values() if parent and parent not in self.parents}
        allowed = self._orphans(sum(1 for parent in self.parents.values() if parent in outside))
        for sample_id, parent in self.parents.items():
            if parent is None:
                continue
            if parent in outside:
                if not allowed:
                    message = (
                        f"{sample_id} has the parent {parent}, which is not in the dataset; restore its row"
                    )
                    self._find("dangling-parent", message, sample_id)
            elif self.splits[parent] != self.splits[sample_id]:
                message = f"{sample_id} is in split {self.splits[sample_id]!r}, its parent {parent} in "
                self._find("split-leak", f"{message}{self.splits[parent]!r}", sample_id)
        for sample_id in self._in_cycles():
            self._find("cycle", f"{sample_id} is its own ancestor; restore its parent", sample_id)

    def _orphans(self, found: int) -> bool:
        """Whether as many rows lack their parent as when the dataset was written."""
        record = self.dataset.record
        if record.counts.orphans is None:  # written before orphans were counted
            return record.parameters.get("originals") == "drop"
        return found == record.counts.orphans

    def _in_cycles(self) -> Iterator[str]:
        settled: set[str] = set()
        for start in self.parents:
            path: list[str] = []
            here: str | None = start
            while here is not None and here not in settled and here not in path:
                path.append(here)
                here = self.parents.get(here)
            if here is not None and here in path:
                yield here
            settled.update(path)

    def _instructions(self, version: str, counts: Counts) -> tuple[str, Counts]:
        """Check the instruction records, and return the version and the counts that cover them."""
        found = check_records(self.root, version)
        for check, message, sample in found.problems:
            self._find(check, message, sample)
        return found.version, counts.model_copy(update={"instructions": found.counts})

    def _record(self, version: str, counts: Counts) -> None:
        record = self.dataset.record
        if version != record.version:
            self._find(
                "version",
                f"the rows give version {version}, {RECORD_NAME} says {record.version}: rows were changed, "
                "added or removed; restore samples.parquet or make the dataset again",
            )
        for name, found in counts.model_dump().items():
            stated = getattr(record.counts, name)
            if found != stated and not (name == "orphans" and stated is None):
                self._find("counts", f"{RECORD_NAME} says {name} {stated}, the rows give {found}")

    def _shards(self, names: Sequence[str]) -> None:
        for name in names:
            if not (name.startswith("shards/") and name.endswith(".parquet")):
                continue
            try:
                hashes = shard_hashes(self.root, name)
            except (OSError, ValueError, KeyError, pa.ArrowException) as error:
                self._find("shard", f"{name} cannot be read ({error}); restore it or make the dataset again")
                continue
            if shard_name(hashes) != name:
                self._find(
                    "shard", f"{name} is not named by its content; restore it or make the dataset again"
                )

    def _strays(self, names: Sequence[str]) -> None:
        known = {RECORD_NAME, SAMPLES_NAME, CARD_NAME, SHEET_NAME, EDITS_NAME, INSTRUCTIONS_NAME}
        for name in (CARD_NAME, SHEET_NAME):
            if not (self.root / name).is_file():
                self._find("missing", f"{shown(self.root / name)} is missing; make the dataset again")
        for name in names:
            if name not in known and name not in self.files:
                self._find("stray", f"{name} belongs to no row; move it out of the dataset")
