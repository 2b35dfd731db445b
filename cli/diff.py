"""facedata diff BEFORE AFTER."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from facedata.datasets.versions.diff import Change, Diff

_MOST = 12  # lines of a table
_WORDS = {
    "relabelled": "same picture, other values",
    "rerendered": "same sample, other pixels",
    "redrawn": "same variant of the same parent, drawn anew",
    "replaced": "same place in the source, other file (or the reverse)",
}


def diff(
    before: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    after: Annotated[Path, typer.Argument(help="The folder of another.")],
    picture: Annotated[
        Path | None, typer.Option(help="Write a PNG of examples, before beside after.", metavar="FILE.png")
    ] = None,
    json_wanted: o.Json = False,
) -> None:
    """Say what differs between two versions: added, removed, relabelled, re-rendered, and how they were made.

    Exit code 0 where every row, picture and instruction record is the same, 4 where not.
    """
    from facedata.datasets.versions.diff import diff as library

    found = library(before, after)
    if picture is not None:
        from facedata.datasets.versions.diff_sheet import write_diff_sheet

        write_diff_sheet(before, after, found, picture)
    if json_wanted:
        show.as_json(found.to_json())
    else:
        _tell(found)
        if picture is not None:
            show.echo(f"picture     {picture}")
    if not found.same:
        raise typer.Exit(show.DIFFERENT)


def _tell(found: Diff) -> None:
    show.echo(f"versions    {found.versions[0]} -> {found.versions[1]}")
    show.echo(f"rows        {found.rows[0]} -> {found.rows[1]}")
    show.echo(f"unchanged   {found.unchanged}")
    for kind, change in found.changes.items():
        if change.samples:
            _tell_change(kind, change)
    for name, counts in (("added", found.added), ("removed", found.removed)):
        if counts:
            show.echo(f"{name:11} {counts.total()}  ({show.counted(dict(counts.most_common(_MOST)))})")
    records = found.instructions
    if not records.same:
        changes = f"{records.changed} changed, {records.added} added, {records.removed} removed"
        show.echo(f"records     {changes}  (instructions; {records.unchanged} unchanged)")
        for kind, names in records.examples.items():
            show.echo(f"  {kind:9} {', '.join(names)}")
    for told in found.record[:_MOST]:
        show.echo(f"made by     {told['field']}: {_value(told['before'])} -> {_value(told['after'])}")
    if len(found.record) > _MOST:
        show.echo(f"made by     ... and {len(found.record) - _MOST} more differences; --json lists them all")
    if found.same:
        show.echo("same        every row, picture and instruction record")


def _tell_change(kind: str, change: Change) -> None:
    show.echo(f"{kind:11} {change.samples}  ({_WORDS[kind]})")
    show.echo(f"  fields    {show.counted(dict(change.fields.most_common()))}")
    for name, table in sorted(change.became.items()):
        ordered = sorted(table.items(), key=lambda one: (-one[1], str(one[0])))
        for (old, new), number in ordered[:_MOST]:
            show.echo(f"  {name:9} {number:6}  {_value(old)} -> {_value(new)}")
        if len(ordered) > _MOST:
            show.echo(f"  {name:9} ... and {len(ordered) - _MOST} more; --json lists them all")


def _value(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
