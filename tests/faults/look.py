"""What stands at a target: nothing, a dataset or an export, and of which bytes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def looked(target: Path) -> dict[str, Any]:
    """Return the hash of a tree's names and bytes, its sample ids, and what hidden names lie beside it."""
    target = Path(target)
    beside = sorted(one.name for one in target.parent.iterdir() if one.name.startswith(f".{target.name}"))
    if not target.exists():
        return {"there": False, "beside": beside}
    found = hashlib.sha256()
    for folder, names, files in os.walk(target):
        names.sort()
        for name in sorted(files):
            path = Path(folder, name)
            data = path.read_bytes()
            found.update(f"{path.relative_to(target)}\0{len(data)}\0".encode() + data)
    rows = target / "samples.parquet"
    ids = pq.read_table(rows, columns=["sample_id"])["sample_id"].to_pylist() if rows.is_file() else None
    return {"there": True, "beside": beside, "hash": found.hexdigest(), "ids": ids}
