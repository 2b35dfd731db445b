"""Pictures carried into Parquet shards.

A shard goes over whole where all of its pictures do, else what stays of it is packed anew: a picture that was
left out must not lie on in the bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facedata.datasets.canonical import content_hash
from facedata.datasets.errors import DatasetError
from facedata.datasets.record import Failure
from facedata.datasets.sample import SCHEMA
from facedata.datasets.storage import ShardsWriter, read_reference, shard_at_hand
from facedata.datasets.versions.carry import CHANGED, ORIGIN, Carrier, not_carried, with_column

__all__ = ["ToShards"]

_ROW = 32  # bits: a wanted picture is the number of its shard, then its row
_MASK = (1 << _ROW) - 1
_Place = tuple[int, str]  # number of the input, and a file in it


class ToShards(Carrier):
    """Fewer than a hundred bytes are kept of a wanted picture, so a million take a tenth of a gigabyte."""

    def __init__(self, inputs: Sequence[Path], tree: Path) -> None:
        super().__init__(inputs, tree)
        self._shards: dict[_Place, int] = {}
        self._wanted: NDArray[np.int64] = np.zeros(0, np.int64)
        self._moved: NDArray[np.int64] = np.zeros(0, np.int64)  # number of the new name, then the row; or -1
        self._names: list[str] = []
        self._files: dict[_Place, str] = {}
        self._reasons: dict[_Place, str] = {}

    def plan(self, tables: Iterable[pa.Table]) -> None:
        """Find which pictures of which shard are wanted, and carry them."""
        hashes, files = self._collected(tables)
        self._moved = np.full(len(self._wanted), -1, np.int64)
        shutil.rmtree(self.tree / "shards", ignore_errors=True)  # of a run that was stopped
        writer = ShardsWriter(self.tree)
        for place, number in sorted(self._shards.items()):
            low, high = np.searchsorted(self._wanted, [number << _ROW, (number + 1) << _ROW])
            try:
                self._carry_shard(writer, place, range(low, high), hashes)
            except (KeyError, DatasetError, FileNotFoundError, pa.ArrowException) as error:
                self._reasons[place] = f"{place[1]} cannot be read ({error}); restore it"
            self._settle(writer.take())
        for place, expected in sorted(files.items()):
            try:
                data = read_reference(self.inputs[place[0]], place[1])
            except DatasetError as error:
                self._reasons[place] = str(error)
                continue
            if content_hash(data) == expected:
                writer.put(data, f"{place[0]}:{place[1]}")
                self._settle(writer.take())
        self._settle(writer.close())

    def _collected(self, tables: Iterable[pa.Table]) -> tuple[NDArray[np.void], dict[_Place, str]]:
        """Set what is wanted of shards, and return the hashes it must have, and the wanted files."""
        keys = [np.zeros(0, np.int64)]
        hashes = [np.zeros(0, "V32")]
        files: dict[_Place, str] = {}
        for rows in tables:
            for origin, references, expected in _references(rows):
                parts = pc.extract_regex(references, r"^(?P<name>[^#]*)#(?P<row>[0-9]{1,9})$")
                inside, outside = parts.is_valid(), parts.is_null()
                others = references.filter(outside).to_pylist(), expected.filter(outside).to_pylist()
                for reference, one in zip(*others, strict=True):
                    known = files.setdefault((origin, reference or ""), one)
                    if known != one:  # two rows that cannot both be right: neither is carried
                        files[origin, reference or ""] = ""
                parts, expected = parts.filter(inside), expected.filter(inside)
                names = parts.field("name").dictionary_encode()
                numbers = [
                    self._shards.setdefault((origin, name), len(self._shards))
                    for name in names.dictionary.to_pylist()
                ]
                shard = np.array(numbers, np.int64)[names.indices.to_numpy()]
                keys.append(shard << _ROW | parts.field("row").cast(pa.int64()).to_numpy())
                hashes.append(_binary(expected))
        all_hashes = np.concatenate(hashes)
        self._wanted, first, again = np.unique(np.concatenate(keys), return_index=True, return_inverse=True)
        expected = all_hashes[first]
        expected[again[expected[again] != all_hashes]] = np.zeros((), "V32")  # as above
        return expected, files

    def _carry_shard(
        self, writer: ShardsWriter, place: _Place, span: range, hashes: NDArray[np.void]
    ) -> None:
        """Carry the wanted pictures of one shard: those of the numbers in `span`."""
        with shard_at_hand(self.inputs[place[0]], place[1]) as path, pq.ParquetFile(path) as file:
            whole = file.metadata.num_rows == len(span)
            if whole and sum(1 for _ in self._sound(file, span, hashes)) == len(span):
                if not (self.tree / place[1]).exists():  # two inputs may share a shard
                    self.write(self.tree / place[1], path)
                self._names.append(place[1])
                rows = self._wanted[span.start : span.stop] & _MASK
                self._moved[span.start : span.stop] = (len(self._names) - 1) << _ROW | rows
                return
            for number, data in self._sound(file, span, hashes):
                writer.put(data, str(number))

    def _sound(
        self, file: pq.ParquetFile, span: range, hashes: NDArray[np.void]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield number and bytes of each wanted picture that is the picture of its row."""
        rows = self._wanted[span.start : span.stop] & _MASK
        start = 0
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            first, last = np.searchsorted(rows, [start, end])
            if first < last:
                found = file.read_row_group(group, columns=["bytes"])["bytes"].to_pylist()
                for number in range(span.start + int(first), span.start + int(last)):
                    data = found[rows[number - span.start] - start]
                    if bytes.fromhex(content_hash(data)) == hashes[number].tobytes():
                        yield number, data
            start = end

    def _settle(self, references: dict[str, str]) -> None:
        """Remember what became of tickets: numbers of wanted pictures, or files."""
        numbers: dict[str, int] = {}
        for ticket, reference in references.items():
            origin, colon, name = ticket.partition(":")
            if colon:
                self._files[int(origin), name] = reference
                continue
            shard, _, row = reference.partition("#")
            if shard not in numbers:
                numbers[shard] = len(self._names)
                self._names.append(shard)
            self._moved[int(ticket)] = numbers[shard] << _ROW | int(row)

    def resolve(self, rows: pa.Table) -> tuple[pa.Table, list[Failure]]:
        """Put the new references into the rows."""
        reasons: dict[int, str] = {}
        origins = rows[ORIGIN].to_pylist()
        images = self._looked_up(rows["image"].to_pylist(), range(rows.num_rows), origins, reasons)
        layers = _one(rows["layers"])
        lengths = pc.fill_null(pc.list_value_length(layers), 0).to_numpy(zero_copy_only=False)
        if lengths.any():
            flat = layers.flatten()
            owners = np.repeat(np.arange(rows.num_rows), lengths).tolist()
            refs = self._looked_up(flat.field("ref").to_pylist(), owners, origins, reasons)
            parts = [flat.field("name"), pa.array(refs, pa.string()), flat.field("content_hash")]
            kind = SCHEMA.field("layers").type
            made = pa.StructArray.from_arrays(parts, fields=list(kind.value_type))
            offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
            rows = with_column(rows, "layers", pa.ListArray.from_arrays(offsets, made, type=kind))
        return not_carried(with_column(rows, "image", pa.array(images, pa.string())), reasons)

    def _looked_up(
        self, references: list[str], owners: Sequence[int], origins: list[int], reasons: dict[int, str]
    ) -> list[str | None]:
        """Return the new references; for one that there is none of, add its row's number to `reasons`."""
        keys = np.full(len(references), -1, np.int64)
        for number, reference in enumerate(references):
            name, _, row = (reference or "").partition("#")
            shard = self._shards.get((origins[owners[number]], name))
            if shard is not None and row.isdecimal():
                keys[number] = shard << _ROW | int(row)
        moved = np.full(len(references), -1, np.int64)
        if len(self._wanted):
            known = keys >= 0
            moved[known] = self._moved[np.searchsorted(self._wanted, keys[known])]
        found: list[str | None] = []
        for number, new in enumerate(moved.tolist()):
            owner, reference = owners[number], references[number] or ""
            place = (origins[owner], reference)
            if new >= 0:
                found.append(f"{self._names[new >> _ROW]}#{new & _MASK}")
            elif place in self._files:
                found.append(self._files[place])
            else:
                found.append(None)
                shard_place = (origins[owner], reference.partition("#")[0])
                reason = self._reasons.get(place) or self._reasons.get(shard_place)
                reasons[owner] = reason or CHANGED.format(reference)
        return found


def _references(rows: pa.Table) -> Iterator[tuple[int, pa.Array, pa.Array]]:
    """Yield, input by input, the references of pictures and layers with the hashes that they must have."""
    for origin in pc.unique(rows[ORIGIN]).to_pylist():
        chosen = rows.filter(pc.equal(rows[ORIGIN], origin))
        yield origin, _one(chosen["image"]), _one(chosen["content_hash"])
        flat = _one(chosen["layers"]).flatten()
        if len(flat):
            yield origin, flat.field("ref"), flat.field("content_hash")


def _binary(hashes: pa.Array) -> NDArray[np.void]:
    """Return hashes in hexadecimal as 32 bytes each; what is no hash becomes zeros, which match nothing."""
    proper = pc.fill_null(pc.match_substring_regex(hashes, "^[0-9a-f]{64}$"), False)
    texts = pc.if_else(proper, hashes, "0" * 64).to_pylist()
    return np.frombuffer(bytes.fromhex("".join(texts)), "V32")


def _one(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
