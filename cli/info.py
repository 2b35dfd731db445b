"""facedata info DATASET."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show


def info(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")], json_wanted: o.Json = False
) -> None:
    """Say what a dataset holds and what it was made from."""
    from facedata.datasets.dataset import Dataset

    found = Dataset.open(dataset)
    record = found.record
    if json_wanted:
        show.as_json(show.summary(record, found.root))
        return
    counts = record.counts
    lines = {
        "version": record.version,
        "rows": str(counts.rows),
        "labels": show.counted(counts.by_label),
        "attacks": show.counted(counts.by_attack),
        "domains": show.counted(counts.by_domain),
        "splits": show.counted(counts.by_split),
        "subjects": str(counts.subjects),
        "made by": f"facedata {record.verb}" + (f" --seed {record.seed}" if record.seed is not None else ""),
        "parents": ", ".join(f"{parent.name} {parent.version}" for parent in record.parents) or "none",
        "layout": record.layout,
        "not made": str(len(record.failures)),
    }
    for name, value in lines.items():
        show.echo(f"{name:9} {value}")
    for task, by_status in counts.instructions.items():
        show.echo(f"{'records':9} {task}: {show.counted(by_status)}")
    for note in record.notes:
        show.echo(f"{'note':9} {note}")
