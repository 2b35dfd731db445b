"""`facedata augment`: from live faces to a labelled, versioned dataset of attacks and captures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facedata.augment.policy import Policy, load_policy
from facedata.augment.task import Augment, LabelEffect, Truth
from facedata.datasets.engine import Options, Result, run
from facedata.datasets.inputs import Reading, open_input, refuse_overlap
from facedata.datasets.pictures import Encoding

__all__ = ["DEFAULT_POLICY", "augment", "plan"]

DEFAULT_POLICY = "mixed"


def augment(
    source: Path,
    target: Path,
    *,
    policy: str | Policy = DEFAULT_POLICY,
    variants: int = 4,
    seed: int = 0,
    label_effect: LabelEffect = "flip",
    keep_originals: bool = True,
    encoding: Encoding | None = None,
    truth: Truth = "none",
    sessions: int | None = None,
    reading: Reading | None = None,
    options: Options | None = None,
) -> Result:
    """Make `variants` of each picture of `source`, a folder, a list or a dataset, into the dataset `target`.

    The same source, policy, variants, label effect, encoding and seed give the same version, whatever the
    engine, the number of workers, the layout and the order of the listing.
    """
    reading = reading or Reading()
    refuse_overlap(source, target)
    task = Augment(
        policy if isinstance(policy, Policy) else load_policy(policy),
        variants,
        seed,
        label_effect,
        keep_originals,
        encoding or Encoding(),
        truth,
        {"input": source.resolve().name, **reading.settings()},
        sessions=sessions,
    )
    return run("augment", task, open_input(source, reading), target, seed, options or Options())


def plan(source: Path, *, policy: str, variants: int, reading: Reading | None = None) -> dict[str, Any]:
    """Return what `augment` would make at most, without reading a picture: inputs, samples, policy, notes."""
    checked = load_policy(policy)
    found = open_input(source, reading or Reading())
    return {
        "policy": checked.name,
        "inputs": found.count,
        "samples": found.count * variants,
        "notes": list(found.notes),
        "failures": [failure.model_dump() for failure in found.failures],
    }
