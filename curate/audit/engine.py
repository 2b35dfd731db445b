"""Running audits over rows: which can be run, with which thresholds, and what they answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from facedata.curate.audit.base import Audit, Need, Outcome, Rows, Thresholds
from facedata.datasets.errors import UsageError

__all__ = ["Answer", "run_audits", "thresholds_of"]

_EXTRA = ("scipy", "sklearn", "faiss")  # of the extra `curate`
Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one audit answered, with the thresholds that it was given and the seconds that it took."""

    audit: Audit[Any]
    thresholds: Thresholds
    outcome: Outcome
    seconds: float = 0.0


def thresholds_of(audit: Audit[Any], settings: Settings) -> Thresholds:
    """Return an audit's thresholds with `settings[audit.name]` in place of its own; raise UsageError."""
    given = settings.get(audit.name, {})
    try:
        found: Thresholds = audit.thresholds.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join([audit.name, *map(str, first["loc"])])
        known = ", ".join(audit.thresholds.model_fields) or "none"
        raise UsageError(f"threshold {name}: {first['msg']}; {audit.name} has {known}") from None
    return found


def run_audits(
    rows: Rows,
    audits: Sequence[Audit[Any]],
    settings: Settings | None = None,
    absent: Mapping[Need, str] | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Run the audits over `rows` in their order.

    `absent` gives the reason why something that audits need is not there. An audit that needs it is not run:
    its verdict is "skipped". Raises UsageError for a threshold that is unknown or out of its range, before
    any audit is run.
    """
    chosen = [(audit, thresholds_of(audit, settings or {})) for audit in audits]
    answers = []
    for number, (audit, thresholds) in enumerate(chosen, 1):
        started = time.perf_counter()
        outcome = _missing(rows, audit, absent or {}) or _run(rows, audit, thresholds)
        outcome = replace(outcome, said=_sentence(outcome.said))
        answers.append(Answer(audit, thresholds, outcome, time.perf_counter() - started))
        if tell:
            tell(number, len(chosen))
    return answers


def _run(rows: Rows, audit: Audit[Any], thresholds: Thresholds) -> Outcome:
    """Run an audit; one whose libraries are not installed is skipped, and the others are run."""
    try:
        return audit.run(rows, thresholds)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in _EXTRA:
            raise
        return Outcome("skipped", f"it needs {library}: pip install 'facedata[curate]'")


def _missing(rows: Rows, audit: Audit[Any], absent: Mapping[Need, str]) -> Outcome | None:
    if not len(rows):
        return Outcome("skipped", "the dataset has no rows")
    for need in audit.needs:
        if getattr(rows, need) is None:
            return Outcome("skipped", absent.get(need, f"there are no {need}"))
    return None


def _sentence(text: str) -> str:
    """Return a text with a capital and a full stop, so that all audits read alike."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
