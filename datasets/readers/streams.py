"""Tables that are too large to be held: read line by line, otherwise as `text.table` reads them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from facedata.datasets.errors import SourceError
from facedata.datasets.readers.text import Row, clean, failure
from facedata.datasets.record import Failure

__all__ = ["streamed"]


def streamed(path: Path, name: str, needed: Sequence[str] = ()) -> Iterator[Row | Failure]:
    """Yield one row, or one failure, for each line of a CSV below its header; empty lines are none.

    A cell never holds a line break, so an open quote costs its own line alone. `name` stands for the file in
    messages; `needed` are columns that must be there, whatever the case of their letters. Raises SourceError
    where one is not, or where the file cannot be read.
    """
    spelt = {column.lower(): column for column in needed}
    header: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
            for line, text in enumerate(file, 1):
                cells = [clean(cell) for cell in next(csv.reader([text], skipinitialspace=True), [])]
                where = f"{name}:{line}"
                if not any(cells):
                    continue
                if not header:
                    header = [spelt.get(cell.lower(), cell) for cell in cells]
                    if missing := [column for column in needed if column not in header]:
                        found = ", ".join(cell[:20] for cell in header[:10])
                        raise SourceError(
                            f"{where}: no column {', '.join(missing)} in {found}; is it the right file?"
                        )
                elif len(cells) != len(header):
                    reason = f"{len(cells)} columns where {len(header)} are expected; mend the line"
                    yield failure(where, "ragged", reason)
                else:
                    yield Row(where, dict(zip(header, cells, strict=True)))
    except (OSError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read ({error}); restore it") from None
