"""Lists as people leave them: byte-order marks, CRLF, stray spaces and quotes, lines of too few columns.

Every line comes with its `where`, `lists/train.txt:17`, which messages begin with. A line that cannot be used
is a `Failure`; the lines after it are read.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facedata.datasets.errors import SourceError
from facedata.datasets.items import place_of, printable
from facedata.datasets.record import Failure

__all__ = ["Row", "clean", "failure", "json_pairs", "lines", "read_text", "relative", "table"]

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: its place in words, and its cells, cleaned, by column name."""

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


def relative(root: Path, path: Path) -> str:
    """Return how a file under `root` is called in rows and messages: relative, with forward slashes."""
    return place_of(str(path.relative_to(root)))


def failure(where: str, kind: str, reason: str) -> Failure:
    """Return the failure of a line or a file; `where` begins the message, so `reason` does not repeat it."""
    return Failure(place=where, kind=kind, reason=f"{printable(where)}: {reason}")


def clean(text: str) -> str:
    """Return a cell without the spaces, quotes and byte-order marks around it.

    >>> clean(" 'a b.jpg'  ")
    'a b.jpg'
    """
    return text.strip("\ufeff \t\r\n\"'")


def read_text(path: Path) -> str:
    """Return a text file's content: UTF-8, or UTF-16 by its mark, else Windows-1252, which older tools wrote.

    Raises SourceError where the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read ({error.strerror}); restore it or check its rights"
        ) from None
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def lines(root: Path, path: Path) -> Iterator[tuple[str, str]]:
    """Yield (where, text) of every line that holds something, stripped."""
    name = relative(root, path)
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if text := line.strip("\ufeff \t"):
            yield f"{name}:{number}", text


def table(
    root: Path,
    path: Path,
    *,
    separator: str | None = ",",
    header: Sequence[str] | None = None,
    needed: Sequence[str] = (),
) -> Iterator[Row | Failure]:
    """Yield the rows of a table; one with more or fewer cells than the header is a failure.

    `separator` None splits at white space, for lists whose cells hold none. `header` names the columns of a
    file that has no header line. Column names are cleaned; `needed` are those that must be there, whatever
    the case of their letters, and they come back as they are spelt here. Raises SourceError where one is
    missing, the same name stands twice, or the file cannot be read.
    """
    records = _records(root, path, separator)
    if header is None:
        where, names = next(records, (f"{relative(root, path)}:1", []))
        spelt = {name.lower(): name for name in needed}
        columns = [spelt.get(name.lower(), name) for name in names]
        if missing := [name for name in needed if name not in columns]:
            raise SourceError(f"{where}: no column {', '.join(missing)} in {columns}; is it the right file?")
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            raise SourceError(f"{where}: the columns {twice} stand twice; rename one")
    else:
        columns = list(header)
    for where, cells in records:
        if len(cells) != len(columns):
            expected = f"{len(columns)} are expected ({', '.join(columns)})"
            yield failure(where, "ragged", f"{len(cells)} columns where {expected}; mend the line")
        else:
            yield Row(where, dict(zip(columns, cells, strict=True)))


def json_pairs(root: Path, path: Path) -> Iterator[tuple[str, str, Any]]:
    """Yield (where, key, value) of a JSON object, one by one: as a dictionary it may need ten times its size.

    A key that stands twice is yielded twice. Raises SourceError, naming the line, where it is no object.
    """
    name, text = relative(root, path), read_text(path).removeprefix("\ufeff")
    decoder, space = json.JSONDecoder(), re.compile(r"\s*")
    at, number = 0, 0

    def after(mark: str) -> int:
        start = space.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if not text.startswith(mark, start):
            raise ValueError(f"{mark} expected")
        return space.match(text, start + len(mark)).end()  # type: ignore[union-attr]

    try:
        at = after("{")
        while not text.startswith("}", at):
            if number:
                at = after(",")
            number += 1
            key, at = decoder.raw_decode(text, at)
            at = after(":")
            value, at = decoder.raw_decode(text, at)
            if not isinstance(key, str):
                raise ValueError("a key is no text")
            yield f"{name}: entry {number}", key, value
            at = space.match(text, at).end()  # type: ignore[union-attr]
    except ValueError as error:
        line = text.count("\n", 0, at) + 1
        raise SourceError(
            f"{name}:{line}: no JSON object that can be read ({error}); get a whole copy"
        ) from None


def _records(root: Path, path: Path, separator: str | None) -> Iterator[tuple[str, list[str]]]:
    if separator is None:
        for where, text in lines(root, path):
            yield where, [clean(cell) for cell in text.split()]
        return
    name = relative(root, path)
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=separator, skipinitialspace=True)
    before = 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise SourceError(f"{name}:{reader.line_num}: {error}; mend the line") from None
        if cells is None:
            return
        first, before = before + 1, reader.line_num
        cleaned = [clean(cell) for cell in cells]
        if any(cleaned):
            yield f"{name}:{first}", cleaned
