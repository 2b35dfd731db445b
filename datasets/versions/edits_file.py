"""Edits by hand: reading a CSV of them, and what each does to a row.

A line says `sid,field,old,new` and, for people, `author,time,message`. Values are typed by their field, and
an empty one is null. `old` is what the author saw: where the row says otherwise by now, the edit is a
conflict. The field `deleted` takes the row out: old is empty and new is `true`.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.items import printable
from facedata.datasets.sample import Sample, Source
from facedata.datasets.versions.edits_log import HEADER

__all__ = ["DELETED", "FAMILY_FIELDS", "FIELDS", "Edit", "changed", "read_edits", "spelled"]

FAMILY_FIELDS = ("split", "subject", "domain")
"""Never differ between a sample and what was made from it, so an edit of one is an edit of all."""

DELETED = "deleted"
"""No column of a row: an edit of it takes the row out."""

_COLUMNS = tuple(HEADER.split(","))
_NEEDED = _COLUMNS[:4]
_TEXTS = (*FAMILY_FIELDS, "label", "attack", "expression")
_NUMBERS = ("valence", "arousal", "confidence")
_SOURCES = ("dataset", "licence")


@dataclass(frozen=True, slots=True)
class Edit:
    """One line of the file; `where` is `edits.csv:17`."""

    where: str
    sid: str
    field: str
    old: str
    new: str
    author: str = ""
    time: str = ""
    message: str = ""

    def line(self) -> str:
        """Return the line as it is kept: one spelling, whatever it was read from."""
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow([getattr(self, name) for name in _COLUMNS])
        return text.getvalue()


def read_edits(path: Path) -> list[Edit]:
    """Return the edits of a UTF-8 CSV file, with or without a byte-order mark, of any line ends.

    Raises SourceError where the file cannot be read, and UsageError, naming the line, where a line is ragged,
    a field is unknown, or a value is none that its field can hold.
    """
    edits = []
    for where, values in _lines(path):
        edit = Edit(where, **values)
        if not edit.sid:
            raise UsageError(f"{where}: no sid; say which sample")
        if any(not text.isprintable() for text in (edit.old, edit.new, edit.field, edit.sid)):
            raise UsageError(f"{where}: {printable(edit.new)!r} holds a control character; remove it")
        parse = _parser(edit.field, where)
        for text in (edit.old, edit.new):
            parse(text, where)
        if edit.field == DELETED and (edit.old or not edit.new):
            raise UsageError(f"{where}: a sample is deleted by an empty old and the new value true")
        if edit.time:
            try:
                datetime.fromisoformat(edit.time)
            except ValueError:
                mend = "write it as 2026-01-31T12:00:00+00:00"
                raise UsageError(f"{where}: time {edit.time!r} is not ISO 8601; {mend}") from None
        edits.append(edit)
    return edits


def _lines(path: Path) -> list[tuple[str, dict[str, str]]]:
    found = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip().lower() for name in next(reader, [])]
            if missing := [name for name in _NEEDED if name not in header]:
                raise UsageError(f"{path.name}:1: no column {missing[0]!r}; the header is {HEADER}")
            if odd := [name for name in header if name not in _COLUMNS or header.count(name) > 1]:
                raise UsageError(f"{path.name}:1: the column {odd[0]!r} is not one of {HEADER}, once each")
            for row in reader:
                where = f"{path.name}:{reader.line_num}"
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) != len(header):
                    raise UsageError(
                        f"{where}: {len(row)} values, the header has {len(header)}; quote values with commas"
                    )
                cells = (" ".join(cell.split("\n")).replace("\r", " ").strip() for cell in row)
                found.append((where, dict(zip(header, cells, strict=True))))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as UTF-8 ({error}); save it as CSV") from None
    except csv.Error as error:
        raise UsageError(f"{path.name}:{reader.line_num}: {error}; mend its quotes") from None
    return found


def changed(sample: Sample, edit: Edit) -> Sample | str:
    """Return the sample with the edit, or the value that stands where `old` was expected.

    A sample that holds the new value already is returned as it is.
    """
    name, _, rest = edit.field.partition(".")
    current = _current(sample, name, rest)
    if name == "attributes":
        old, new = (_attribute(text, current) for text in (edit.old, edit.new))
    else:
        parse = _parser(edit.field, edit.where)
        old, new = (parse(text, edit.where) for text in (edit.old, edit.new))
    if edit.field == "au" and not current and old is None:
        current = None  # units that were coded and none of which shows: spelled alike
    if current == new:
        return sample
    return _replaced(sample, name, rest, new) if current == old else spelled(current)


def _current(sample: Sample, name: str, rest: str) -> Any:
    if name == "attributes":
        return (sample.attributes or {}).get(rest)
    if name == "au" and rest:
        return (sample.au or {}).get(int(rest))
    return getattr(sample.source or Source(), rest) if name == "source" else getattr(sample, name)


def _replaced(sample: Sample, name: str, rest: str, value: Any) -> Sample:
    if name == "source":
        return sample.replace(source=dataclasses.replace(sample.source or Source(), **{rest: value}))
    if not rest:
        return sample.replace(**{name: value})
    members: dict[Any, Any] = dict(getattr(sample, name) or {})
    key: Any = int(rest) if name == "au" else rest
    members.pop(key, None)
    if value is not None:
        members[key] = value
    # Without attributes there is no column; without units that show, those that were coded were seen to rest.
    kept = dict(sorted(members.items())) if name == "au" else members or None
    return sample.replace(**{name: kept})


def spelled(value: Any) -> str:
    """Return a value as a line of the file spells it."""
    match value:
        case None:
            return ""
        case str():
            return value
        case Mapping():
            return " ".join(
                f"{key}={'' if level is None else format(level, 'g')}" for key, level in value.items()
            )
        case tuple() if value and not isinstance(value[0], tuple):
            return " ".join(f"{one:g}" for one in value)
    return json.dumps(value)


def _attribute(text: str, current: Any) -> Any:
    """Return an attribute's value: a text where it was one, else what it means as JSON."""
    if text == "":
        return None
    if not isinstance(current, str):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _parser(field: str, where: str) -> Callable[[str, str], Any]:
    """Return what reads the field's values, or raise UsageError where no edit may change it."""
    if field in FIELDS:
        return FIELDS[field]
    name, dot, rest = field.partition(".")
    if dot and rest:
        if name == "attributes":
            return lambda text, _: text
        if name == "au" and rest.isdecimal() and int(rest) < 100:
            return _level
        if name == "source" and rest in _SOURCES:
            return _text
    known = f"{', '.join(FIELDS)}, au.N, attributes.NAME, source.dataset, source.licence"
    raise UsageError(f"{where}: no field {field!r} that an edit may change; there are {known}")


def _text(text: str, where: str) -> str | None:
    del where
    return text or None


def _number(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{where}: {text!r} is not a number")
    return number


def _level(text: str, where: str) -> float | None:
    level = _number(text, where)
    if level is not None and not 0 <= level <= 5:
        raise UsageError(f"{where}: intensity {text} of an action unit is not in 0-5")
    return level


def _numbers(text: str, where: str) -> tuple[float, ...] | None:
    if not text:
        return None
    return tuple(float(_number(part, where) or 0) for part in text.split())


def _box(text: str, where: str) -> tuple[float, ...] | None:
    box = _numbers(text, where)
    if box is not None and len(box) != 4:
        raise UsageError(f"{where}: box {text!r} is not four numbers: x y width height, in pixels")
    return box


def _points(text: str, where: str) -> tuple[tuple[float, float], ...] | None:
    numbers = _numbers(text, where)
    if numbers is None:
        return None
    if len(numbers) % 2:
        raise UsageError(f"{where}: landmarks are pairs: x y x y ..., in pixels")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _units(text: str, where: str) -> dict[int, float | None] | None:
    if not text:
        return None
    found = {}
    for pair in text.split():
        unit, equals, level = pair.partition("=")
        if not equals or not unit.isdecimal():
            raise UsageError(
                f"{where}: au {pair!r} is not of the form 12=2.5, or 12= for present, not graded"
            )
        found[int(unit)] = _level(level, where)
    return found


def _domain(text: str, where: str) -> tuple[int, ...] | None:
    if not text:
        return None
    if not all(part.isdecimal() for part in text.split()):
        raise UsageError(f"{where}: au_domain {text!r} is not numbers of action units")
    return tuple(int(part) for part in text.split())


def _true(text: str, where: str) -> bool | None:
    if text not in ("", "true"):
        raise UsageError(f"{where}: deleted is true or empty, not {text!r}")
    return bool(text) or None


FIELDS: dict[str, Callable[[str, str], Any]] = {
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_NUMBERS, _number),
    "box": _box,
    "landmarks": _points,
    "au": _units,
    "au_domain": _domain,
    DELETED: _true,
}
"""Fields that an edit may change, with what reads their values: all that is no part of a sample's id."""
