"""facedata merge DATASET DATASET ... -o DATASET."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show


class Prefer(StrEnum):
    """Whose row stays."""

    first = "first"
    last = "last"


def merge(
    datasets: Annotated[list[Path], typer.Argument(help="Two datasets or more.")],
    output: o.Output,
    each: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.yaml:KEY",
            help="An input with {} in it, such as variants/{}, stands for one for each name under this key.",
        ),
    ] = None,
    prefer: Annotated[
        Prefer | None, typer.Option(help="Whose row stays where a sample differs between the inputs.")
    ] = None,
    layout: o.KeptLayout = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Join datasets into a new version: a sample that several share stands once.

    Samples of one id whose rows differ are named, field by field, and nothing is made until --prefer settles
    them.
    """
    from facedata.datasets.versions.merge import merge as library

    writing = o.writing(layout, resume, overwrite)
    datasets = _spread(datasets, each) if each is not None else datasets
    result = library(datasets, output, prefer=prefer.value if prefer else None, writing=writing)
    show.derived(result, json_wanted=json_wanted, told=_told)


def _spread(datasets: list[Path], each: str) -> list[Path]:
    """Put each name under the key in place of `{}`; a folder that the key no longer names is not an input."""
    from facedata.datasets.errors import UsageError
    from facedata.datasets.keyed import keyed_value

    names = keyed_value(each)
    if not isinstance(names, dict | list) or not names:
        raise UsageError(f"--each {each} names nothing; it takes a mapping or a list of names")
    if not any("{}" in str(path) for path in datasets):
        raise UsageError("--each puts names in place of {} in an input; write one such as variants/{}")
    spread: list[Path] = []
    for path in datasets:
        text = str(path)
        spread += [Path(text.replace("{}", str(name))) for name in names] if "{}" in text else [path]
    return spread


def _told(details: dict[str, Any]) -> str:
    settled = (
        f", {details['conflicts']['rows']} of them with other values" if details["conflicts"]["rows"] else ""
    )
    return f"joined; {details['shared']} samples stood in more than one input{settled}"
