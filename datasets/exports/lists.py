"""`list`: the lists of path and 0 or 1 that anti-spoofing training code takes, a file a split."""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, TextIO

from pydantic import Field

from facedata.datasets.errors import UsageError
from facedata.datasets.exports.base import Card, Choices, Exporter, Picks, Written
from facedata.datasets.exports.folder import put
from facedata.datasets.pictures import suffix_of
from facedata.datasets.sample import Sample
from facedata.datasets.shard import file_stem

__all__ = ["Lists"]

_COLUMNS = ("path", "label", "subject", "domain", "attack", "source_file", "frame", "sample_id")


class _Choices(Choices):
    live: Literal["1", "0"] = Field("1", description="the number of live; spoof is the other of 0 and 1")
    form: Literal["txt", "csv"] = Field("txt", description="txt: path and label; csv: more columns, a header")
    pictures: Literal["copy", "refer"] = Field(
        "copy", description="copy them beside the lists, or refer to the dataset's own files"
    )


class Lists(Exporter):
    """`train.txt` with lines of `path label`, or `train.csv` with more columns.

    Public code has both conventions, 1 for live and 1 for spoof, so the card, the record and the command's
    output say which one this is. `pictures=refer` writes no pictures: paths are relative to the dataset.
    """

    name = "list"
    title = "train.txt, test.txt, ... of path and 0 or 1, for anti-spoofing training code"
    choices = _Choices

    def write(self, picks: Picks, tree: Path, choices: _Choices) -> Written:
        """Write the lists, and the pictures unless the dataset's own are referred to."""
        if choices.pictures == "refer" and picks.dataset.record.layout != "files":
            raise UsageError(
                f"{picks.dataset.root} keeps its pictures in shards, where a list cannot refer to them; "
                "leave out pictures=refer"
            )
        rows: Counter[str] = Counter()
        unlabelled = 0
        with ExitStack() as open_files:
            lists: dict[str, Any] = {}
            for row in picks.rows():
                sample = Sample.from_row(row)
                if sample.label is None:
                    unlabelled += 1
                    continue
                split = picks.split_name(sample.split)
                if split not in lists:
                    path = tree / f"{split}.{choices.form}"
                    file = open_files.enter_context(path.open("w", encoding="utf-8", newline="\n"))
                    lists[split] = _writer(file, choices.form)
                lists[split](self._line(picks, tree, sample, choices))
                rows[split] += 1
        if not rows:
            raise UsageError(f"{picks.dataset.root} has no labelled picture, so there is nothing to list")
        notes = [_convention(choices)]
        if unlabelled:
            notes.append(f"left out, without a label: {unlabelled}")
        return Written(dict(sorted(rows.items())), notes)

    def card(self, picks: Picks, written: Written, choices: _Choices) -> Card:
        """Return what the lines mean."""
        root = "the dataset's folder" if choices.pictures == "refer" else "this folder"
        names = ", ".join(f"`{split}.{choices.form}` ({rows})" for split, rows in written.rows.items())
        columns = "`path label`" if choices.form == "txt" else f"a header: `{','.join(_COLUMNS)}`"
        return Card(
            f"{names}: a line a picture, {columns}. Paths are relative to {root}.\n\n"
            f"**{_convention(choices)}.**"
        )

    def _line(self, picks: Picks, tree: Path, sample: Sample, choices: _Choices) -> list[str]:
        path = sample.image
        if choices.pictures == "copy":
            data = picks.read(sample.image, sample.content_hash)
            path = f"images/{sample.label}/{file_stem(sample)}.{suffix_of(data)}"
            put(tree / path, data)
        live = int(choices.live)
        label = str(live if sample.label == "live" else 1 - live)
        source = sample.source
        frame = None if source is None else source.frame
        values = (
            sample.subject,
            sample.domain,
            sample.attack,
            source and source.file,
            frame,
            sample.sample_id,
        )
        return [path, label, *("" if value is None else str(value) for value in values)]


def _writer(file: TextIO, form: str) -> Any:
    if form == "txt":
        # Paths are made of slugs, so a space in a line always stands before the label.
        return lambda values: file.write(f"{values[0]} {values[1]}\n")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(_COLUMNS)
    return table.writerow


def _convention(choices: _Choices) -> str:
    return f"labels: live is {choices.live}, spoof is {1 - int(choices.live)}"
