"""Checks that need more than one record: a second pass over a run's spool, in flat memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from facedata.annotate.checks.base import status_of
from facedata.annotate.checks.duplicates import NEAR, Seen
from facedata.annotate.spool import Spool
from facedata.annotate.tasks import CheckSpec, Task
from facedata.datasets.instructions import Check, Record

__all__ = ["NEAR_DUPLICATE", "compare"]

NEAR_DUPLICATE = "near-duplicate"
_BUFFER = 256


def compare(spool: Spool, tasks: Sequence[Task]) -> Counter[tuple[str, str]]:
    """Look for near-duplicates among the records of each task that asks for it; rewrite their checks.

    The first record of a kind, by id, passes, and those after it are found. Setting `threshold`, default 0.6:
    the similarity from which texts are near. Returns how many records went from one status to another.
    """
    specs = {task.name: spec for task in tasks for spec in task.checks if spec.rule == NEAR_DUPLICATE}
    seen = {name: Seen(spec.settings.get("threshold", NEAR)) for name, spec in specs.items()}
    moved: Counter[tuple[str, str]] = Counter()
    buffer: list[Record] = []
    try:
        for record in spool:
            if record.task not in specs or record.status in ("blocked", "reject"):
                continue
            changed = _with(record, _look(record, seen, specs))
            if changed.status != record.status:
                moved[record.status, changed.status] += 1
            buffer.append(changed)
            if len(buffer) >= _BUFFER:
                spool.replace(buffer)
                buffer.clear()
        spool.replace(buffer)
    finally:
        for index in seen.values():
            index.close()
    return moved


def _look(record: Record, seen: Mapping[str, Seen], specs: Mapping[str, CheckSpec]) -> Check:
    text = "\n".join(turn.text() for turn in record.messages if turn.role == "assistant")
    near = seen[record.task].nearest(record.record_id, text)
    if near is None:
        return Check(rule=NEAR_DUPLICATE, status="pass")
    other, value = near
    severity = specs[record.task].severity
    return Check(
        rule=NEAR_DUPLICATE, status=severity, detail=f"says nearly the same as {other} ({value:.2f})"
    )


def _with(record: Record, check: Check) -> Record:
    checks = (*(one for one in record.checks if one.rule != check.rule), check)
    return record.model_copy(update={"checks": checks, "status": status_of(checks)})
