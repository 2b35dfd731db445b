"""Write every reader's page, and their table in docs/readers.md, from what readers say of themselves.

python examples/reader_pages.py [DOCS]
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from facedata.datasets.readers.base import Reader
from facedata.datasets.readers.catalogue import READERS, open_reader

BEGIN, END = "<!-- readers: begin -->\n", "<!-- readers: end -->\n"


def page(reader: Reader) -> str:
    """Return the page of a reader, Markdown."""
    folder = reader.tree.splitlines()[0].split("/")[0].split()[0]
    parts = [
        f"# {reader.title}",
        inspect.getdoc(type(reader)) or "",
        f"```\n{reader.tree}\n```",
        f"```bash\nfacedata ingest {reader.name} {folder} -o DATASET\n```",
    ]
    if choices := reader.described():
        rows = [
            f"| `--choose {name}=` | {_cell(values)} | {_cell(what)} |"
            for name, (values, what) in choices.items()
        ]
        parts.append("\n".join(["| Choice | Values | What it settles |", "|---|---|---|", *rows]))
    parts.append(f"Source: {reader.source}")
    parts.append("[All datasets](../readers.md), with what goes for each of them.")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def table() -> str:
    """Return the table of all readers, Markdown."""
    rows = []
    for name in READERS:
        reader = open_reader(name)
        choices = ", ".join(f"`{choice}`" for choice in reader.described())
        rows.append(f"| [`{name}`](readers/{name}.md) | {reader.title} | {choices} |")
    return "\n".join(["| KIND | Dataset | Choices |", "|---|---|---|", *rows]) + "\n"


def with_table(text: str) -> str:
    """Return the text of docs/readers.md with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def _cell(text: str) -> str:
    return text.replace("|", ", ").replace("\n", " ")


def main(docs: Path) -> None:
    """Write the pages under `docs`."""
    (docs / "readers").mkdir(exist_ok=True)
    for name in READERS:
        (docs / "readers" / f"{name}.md").write_text(page(open_reader(name)), "utf-8")
    index = docs / "readers.md"
    index.write_text(with_table(index.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "docs")
