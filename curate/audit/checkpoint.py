"""`facedata audit --checkpoint`: the screen of a model, answered as audits of rows are."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facedata.curate.audit.backdoor import (
    KNOWN_TRIGGERS,
    BackdoorThresholds,
    load_pipeline,
    screen,
)
from facedata.curate.audit.base import Audit, Outcome, Rows
from facedata.curate.audit.engine import Answer, Settings, thresholds_of
from facedata.datasets.errors import SourceError, UsageError

__all__ = ["BACKDOOR", "audit_checkpoint", "read_words"]


def _of_no_rows(rows: Rows, limits: BackdoorThresholds) -> Outcome:
    raise UsageError("backdoor looks at a model, not at rows: pass --checkpoint")


BACKDOOR = Audit(
    name="backdoor",
    title="Backdoor of a checkpoint",
    about=(
        "Whether a word set before a caption makes the attention of all its words alike, as triggers of "
        "backdoors in text-to-image models do. It sees triggers that are tried and that assimilate "
        "attention, no others: passing is no proof of innocence."
    ),
    run=_of_no_rows,
    thresholds=BackdoorThresholds,
    source="T2IShield (Wang et al., ECCV 2024): Frobenius norm threshold truncation",
)


def audit_checkpoint(
    path: Path, settings: Settings | None = None, words: Path | None = None
) -> tuple[Answer, Mapping[str, Any]]:
    """Screen the checkpoint in a folder; return the answer, and what it is about as JSON.

    `settings` may have thresholds of `backdoor`; `words` is a file of words to try, one a line, beside the
    triggers of published attacks. Raises UsageError for thresholds and checkpoints that cannot be used, and
    SourceError for the file.
    """
    if odd := sorted(set(settings or {}) - {BACKDOOR.name}):
        raise UsageError(f"--set {odd[0]}: with --checkpoint there are the thresholds of backdoor alone")
    limits = thresholds_of(BACKDOOR, settings or {})
    tried = (*KNOWN_TRIGGERS, *(read_words(words) if words else ()))
    pipeline = load_pipeline(path)
    started = time.perf_counter()
    outcome = screen(pipeline, BackdoorThresholds.model_validate(limits.model_dump()), tried)
    answer = Answer(BACKDOOR, limits, outcome, time.perf_counter() - started)
    return answer, {"checkpoint": path.resolve().name, "pipeline": type(pipeline).__name__}


def read_words(path: Path) -> tuple[str, ...]:
    """Return the words of a file, one a line, empty lines left out; raise SourceError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as text in UTF-8: {error}") from None
    words = tuple(line.strip() for line in lines if line.strip())
    if not words:
        raise SourceError(f"{path} has no words; give one a line")
    return words
