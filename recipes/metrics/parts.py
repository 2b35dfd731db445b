"""Which scored samples are tested, and which a threshold is chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.items import printable
from facedata.datasets.versions.protocol import Protocol, load_protocol, stock_protocols
from facedata.recipes.metrics.predictions import Predictions
from facedata.recipes.metrics.presentations import Presentations
from facedata.recipes.metrics.truth import Truth

__all__ = [
    "Part",
    "dev_part",
    "fold_parts",
    "protocols",
    "refuse_unknown",
    "scored_part",
    "test_part",
    "tested_rows",
]


@dataclass(frozen=True)
class Part:
    """Presentations with their scores; `of` names them, `unscored` counts, by label, rows without a score."""

    presentations: Presentations
    of: str
    unscored: dict[str, int]
    unlabelled: int = 0


def tested_rows(truth: Truth, split: str) -> tuple[NDArray[np.bool_], str]:
    """Return which rows are of `split`, all where the truth names no splits, and what they are called."""
    splits = truth.splits()
    if not splits:
        return np.ones(len(truth.table), bool), truth.name
    if split not in splits:
        raise UsageError(
            f"{truth.name} has no rows of the split {split!r}; it has {', '.join(splits)}: say which with "
            "--split"
        )
    return (truth.table["split"] == split).to_numpy(), f"{split} rows of {truth.name}"


def test_part(truth: Truth, scores: Predictions, split: str, *, leave_missing: bool) -> Part:
    """Return the rows of `split`, or all rows where the truth names no splits, with their scores."""
    return scored_part(truth, scores, *tested_rows(truth, split), leave_missing=leave_missing)


def dev_part(truth: Truth, scores: Predictions, split: str, *, whole: bool) -> Part | None:
    """Return the scored rows of `split`; with `whole` all scored rows where the truth has no such split.

    None where there is no such row. Rows without a score are left out: a threshold may be chosen on a sample.
    """
    chosen = (truth.table["split"] == split).to_numpy()
    of = f"{split} rows of {truth.name}"
    if whole and not chosen.any():
        chosen, of = np.ones(len(truth.table), bool), truth.name
    chosen = chosen & truth.table.index.isin(scores.table["sample_id"])
    return scored_part(truth, scores, chosen, of, leave_missing=True) if chosen.any() else None


def fold_parts(
    truth: Truth, scores: Predictions, protocol: Protocol, dev_split: str, *, leave_missing: bool
) -> tuple[Part, Part | None]:
    """Return what a protocol tests, and the scored rows of its source domains that are of `dev_split`.

    The split is that of the scores where they have one, else that of the rows.
    """
    masks = truth.masks(protocol)
    if "test" not in masks:
        raise UsageError(f"protocol {protocol.name} names no split test; it has {', '.join(masks)}")
    test = scored_part(
        truth, scores, masks["test"], f"test rows of {protocol.name}", leave_missing=leave_missing
    )
    split = truth.table["split"]
    if "split" in scores.table.columns:
        stated = scores.table.set_index("sample_id")["split"]
        split = stated.reindex(truth.table.index)
    held = masks[dev_split] if dev_split in masks else masks.get("train", np.zeros(len(split), bool))
    held = held & ~masks["test"] & truth.table.index.isin(scores.table["sample_id"])
    if dev_split not in masks:
        held = held & (split == dev_split).to_numpy()
    of = f"{dev_split} rows of the source domains of {protocol.name}"
    return test, scored_part(truth, scores, held, of, leave_missing=True) if held.any() else None


def protocols(name: str) -> list[Protocol]:
    """Return the protocol of this name or file, or those of a family: `ocim` is ocim-c, -i, -m and -o."""
    family = [known for known in stock_protocols() if known.startswith(f"{name}-")]
    return [load_protocol(one) for one in family or [name]]


def refuse_unknown(scores: Predictions, truths: Sequence[Truth]) -> None:
    """Raise SourceError where a score is of a sample that no truth holds."""
    unknown = scores.table["sample_id"]
    for truth in truths:
        unknown = unknown[~unknown.isin(truth.table.index)]
    if len(unknown):
        where = " and ".join(truth.name for truth in truths)
        raise SourceError(
            f"{scores.name}: {len(unknown)} of {len(scores.table)} samples are not in {where} (first "
            f"{printable(unknown.iloc[0])!r}); score this very version, or leave such rows out"
        )


def scored_part(
    truth: Truth, scores: Predictions, chosen: NDArray[np.bool_], of: str, *, leave_missing: bool
) -> Part:
    """Return the chosen rows that have a label, with their scores; `of` names them in messages.

    Raises SourceError where a row has no score, unless `leave_missing`, or a class is missing.
    """
    if "score" not in scores.columns:
        raise SourceError(f"{scores.name} has no column score; error rates and thresholds need it")
    rows = truth.table[chosen]
    labelled = rows[rows["label"].notna()]
    found = labelled.join(scores.table.set_index("sample_id")["score"])
    missing = found["score"].isna()
    if missing.any() and not leave_missing:
        raise SourceError(
            f"{scores.name}: {int(missing.sum())} of {len(found)} {of} have no score (first "
            f"{found.index[missing.to_numpy()][0]}); score them, or pass --leave-missing to leave them out "
            "and have their share told"
        )
    unscored = {str(name): int(count) for name, count in found["label"][missing].value_counts().items()}
    presentations = Presentations(found[~missing])
    if (absent := presentations.missing()) is not None:
        raise SourceError(
            f"{of}: no {absent} sample has a score; error rates need both classes (labels live and spoof)"
        )
    return Part(presentations, of, unscored, len(rows) - len(labelled))
