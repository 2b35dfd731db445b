"""What stands at a target: nothing, a dataset, an export, pages or a model, and of which bytes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

_CARD = "training.json"


def looked(target: Path, makes: str = "tree") -> dict[str, Any]:
    """Return the hash of each file at a target and of all, its sample ids, and the hidden names beside it.

    Of a model, what a run goes on from is left out: a run that was stopped has other states, and the same
    end; `there` says whether it is finished.
    """
    target = Path(target)
    beside = sorted(one.name for one in target.parent.iterdir() if one.name.startswith(f".{target.name}"))
    nothing = {"there": False, "beside": beside, "files": {}, "hash": None, "ids": None}
    if not target.exists():
        return nothing
    files = {}
    for folder, names, found in os.walk(target):
        names[:] = sorted(set(names) - ({"states"} if makes == "model" else set()))
        for path in (Path(folder, name) for name in found):
            files[str(path.relative_to(target))] = hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (Path(folder, name) for name in names):
            if path.is_symlink():
                files[str(path.relative_to(target))] = str(path.readlink())
    if target.is_file():
        files["."] = hashlib.sha256(target.read_bytes()).hexdigest()
    if makes == "model" and not _finished(target):
        return {**nothing, "files": files}
    rows = target / "samples.parquet"
    ids = pq.read_table(rows, columns=["sample_id"])["sample_id"].to_pylist() if rows.is_file() else None
    text = "".join(f"{name}\0{one}\0" for name, one in sorted(files.items()))
    whole = hashlib.sha256(text.encode()).hexdigest()
    return {"there": True, "beside": beside, "files": files, "hash": whole, "ids": ids}


def _finished(model: Path) -> bool:
    """Whether a model's card says so: it names the weights."""
    card = model / _CARD
    return card.is_file() and "weights" in json.loads(card.read_text())
