"""`facedata validate`: every kind of damage that can be told from a dataset's own files.

What is checked: the record (readable, counts and version true), the rows (schema, order, values, ids that are
the hash of their row), the pictures and layers (there, unchanged, decodable, of the stated size), the shards
(named by their content), lineage (parents there, no cycles), splits (no subject, family or picture in two),
instruction records (their ids, samples, pictures and form), and files that no row knows.

What compares rows with each other (ids, parents, splits, files) does so bucket by bucket, see buckets.py, so
a dataset of a million rows takes hardly more memory than one of a thousand. Only findings are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facedata.datasets.assemble import VersionHash
from facedata.datasets.buckets import Buckets, enough_for
from facedata.datasets.card import CARD_NAME
from facedata.datasets.dataset import SAMPLES_NAME, Dataset
from facedata.datasets.errors import DatasetError
from facedata.datasets.instructions import INSTRUCTIONS_NAME
from facedata.datasets.record import RECORD_NAME, Counts, Tally
from facedata.datasets.remote import shown
from facedata.datasets.shared_out import shared_out
from facedata.datasets.sheet import SHEET_NAME
from facedata.datasets.storage import stored_names
from facedata.datasets.validation.files import add_files, unknown
from facedata.datasets.validation.finding import Finding, Found
from facedata.datasets.validation.kin import KIN_COLUMNS, Kin
from facedata.datasets.validation.pictures import PICTURES, Pictures, add_pictures, in_pieces
from facedata.datasets.validation.rows import ROWS, Rows
from facedata.datasets.validation.shards import SHARDS, Shards
from facedata.datasets.validation.splits import SPLIT_COLUMNS, leaks
from facedata.datasets.versions.check_records import check_records
from facedata.datasets.versions.edits_log import EDITS_NAME

__all__ = ["Finding", "Validation", "validate"]

_ENOUGH = 4000  # rows: below, starting workers takes longer than the work
_SHARDS, _MANY_SHARDS = 16, 512  # handed to a worker at once; looked at here where there are fewer
_KNOWN = frozenset([RECORD_NAME, SAMPLES_NAME, CARD_NAME, SHEET_NAME, EDITS_NAME, INSTRUCTIONS_NAME])


@dataclass
class Validation:
    """What a validation found; no findings means that the dataset is whole."""

    version: str
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)


def validate(path: str | Path, workers: int = 1) -> Validation:
    """Check the dataset at `path`, with so many processes; one is this process itself.

    Raises DatasetError only where there is no readable record at all.
    """
    dataset = Dataset.open(path)
    return _Check(dataset, workers).run()


class _Check:
    """The passes over a dataset: rows, pictures, ids and parents, splits."""

    def __init__(self, dataset: Dataset, workers: int) -> None:
        self.dataset = dataset
        self.root = dataset.root
        self.workers = workers if len(dataset) >= _ENOUGH else 1
        self.result = Validation(dataset.version)
        self.found: list[Found] = []
        self.error: str | None = None
        self.splits: set[str] = set()
        self.shards: list[str] = []
        self.strays: list[str] = []

    def run(self) -> Validation:
        with Buckets(enough_for(len(self.dataset))) as pictures:
            version, counts = self._rows(pictures)
            self._pictures(pictures)
        if len(self.splits) > 1:
            self.found += leaks(self._columns(SPLIT_COLUMNS), self.result.rows)
        kin = Kin(self.result.rows)
        for start, table in self._columns(KIN_COLUMNS):
            kin.add_table(start, table)
        self.found += kin.order()
        self.result.findings = [finding for *_, finding in sorted(self.found, key=lambda one: one[:2])]
        if self.error is not None:
            self._find("samples", self.error)
        else:
            self.result.findings += kin.lineage(self._orphans)
            self._record(*self._instructions(version, counts))
            self._shards()
            self._strays()
        kin.close()
        return self.result

    def _find(self, check: str, message: str, sample: str | None = None) -> None:
        self.result.findings.append(Finding(check, message, sample))

    def _rows(self, pictures: Buckets) -> tuple[str, Counts]:
        """Look at each row alone, as far as they can be read; return the version and the counts they give."""
        version, tally = VersionHash(), Tally()
        for (start, table), looked in shared_out(ROWS, self._tables(), self.workers):
            table = table.slice(0, looked.rows)
            self.result.rows += looked.rows
            self.found += looked.found
            for row_hash in looked.hashes:
                version.add(row_hash)
            tally.add_table(table)
            add_pictures(pictures, start, table)
            self.splits.update(split for split in table["split"].unique().to_pylist() if split is not None)
            if looked.error is not None:
                self.error = looked.error
                break
        return version.result(), tally.counts()

    def _tables(self) -> Iterator[Rows]:
        """Yield all rows, up to those that cannot be read: what comes before is looked at nevertheless."""
        start = 0
        try:
            for table in self.dataset.tables():
                yield start, table
                start += table.num_rows
        except DatasetError as error:
            self.error = str(error)

    def _columns(self, names: Sequence[str]) -> Iterator[Rows]:
        """Yield columns of the rows that could be read, each table with the number of its first row."""
        start, tables = 0, self.dataset.tables(names)
        while start < self.result.rows:
            table = next(tables)
            yield start, table.slice(0, self.result.rows - start)
            start += table.num_rows

    def _pictures(self, references: Buckets) -> None:
        """Look at every picture and layer, and for files that none of them is."""
        with Buckets(len(references)) as files:
            add_files(files, self._names())

            def pieces() -> Iterator[Pictures]:
                for number in range(len(references)):
                    of_bucket = references.whole(number)
                    self.strays += unknown(files.whole(number), of_bucket)
                    if of_bucket is not None:
                        yield from in_pieces(self.root, of_bucket)

            for _, found in shared_out(PICTURES, pieces(), self.workers):
                self.found += found

    def _names(self) -> Iterator[str]:
        """Yield the names of files that a row should know; those of shards are kept."""
        for name in stored_names(self.root):
            if name.startswith("shards/") and name.endswith(".parquet"):
                self.shards.append(name)
            if name not in _KNOWN:
                yield name

    def _orphans(self, found: int) -> bool:
        """Whether as many rows lack their parent as when the dataset was written."""
        record = self.dataset.record
        if record.counts.orphans is None:  # written before orphans were counted
            return record.parameters.get("originals") == "drop"
        return found == record.counts.orphans

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

    def _shards(self) -> None:
        self.shards.sort()
        starts = range(0, len(self.shards), _SHARDS)
        pieces: Iterator[Shards] = ((self.root, self.shards[start : start + _SHARDS]) for start in starts)
        workers = self.workers if len(self.shards) > _MANY_SHARDS else 1
        for _, found in shared_out(SHARDS, pieces, workers):
            self.result.findings += found

    def _strays(self) -> None:
        for name in (CARD_NAME, SHEET_NAME):
            if not (self.root / name).is_file():
                self._find("missing", f"{shown(self.root / name)} is missing; make the dataset again")
        for name in sorted(self.strays):
            self._find("stray", f"{name} belongs to no row; move it out of the dataset")
