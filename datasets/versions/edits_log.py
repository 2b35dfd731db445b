"""curation/edits.csv: every edit by hand that went into a dataset, in order, kept by what is made of it."""

from __future__ import annotations

from collections.abc import Sequence

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError

__all__ = ["EDITS_NAME", "HEADER", "carried_edits"]

EDITS_NAME = "curation/edits.csv"
HEADER = "sid,field,old,new,author,time,message"


def carried_edits(datasets: Sequence[Dataset]) -> dict[str, str]:
    """Return the file that joins the edits of `datasets`, by its name; nothing where there are none.

    A line that several of them share, because they have an ancestor in common, stands once.
    """
    lines: dict[str, None] = {}
    for dataset in datasets:
        lines |= dict.fromkeys(lines_of(dataset))
    return {EDITS_NAME: "\n".join([HEADER, *lines]) + "\n"} if lines else {}


def lines_of(dataset: Dataset) -> list[str]:
    """Return the lines of a dataset's edits, without the header; records that span lines stay whole."""
    path = dataset.root / EDITS_NAME
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); restore it") from None
    header, _, body = text.partition("\n")
    if header != HEADER:
        raise DatasetError(f"{path} does not start with the line {HEADER!r}; restore it")
    return [line for line in body.split("\n") if line]
