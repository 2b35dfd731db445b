"""What an export is: the rows that were picked, streamed, and a kind that writes them into a folder."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from facedata.datasets.canonical import content_hash
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, UsageError
from facedata.datasets.record import Counts, Record, Tally

__all__ = ["Card", "Choices", "Exporter", "Layers", "Names", "Picks", "Progress", "Written", "record_of"]

Progress = Callable[[int, int], None]
_COUNTED = ("label", "attack", "domain", "split", "operator", "subject", "sample_id", "parent_id")
_RESERVED = {"all"}  # Hugging Face's word for every split


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""Names as one text, separated by commas."""


class Choices(BaseModel):
    """What a user may choose of a kind, by `--choose NAME=VALUE`; a kind declares its own fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Layers(Choices):
    """A kind that can carry the dataset's layers along."""

    layers: Names = Field((), description="truth pictures to take along, such as mask,regions")


@dataclass(frozen=True)
class Picks:
    """The rows of a dataset that are exported: all, or those of some `splits` (`none`: rows without one)."""

    dataset: Dataset
    splits: tuple[str, ...] = ()
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if unknown := set(self.splits) - set(self.dataset.record.counts.by_split):
            known = ", ".join(self.dataset.record.counts.by_split)
            raise UsageError(f"{self.dataset.root} has no split {sorted(unknown)[0]!r}; it has {known}")

    @cached_property
    def counts(self) -> Counts:
        """What the picked rows come to."""
        if not self.splits:
            return self.dataset.record.counts
        tally = Tally()
        for table in self._tables(_COUNTED):
            tally.add_table(table)
        return tally.counts()

    @cached_property
    def split_names(self) -> dict[str | None, str]:
        """The name in the export of each split, as file names and Hugging Face take it: letters, digits, `_`.

        Rows of no split are `train` where no row has one, because every loader looks for that first, and
        `unassigned` beside rows that have one.
        """
        found = [name for name in self.counts.by_split if name != "none"]
        names: dict[str | None, str] = {name: _word(name) for name in found}
        if "none" in self.counts.by_split:
            names[None] = "unassigned" if found else "train"
            names["none"] = "none"  # one that is really called so is counted under the same name
        taken: dict[str, str | None] = {}
        for name, word in names.items():
            if word in taken:
                raise UsageError(
                    f"the splits {taken[word]!r} and {name!r} would both be {word!r}; rename one"
                )
            taken[word] = name
        return names

    def split_name(self, split: str | None) -> str:
        """Return the name of a row's split; raise DatasetError where the record does not count it."""
        try:
            return self.split_names[split]
        except KeyError:
            raise DatasetError(
                f"{self.dataset.root} has rows of the split {split!r}, which its record does not count; see "
                "all damage with `facedata validate`"
            ) from None

    @cached_property
    def units(self) -> tuple[int, ...]:
        """The action units that any row of the dataset has or was coded for, sorted."""
        found: set[int] = set()
        for table in self.dataset.tables(["au", "au_domain"]):
            pairs = pc.list_flatten(table["au"])
            for column in (pc.struct_field(pairs, "au"), pc.list_flatten(table["au_domain"])):
                found.update(value for value in pc.unique(column).to_pylist() if value is not None)
        return tuple(sorted(found))

    def check_layers(self, wanted: Sequence[str]) -> None:
        """Raise UsageError where a layer is asked for that no row has."""
        if not wanted:
            return
        known: set[str] = set()
        for table in self.dataset.tables(["layers"]):
            known.update(pc.unique(pc.struct_field(pc.list_flatten(table["layers"]), "name")).to_pylist())
        if unknown := set(wanted) - known:
            there = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise UsageError(f"{self.dataset.root} has no layer {sorted(unknown)[0]!r}; {there}")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the picked rows, as `Table.to_pylist` gives them, in the order of their ids."""
        done, total = 0, self.counts.rows
        for table in self._tables(None):
            for row in table.to_pylist():
                yield row
                done += 1
            if self.progress:
                self.progress(done, total)

    def read(self, reference: str, expected: str) -> bytes:
        """Return the bytes of a picture or a layer; raise DatasetError where they are not the row's."""
        data = self.dataset.read(reference)
        if content_hash(data) != expected:
            raise DatasetError(
                f"{self.dataset.root}: {reference} was changed since its row was written; restore it, or see "
                "all damage with `facedata validate`"
            )
        return data

    def layers_of(self, row: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, bytes | None]:
        """Return the PNG bytes of the wanted layers of a row, None where it has no such layer."""
        known = {layer["name"]: layer for layer in row["layers"] or ()}
        return {
            name: self.read(known[name]["ref"], known[name]["content_hash"]) if name in known else None
            for name in wanted
        }

    def _tables(self, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        if not self.splits:
            yield from self.dataset.tables(columns)
            return
        wanted = pa.array(self.splits, pa.string())
        for table in self.dataset.tables(columns):
            yield table.filter(pc.is_in(pc.fill_null(table["split"], "none"), wanted))


@dataclass(frozen=True, slots=True)
class Written:
    """What a kind wrote: rows by split, and what people should know of it."""

    rows: Mapping[str, int]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """What a kind adds to the card: the hub's YAML, and how to load it, as Markdown."""

    loading: str
    front: Mapping[str, Any] = field(default_factory=dict)


class Exporter(ABC):
    """Writes one kind of export. Stateless; a new kind is a module with a subclass, listed in the catalogue.

    Equal rows, pictures and choices give equal bytes, whatever the dataset's layout, name or place.
    """

    name: ClassVar[str]
    """What `--to` calls it."""

    title: ClassVar[str]
    """What it is and who reads it, in one line."""

    choices: ClassVar[type[Choices]] = Choices
    """What can be chosen by `--choose`."""

    hub: ClassVar[bool] = False
    """Whether the hub takes it: few files, all of them under `data/`."""

    @abstractmethod
    def write(self, picks: Picks, tree: Path, choices: Any) -> Written:
        """Write the picked rows into the empty folder `tree`, in memory that does not grow with their number.

        `choices` is an instance of the class of that name. Raises UsageError where they do not suit the rows,
        and DatasetError where a picture is not that of its row.
        """

    @abstractmethod
    def card(self, picks: Picks, written: Written, choices: Any) -> Card:
        """Return what the export's README.md says of loading it."""


def _word(name: str) -> str:
    word = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"{word}_" if word in _RESERVED else word


def record_of(picks: Picks) -> Record:
    """Return the dataset's record with the counts of the picked rows."""
    return picks.dataset.record.model_copy(update={"counts": picks.counts})
