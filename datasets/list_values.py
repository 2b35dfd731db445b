"""What a row of a list says, as fields of a sample."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from facedata.datasets.errors import UsageError
from facedata.datasets.labels import LABEL_WORDS

__all__ = ["FIELDS", "PATHS", "ListRow", "parse_columns", "thawed"]

PATHS = ("path", "file", "image", "filename")
"""Columns of paths, where no map names another."""

_TEXTS = ("attack", "subject", "domain", "split", "expression", "licence")
_NUMBERS = ("valence", "arousal", "confidence")
_OTHERS = ("box", "landmarks", "au", "au_domain")
FIELDS = ("path", "label", *_TEXTS, *_NUMBERS, *_OTHERS)
"""What a column may be mapped to."""

_UNIT = re.compile(r"(?:AU\s*)?0*(\d+)", re.IGNORECASE)


def parse_columns(text: str | None) -> dict[str, str]:
    """Return the column of each field that `path=filename,label=class` maps; columns in lower case.

    >>> parse_columns("path=filename, label=Class")
    {'path': 'filename', 'label': 'class'}
    """
    columns: dict[str, str] = {}
    for pair in (text or "").split(","):
        if not pair.strip():
            continue
        field, separator, column = (part.strip() for part in pair.partition("="))
        if not separator or not column:
            raise UsageError(f"--map {pair.strip()!r} is not of the form FIELD=COLUMN")
        if field not in FIELDS:
            raise UsageError(
                f"--map {pair.strip()!r}: {field!r} is no field; the fields are {', '.join(FIELDS)}"
            )
        if columns.setdefault(field, column.lower()) != column.lower():
            raise UsageError(f"--map gives {field} two columns; name it once")
    return columns


class ListRow:
    """One row: `cells` by column name, and the columns that fields are mapped to."""

    def __init__(self, cells: Mapping[str, Any], columns: Mapping[str, str]) -> None:
        self.cells = cells
        self.columns = columns
        self.used: set[str] = set(columns.values())

    def read(self, label_map: Mapping[str, str], default: str | None) -> tuple[str, dict[str, Any]]:
        """Return the path and the fields, JSON-ready; raise ValueError, for people, where one cannot be."""
        path = self._path()
        fields: dict[str, Any] = {name: word for name in _TEXTS if (word := self._word(name))}
        fields |= {name: _number(found, name) for name in _NUMBERS if (found := self._take(name)) is not None}
        for name, parse in (("box", _box), ("landmarks", _landmarks), ("au", _au), ("au_domain", _units)):
            if (found := self._take(name)) is not None:
                fields[name] = parse(found)
        if word := self._word("label"):
            fields["label"] = _label(word, label_map)
        elif default is not None:
            fields["label"] = default
        if fields.get("label") == "live" and "attack" in fields:
            raise ValueError(f"a live picture with the attack {fields['attack']!r}; mend one of them")
        rest = {name: value for name, value in self.cells.items() if name not in self.used}
        if rest := {name: value for name, value in rest.items() if value is not None and value != ""}:
            fields["attributes"] = rest
        return path, fields

    def _take(self, field: str) -> Any:
        """Return the value of a field, None where the row says nothing; its column is used up.

        A column that a map gives to another field is not taken for the field of its own name.
        """
        if field in self.columns:
            return _stated(self.cells.get(self.columns[field]))
        if field in self.columns.values():
            return None
        self.used.add(field)
        return _stated(self.cells.get(field))

    def _word(self, field: str) -> str:
        return _word(self._take(field), field)

    def _path(self) -> str:
        if "path" in self.columns:
            column = self.columns["path"]
            found = _word(self.cells.get(column), "path")
        else:
            named = [name for name in PATHS if name not in self.used and _stated(self.cells.get(name))]
            column = named[0] if named else "path"
            self.used.add(column)
            found = _word(self.cells.get(column), "path")
        if not found:
            raise ValueError(f"no path (column {column!r}); every line needs one")
        if "\0" in found:
            raise ValueError("the path holds a null character; mend the line")
        return found


def thawed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields that were JSON as a Sample takes them: tuples, and numbers as the names of units."""
    found = dict(fields)
    for name in ("box", "au_domain"):
        if name in found:
            found[name] = tuple(found[name])
    if "landmarks" in found:
        found["landmarks"] = tuple((x, y) for x, y in found["landmarks"])
    if "au" in found:
        found["au"] = {int(unit): level for unit, level in found["au"].items()}
    return found


def _stated(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _word(value: Any, name: str) -> str:
    """Return a value as a word: 1.0, as tables with gaps write whole numbers, is 1."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    if isinstance(value, (str, int, float)):
        return str(value).strip()
    raise ValueError(f"{name} {value!r} is not a word")


def _label(word: str, label_map: Mapping[str, str]) -> str:
    label = label_map.get(word.lower()) or LABEL_WORDS.get(word.lower())
    if label is None:
        raise ValueError(
            f"label {word!r} is not live or spoof; say what it means with --label-map, "
            f"such as live={word} or spoof={word}"
        )
    return label


def _number(value: Any, name: str) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not abs(number) < float("inf"):
        raise ValueError(f"{name} {value!r} is not a number")
    return number


def _structured(value: Any) -> Any:
    """Return what a cell of text holds as JSON, or the value itself."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _box(value: Any) -> list[float]:
    found = _structured(value)
    parts = found.replace(",", " ").split() if isinstance(found, str) else found
    if not isinstance(parts, list) or len(parts) != 4:
        raise ValueError(f"box {value!r} is not four numbers: x y width height, in pixels")
    return [_number(part, "box") for part in parts]


def _landmarks(value: Any) -> list[list[float]]:
    found = _structured(value)
    if not isinstance(found, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in found):
        raise ValueError("landmarks are not pairs [[x, y], ...], in pixels")
    return [[_number(x, "landmarks"), _number(y, "landmarks")] for x, y in found]


def _au(value: Any) -> dict[str, float | None]:
    """Return intensity by unit from {"12": 3, "AU6": null} or [{"au": 12, "intensity": 3}]."""
    found = _structured(value)
    if isinstance(found, list) and all(isinstance(one, Mapping) and "au" in one for one in found):
        found = {one["au"]: one.get("intensity") for one in found}
    if not isinstance(found, Mapping):
        raise ValueError(f'au {value!r} is not intensities by unit, such as {{"12": 3}}; null is not graded')
    return {str(_unit(unit)): _level(level, unit) for unit, level in found.items()}


def _level(level: Any, unit: Any) -> float | None:
    return None if level is None else _number(level, f"au {unit}")


def _units(value: Any) -> list[int]:
    found = _structured(value)
    parts = re.split(r"[,+\s]+", found.strip()) if isinstance(found, str) else found
    if not isinstance(parts, list):
        raise ValueError(f"au_domain {value!r} is no list of units")
    return sorted({_unit(part) for part in parts})


def _unit(value: Any) -> int:
    found = _UNIT.fullmatch(_word(value, "au"))
    if found is None:
        raise ValueError(f"{value!r} is no action unit such as 12 or AU12")
    return int(found[1])
