"""Instruction records on their way to a trainer: those that are taken, their texts, pictures and boxes."""

from __future__ import annotations

import csv
import json
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Literal, TextIO

from pydantic import Field

from facedata.datasets.errors import UsageError
from facedata.datasets.exports.base import Card, Choices, Exporter, Names, Picks, Written
from facedata.datasets.exports.taken import Taken
from facedata.datasets.instructions import Record, Turn, read_records
from facedata.datasets.pictures import suffix_of
from facedata.datasets.sample import Sample
from facedata.datasets.shard import file_stem
from facedata.datasets.storage import slug
from facedata.datasets.words import Words

__all__ = [
    "InstructionChoices",
    "Instructions",
    "answer_class",
    "boxes_of",
    "names_of",
    "plain",
    "with_boxes",
]

IMAGES_CSV = "images.csv"
_TOKENS = re.compile(r"<(/?(?:image|video|audio|bbox|ref-object|box|ref))>")
_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_BOX = re.compile(rf"(?:(\w+)( ))?\[{','.join([_NUMBER] * 4)}\]")
"""A box, and the word before it."""
_CLASSES = ("label", "class", "attack", "species", "expression", "choice", "answer")

Box = tuple[float, float, float, float]


class InstructionChoices(Choices):
    """What can be chosen of every kind of instructions."""

    status: Names = Field(("accept",), description="records of these statuses: accept, review, reject")
    task: Names = Field((), description="records of these tasks only")
    balance: bool = Field(False, description="as many records of each answer, in each split and task")
    seed: int = Field(0, ge=0, description="which records stay where answers are balanced")
    images: Literal["copy", "none"] = Field("copy", description="none: ids and text only")


class Instructions(Exporter):
    """Writes a file a split, a conversation for each record, in the order of the record ids."""

    choices = InstructionChoices
    lines: ClassVar[bool] = False
    """Whether a file is lines of JSON, or one JSON array."""

    loading: ClassVar[str]
    """How the trainer is told of it, for the card."""

    @abstractmethod
    def conversation(self, record: Record, images: Sequence[str]) -> dict[str, Any]:
        """Return what the trainer reads; `images` are paths, one for each image part."""

    def extras(self, tree: Path, files: Mapping[str, str]) -> None:
        """Write what the trainer needs beside the files, which are given by split."""

    def write(self, picks: Picks, tree: Path, choices: InstructionChoices) -> Written:
        """Write the conversations, `images/` and images.csv; raise UsageError where no record is left."""
        suffix = "jsonl" if self.lines else "json"
        rows: Counter[str] = Counter()
        with ExitStack() as stack:
            taken = stack.enter_context(Taken())
            notes = _take(picks, taken, choices)
            _write_pictures(picks, tree, taken, choices.images)
            files: dict[str, _File] = {}
            for record in read_records(picks.dataset.root):
                if (place := taken.place(record.record_id)) is None:
                    continue
                split, path = place
                if split not in files:
                    handle = (tree / f"{split}.{suffix}").open("w", encoding="utf-8", newline="\n")
                    files[split] = _File(stack.enter_context(handle), self.lines)
                number = sum(part.image is not None for turn in record.messages for part in turn.content)
                files[split].add({"id": record.record_id, **self.conversation(record, [path] * number)})
                rows[split] += 1
            for file in files.values():
                file.end()
        self.extras(tree, {split: f"{split}.{suffix}" for split in sorted(files)})
        if choices.images == "none":
            notes.append("no pictures were written: images.csv says which picture each path stands for")
        return Written(dict(sorted(rows.items())), notes)

    def card(self, picks: Picks, written: Written, choices: InstructionChoices) -> Card:
        """Return the card's words on loading."""
        del picks, choices
        first = next(iter(written.rows))
        boxes = "Boxes are absolute pixels of the picture as it is stored."
        return Card(self.loading.replace("SPLIT", first) + f"\n\n{boxes}")


class _File:
    """A JSON array, or lines of JSON, written one by one."""

    def __init__(self, file: TextIO, lines: bool) -> None:
        self._file, self._lines, self._any = file, lines, False

    def add(self, value: Mapping[str, Any]) -> None:
        between = "" if self._lines else ",\n" if self._any else "[\n"
        self._file.write(between + json.dumps(value, ensure_ascii=False) + ("\n" if self._lines else ""))
        self._any = True

    def end(self) -> None:
        self._file.write("" if self._lines else "\n]\n")


def _write_pictures(picks: Picks, tree: Path, taken: Taken, how: str) -> None:
    """Write the pictures of the samples whose records are taken, once each, and the table of their paths."""
    with (tree / IMAGES_CSV).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "sample_id", "sha256"])
        for row in picks.rows():
            if not taken.wants(row["sample_id"]):
                continue
            sample = Sample.from_row(row)
            path = _write_picture(picks, tree, sample, taken, how)
            taken.put(sample.sample_id, path)
            table.writerow([path, sample.sample_id, sample.content_hash])


def _write_picture(picks: Picks, tree: Path, sample: Sample, taken: Taken, how: str) -> str:
    if how == "none":  # a readable name may say who it is
        return f"images/{sample.sample_id}"
    data = picks.read(sample.image, sample.content_hash)
    folder = f"images/{slug(sample.label or 'unlabelled')}"
    path = f"{folder}/{file_stem(sample)}.{suffix_of(data)}"
    if taken.has_path(path):
        path = f"{folder}/{file_stem(sample)}-{sample.sample_id}.{suffix_of(data)}"
    (tree / folder).mkdir(parents=True, exist_ok=True)
    (tree / path).write_bytes(data)
    return path


def _splits(picks: Picks) -> Iterator[tuple[str, str]]:
    """Yield each picked sample and its split as the export calls it: a record is of its sample's split."""
    for table in picks.dataset.tables(["sample_id", "split"]):
        for row in table.to_pylist():
            if not picks.splits or (row["split"] or "none") in picks.splits:
                yield row["sample_id"], picks.split_name(row["split"])


def _take(picks: Picks, taken: Taken, choices: InstructionChoices) -> list[str]:
    """Take the records that are exported, and return notes on those that are not."""
    known = picks.dataset.record.counts.instructions
    if not known:
        raise UsageError(f"{picks.dataset.root} has no instructions; write some with `facedata annotate`")
    if unknown := set(choices.task) - set(known):
        raise UsageError(f"no records of the task {sorted(unknown)[0]!r}; there are {', '.join(known)}")
    taken.add_samples(_splits(picks))
    left_out: Counter[str] = Counter()
    for record in read_records(picks.dataset.root):
        split = taken.split_of(record.sample_id)
        if split is None or (choices.task and record.task not in choices.task):
            continue
        answered = any(turn.role == "assistant" for turn in record.messages)
        if record.status not in choices.status or not answered:
            left_out[record.status] += 1
            continue
        found = answer_class(record) if choices.balance else None
        word = 0 if found is None else Words.of(choices.seed, "balance", record.record_id).word()
        taken.take(record.record_id, record.sample_id, split, record.task, found, word)
    notes = [
        f"{number} records of status {status} are left out" for status, number in sorted(left_out.items())
    ]
    notes += [
        f"balance: {gone} of {number} {answer!r} of {task} in {split} are left out"
        for split, task, answer, gone, number in taken.balance()
    ]
    if not taken.close():
        raise UsageError(f"no record has the status {' or '.join(choices.status)}; choose with --status")
    return notes


def answer_class(record: Record) -> str | None:
    """Return what a record answers, where that is one of few: its label, attack, expression or choice.

    Boxes count as `boxes` or `no boxes`. None where the answer is of no class.
    """
    for name in _CLASSES:
        if isinstance(value := record.structured.get(name), str | bool | int):
            return str(value).lower()
    if isinstance(boxes := record.structured.get("boxes"), list):
        return "boxes" if boxes else "no boxes"
    return None


def plain(text: str) -> str:
    """Return the text without the brackets of what a trainer would take for a picture or a box."""
    return _TOKENS.sub(r"\1", text)


def boxes_of(structured: Any) -> set[Box]:
    """Return all boxes (x, y, width, height; pixels) of an answer: values of `box` and `boxes`."""
    found: set[Box] = set()
    if isinstance(structured, Mapping):
        for name, value in structured.items():
            listed = (
                value if name == "boxes" and isinstance(value, list) else [value] if name == "box" else []
            )
            for one in listed:
                if isinstance(one, list | tuple) and len(one) == 4:
                    x, y, width, height = map(float, one)
                    found.add((x, y, width, height))
            found |= boxes_of(value)
    elif isinstance(structured, list | tuple):
        for one in structured:
            found |= boxes_of(one)
    return found


def names_of(structured: Any) -> set[str]:
    """Return what an answer calls its boxes, in lower case: values of `name` beside a `box`."""
    found: set[str] = set()
    if isinstance(structured, Mapping):
        if "box" in structured and isinstance(name := structured.get("name"), str):
            found.add(name.lower())
        return found.union(*map(names_of, structured.values()))
    if isinstance(structured, list | tuple):
        return found.union(*map(names_of, structured))
    return found


def with_boxes(
    record: Record,
    written: Callable[[Box], str],
    form: str,
    named: Callable[[str], str] = lambda name: name,
) -> Iterator[tuple[Turn, str]]:
    """Yield each turn with its text, in which the boxes of the answer are put as `written` has them.

    `written` is given corners (left, top, right, bottom), in the order of the text, and `named` the word
    before a box where it is what the answer calls it; `form` takes the place of `[x, y, width, height] in
    pixels` in the questions.
    """
    boxes, names = boxes_of(record.structured), names_of(record.structured)

    def one(found: re.Match[str]) -> str:
        word, gap, *numbers = found.groups()
        x, y, width, height = map(float, numbers)
        if (x, y, width, height) not in boxes:
            return found.group()
        before = "" if word is None else (named(word) if word.lower() in names else word) + gap
        return before + written((x, y, x + width, y + height))

    for turn in record.messages:
        text = plain(turn.text())
        if boxes and turn.role == "assistant":
            text = _BOX.sub(one, text)
        elif boxes:
            text = re.sub(r"( as)? \[x, y, width, height\] in (?:px|pixels)", form, text)
        yield turn, text
