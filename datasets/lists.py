"""A CSV list as a source: a row a picture, a header that names sample fields.

`path` (or `file`, `image`) is relative to the list; `label`, `attack`, `subject`, `domain`, `split`,
`expression`, `valence`, `arousal`, `confidence`, `licence` and `box` (four numbers) go into the fields of
that name, and every other column into `attributes`: nothing that the list says is lost.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.items import FileItem, place_of, printable
from facedata.datasets.labels import LABEL_WORDS
from facedata.datasets.record import Failure
from facedata.datasets.sources import FileSource

__all__ = ["LIST_SUFFIXES", "list_source"]

LIST_SUFFIXES = frozenset([".csv", ".tsv"])
_PATHS = ("path", "file", "image", "filename")
_TEXTS = ("attack", "subject", "domain", "split", "expression", "licence")
_NUMBERS = ("valence", "arousal", "confidence")


def list_source(
    path: Path,
    label_map: Mapping[str, str],
    *,
    default: str | None = None,
    values: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> FileSource:
    """Read the list at `path`; `values` are fields of every row that does not state its own.

    Raises SourceError where it cannot be read or has no column of paths, and UsageError, naming the line,
    where a label is ambiguous or a number is none. A picture that is listed twice is made once, and the
    second line is a failure.
    """
    items: list[FileItem] = []
    failures: list[Failure] = []
    seen: dict[str, int] = {}
    for line, columns in _lines(path):
        column = next((known for known in _PATHS if columns.get(known)), None)
        if column is None:
            raise UsageError(f"{path.name}:{line}: no path; every line needs one")
        file = os.path.normpath(columns.pop(column))
        place = place_of(file)
        if place in seen:
            reason = f"{path.name}:{line}: {printable(place)} is listed on line {seen[place]} already"
            failures.append(Failure(place=f"{path.name}:{line}", kind="listed-twice", reason=reason))
            continue
        seen[place] = line
        fields = _fields(columns, label_map, default, f"{path.name}:{line}")
        # A list names each of its pictures, so a place outside its folder is what its author asked for.
        items.append(
            FileItem(str(path.parent), file, {**(values or {}), **fields}, follow_links=True, dataset=name)
        )
    if not items:
        raise SourceError(f"{path} lists no pictures; give it a line for each")
    return FileSource(items, [], failures)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(
                file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True
            )
            header = [(name or "").strip().lower() for name in reader.fieldnames or []]
            if not set(header) & set(_PATHS):
                raise SourceError(
                    f"{path.name}:1: no column of paths (path, file or image) in {header}; add a header line"
                )
            if twice := {name for name in header if header.count(name) > 1}:
                raise SourceError(f"{path.name}:1: the columns {sorted(twice)} stand twice; rename one")
            reader.fieldnames = header
            for row in reader:
                if None in row or None in row.values():
                    raise UsageError(
                        f"{path.name}:{reader.line_num}: {len(header)} columns expected as in the header; "
                        "mend the line (quote values that hold the separator)"
                    )
                yield reader.line_num, {name: value.strip() for name, value in row.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read as a UTF-8 list ({error}); save it as CSV") from None


def _fields(
    values: dict[str, str], label_map: Mapping[str, str], default: str | None, where: str
) -> dict[str, Any]:
    fields: dict[str, Any] = {name: text for name in _TEXTS if (text := values.pop(name, ""))}
    fields |= {name: _number(text, name, where) for name in _NUMBERS if (text := values.pop(name, ""))}
    if text := values.pop("box", ""):
        numbers = [_number(part, "box", where) for part in text.replace(",", " ").split()]
        if len(numbers) != 4:
            raise UsageError(f"{where}: box {text!r} is not four numbers: x y width height, in pixels")
        fields["box"] = tuple(numbers)
    label = values.pop("label", "")
    if label:
        fields["label"] = _label(label, label_map, where)
    elif default is not None:
        fields["label"] = default
    if fields.get("label") == "live" and "attack" in fields:
        raise UsageError(f"{where}: a live picture with the attack {fields['attack']!r}; mend one of them")
    if rest := {name: text for name, text in values.items() if text}:
        fields["attributes"] = rest
    return fields


def _label(word: str, label_map: Mapping[str, str], where: str) -> str:
    label = label_map.get(word.lower()) or LABEL_WORDS.get(word.lower())
    if label is None:
        raise UsageError(
            f"{where}: label {word!r} is not live or spoof; say what it means with --label-map, "
            f"such as live={word} or spoof={word}"
        )
    return label


def _number(text: str, name: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number != number or number in (float("inf"), float("-inf")):
        raise UsageError(f"{where}: {name} {text!r} is not a number")
    return number
