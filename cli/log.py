"""facedata log DATASET."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from rich.tree import Tree

    from facedata.datasets.record import Ancestor, Parent, Record


def log(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")], json_wanted: o.Json = False
) -> None:
    """Show what a dataset was made from, step by step, up to its source files."""
    from facedata.datasets.versions import history

    if json_wanted:
        show.as_json(history.log(dataset))
        return
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    from facedata.datasets.dataset import Dataset

    found = Dataset.open(dataset)
    tree = Tree(Text(show.plain(_line(found.root.resolve().name, found.record))))
    leaves: list[Tree] = []
    _grow(tree, found.record.parents, found.record, set(), leaves)
    sources = (leaves[0] if len(leaves) == 1 else tree) if leaves else tree
    for source in history.source_files(found):
        name = source.dataset or "files"
        examples = ", ".join(source.examples) + (", ..." if source.files > len(source.examples) else "")
        licence = f"; {source.licence}" if source.licence else ""
        sources.add(Text(show.plain(f"{name}: {source.files} source files ({examples}){licence}")))
    Console(width=None if sys.stdout.isatty() else 200).print(tree)


def _grow(tree: Tree, parents: list[Parent], record: Record, shown: set[str], leaves: list[Tree]) -> None:
    """Add the parents, each with its own; one that was shown already is not shown twice."""
    from rich.text import Text

    if not parents:
        leaves.append(tree)
    for parent in parents:
        ancestor = record.ancestors.get(parent.lineage or "")
        if ancestor is None:
            why = (
                "an older record: no further history" if parent.lineage is None else "older history left out"
            )
            tree.add(Text(show.plain(f"{parent.name} {parent.version[:12]} ({why})")))
        elif parent.lineage in shown:
            tree.add(Text(show.plain(f"{parent.name} {parent.version[:12]} (as above)")))
        else:
            shown.add(parent.lineage or "")
            branch = tree.add(Text(show.plain(_line(parent.name, ancestor))))
            _grow(branch, ancestor.parents, record, shown, leaves)


def _line(name: str, made: Record | Ancestor) -> str:
    from facedata.datasets.record import Ancestor
    from facedata.datasets.versions.history import in_words

    rows, labels = (
        (made.rows, made.by_label) if isinstance(made, Ancestor) else (made.counts.rows, made.counts.by_label)
    )
    return f"{name} {made.version[:12]}  {rows} rows ({show.counted(labels)})  {in_words(made)}"
