"""README.md of a dataset: counts, lineage, licence note, how to load it, and the hub's YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from facedata.datasets.canonical import canonical_json
from facedata.datasets.instructions import INSTRUCTIONS_NAME
from facedata.datasets.plain import in_markdown, printable
from facedata.datasets.record import Record, write_text
from facedata.datasets.sheet import SHEET_NAME

__all__ = ["CARD_NAME", "card_text", "write_card"]

CARD_NAME = "README.md"

_LOAD_FILES = """```python
import pandas as pd
from PIL import Image

samples = pd.read_parquet("samples.parquet")
picture = Image.open(samples.image[0])
```"""

_LOAD_SHARDS = """```python
import io
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

samples = pd.read_parquet("samples.parquet")
shard, row = samples.image[0].split("#")
data = pq.read_table(shard, columns=["bytes"])["bytes"][int(row)].as_py()
picture = Image.open(io.BytesIO(data))
```"""


def write_card(root: Path, record: Record, name: str) -> None:
    """Write the card of the dataset in `root`, which will be known as `name`."""
    tables = {"samples": "samples.parquet"}
    if record.counts.instructions:
        tables["instructions"] = INSTRUCTIONS_NAME
    front = {"configs": [{"config_name": name, "data_files": file} for name, file in tables.items()]}
    loading = _LOAD_FILES if record.layout == "files" else _LOAD_SHARDS
    write_text(root / CARD_NAME, card_text(record, name, front=front, loading=loading, sheet=SHEET_NAME))


def card_text(
    record: Record, name: str, *, front: Mapping[str, Any], loading: str, sheet: str | None = None
) -> str:
    """Return the card of what `record` describes, in Markdown.

    `front` is added to the hub's YAML, `loading` says how to load it, and `sheet` is a picture beside it.
    """
    head = {**_hub_metadata(record, name), **front}
    yaml_text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    parts = [f"---\n{yaml_text}---", f"# {in_markdown(name)}", _summary(record)]
    parts += [f"![contact sheet]({sheet})"] if sheet else []
    parts += ["## What is in it", *_tables(record)]
    parts += [_instructions(record)] if record.counts.instructions else []
    parts += ["## Where it comes from", _lineage(record)]
    parts += ["## How to load it", loading, _COLUMNS]
    parts += ["## Licence", _LICENCE]
    if record.failures:
        parts += ["## Not made", _failures(record)]
    return "\n\n".join(parts) + "\n"


_COLUMNS = (
    "Columns: `label` is `live`, `spoof` or null (the source says nothing); `attack` is the species of "
    "the instrument; `parent_id` is the sample that this one was made from, and `parameters` holds every "
    "operator and physical quantity that made it; `content_hash` is the SHA-256 of the picture's bytes."
)
_LICENCE = (
    "The pictures keep the licence of their source (`source.licence` of each row, where it was stated). "
    "Faces are personal data: see that you may use them for what you do."
)


def _hub_metadata(record: Record, name: str) -> dict[str, object]:
    rows = record.counts.rows
    sizes = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    size = next((label for bound, label in sizes if rows < bound), "1M<n<10M")
    return {
        "pretty_name": name,
        "task_categories": ["image-classification"],
        "tags": ["face", "face-anti-spoofing", "presentation-attack-detection", "facedata"],
        "size_categories": [size],
    }


def _summary(record: Record) -> str:
    labels = ", ".join(f"{number} {in_markdown(label)}" for label, number in record.counts.by_label.items())
    by = f"`facedata {in_markdown(record.verb)}` {in_markdown(record.libraries.get('facedata', ''))}."
    return (
        f"{record.counts.rows} face pictures ({labels}), version `{in_markdown(record.version)}`, made by "
        f"{by.replace(' .', '.')}"
    )


def _tables(record: Record) -> list[str]:
    counts = record.counts
    tables = {
        "Label": counts.by_label,
        "Attack": counts.by_attack,
        "Domain": counts.by_domain,
        "Split": counts.by_split,
        "Operator": counts.by_operator,
    }
    return [_table(title, table) for title, table in tables.items() if table]


def _table(title: str, table: Mapping[str, int], most: int = 40) -> str:
    lines = [f"| {title} | Samples |", "|---|---:|"]
    lines += [f"| {in_markdown(value)} | {number} |" for value, number in list(table.items())[:most]]
    if len(table) > most:
        lines.append(f"| ... {len(table) - most} more | {sum(list(table.values())[most:])} |")
    return "\n".join(lines)


def _instructions(record: Record) -> str:
    """Return how many instruction records there are, as `facedata.datasets.instructions` describes them."""
    lines = ["| Task | Status | Instruction records |", "|---|---|---:|"]
    for task, by_status in record.counts.instructions.items():
        lines += [
            f"| {in_markdown(task)} | {in_markdown(status)} | {number} |"
            for status, number in by_status.items()
        ]
    return "\n".join(lines)


def _lineage(record: Record) -> str:
    lines = [
        f"- made from `{in_markdown(parent.name)}`, version `{in_markdown(parent.version)}`"
        for parent in record.parents
    ]
    if record.seed is not None:
        lines.append(f"- seed: {record.seed}")
    lines += [f"- {in_markdown(note)}" for note in record.notes]
    lines.append(
        "- libraries: "
        + ", ".join(f"{in_markdown(name)} {in_markdown(found)}" for name, found in record.libraries.items())
    )
    parameters = printable(canonical_json(record.parameters))  # one line, so nothing in it can end the block
    return "\n".join([*lines, "", "```json", parameters, "```"])


def _failures(record: Record, most: int = 20) -> str:
    lines = [f"- {in_markdown(failure.reason)}" for failure in record.failures[:most]]
    if len(record.failures) > most:
        lines.append(f"- ... and {len(record.failures) - most} more, in dataset.json")
    return "\n".join(lines)
