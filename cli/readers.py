"""The listing of `facedata ingest --list`."""

from __future__ import annotations


def show_readers() -> None:
    """Print every reader: the dataset, the tree it expects, its choices and what was checked."""
    from rich.console import Console
    from rich.markup import escape

    from facedata.datasets.readers.catalogue import READERS, open_reader

    console = Console(highlight=False, soft_wrap=True)
    for name in READERS:
        reader = open_reader(name)
        console.print(f"[bold]{name}[/]  {reader.title}")
        console.print("  " + escape(reader.tree).replace("\n", "\n  "), style="dim")
        for choice, (values, what) in reader.described().items():
            console.print(f"  --choose {choice}={escape(values)}  {escape(what)}")
        console.print()
