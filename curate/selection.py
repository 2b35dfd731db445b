"""New datasets of the samples that a curator selected: augmented, or annotated anew."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from facedata.datasets.errors import FacedataError, ServiceError, UsageError
from facedata.datasets.versions.filter import filter_rows

__all__ = ["MOST_SELECTED", "annotate_selected", "augment_selected", "free_folder"]

MOST_SELECTED = 250
"""Samples that a condition can name; more are better told apart by what they have in common."""

_PARTLY = 3  # some samples could not be made: the dataset is there, and says which
_RUN = "from facedata.cli.main import run; run()"


def free_folder(root: Path, word: str) -> Path:
    """Return a folder beside `root` that is not there yet: `attacks-curated-1`, -2, ..."""
    root = root.resolve()
    return next(
        folder
        for number in count(1)
        if not (folder := root.with_name(f"{root.name}-{word}-{number}")).exists()
    )


def augment_selected(
    root: Path, ids: Sequence[str], target: Path, *, policy: str, variants: int, seed: int
) -> dict[str, Any]:
    """Make variants of the samples `ids` of the dataset `root`, by `facedata augment`, as `target`.

    Returns what the verb says of its dataset, and where the chosen samples lie as a dataset of their own,
    which is the parent of what was made.
    """
    verb = ("augment", "--policy", policy, "--variants", str(variants), "--seed", str(seed))
    return _made(root, ids, target, verb)


def annotate_selected(
    root: Path,
    ids: Sequence[str],
    target: Path,
    *,
    task: str,
    provider: str = "rules",
    model: str | None = None,
    budget: float | None = None,
) -> dict[str, Any]:
    """Write instruction records for the samples `ids` of `root`, by `facedata annotate`, as `target`.

    `budget` is in US dollars; None sets no limit. Returns what the verb says of its dataset, and where the
    chosen samples lie.
    """
    verb = ["annotate", task, "--provider", provider]
    verb += [] if model is None else ["--model", model]
    verb += [] if budget is None else ["--budget", f"{budget:g}"]
    return _made(root, ids, target, verb)


def _made(root: Path, ids: Sequence[str], target: Path, verb: Sequence[str]) -> dict[str, Any]:
    if not ids:
        raise UsageError("no sample is selected; click the boxes of some")
    if len(ids) > MOST_SELECTED:
        raise UsageError(
            f"{len(ids)} samples are selected, and {MOST_SELECTED} are the most; "
            "say what they have in common, by facedata filter, and take its dataset"
        )
    chosen = free_folder(root, "selected")
    condition = f"sample_id in [{', '.join(json.dumps(sid) for sid in sorted(ids))}]"
    filter_rows(root, condition, chosen)
    told = _run([*verb, str(chosen), "-o", str(target.resolve()), "--json"], chosen.parent)
    return {**told, "selected": str(chosen)}


def _run(arguments: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run a verb in a process of its own, so that a picture that takes a process down does not take the App.

    `folder` is where it works: its cache of pictures and answers lies there, beside the dataset.
    Raises ServiceError with the verb's own line where it fails.
    """
    command = [sys.executable, "-c", _RUN, *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode not in (0, _PARTLY):
        lines = done.stderr.strip().splitlines()
        told = lines[-1].removeprefix("facedata: ") if lines else f"exit code {done.returncode}"
        raise ServiceError(f"facedata {arguments[0]}: {told}")
    try:
        return dict(json.loads(done.stdout))
    except ValueError as error:
        raise FacedataError(f"facedata {arguments[0]} did not say what it made: {error}") from None
