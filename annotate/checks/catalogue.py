"""The checks by the names that task files call them by, and how a task's checks are run."""

from __future__ import annotations

from collections.abc import Sequence

from facedata.annotate.checks.base import Answer, CheckFunction
from facedata.annotate.checks.form import schema
from facedata.annotate.tasks import CheckSpec
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Check

__all__ = ["CHECKS", "run_checks"]

CHECKS: dict[str, CheckFunction] = {"schema": schema}


def run_checks(answer: Answer, specs: Sequence[CheckSpec]) -> tuple[Check, ...]:
    """Return what each of the checks finds in an answer."""
    found = []
    for spec in specs:
        function = CHECKS.get(spec.rule)
        if function is None:
            raise UsageError(
                f"task {answer.task.name}: no check {spec.rule!r}; there are {', '.join(sorted(CHECKS))}"
            )
        if answer.response is None and spec.rule != "schema":
            continue  # there is nothing to look at, and the schema check says so
        detail = function(answer, spec.settings)
        if detail is None:
            found.append(Check(rule=spec.rule, status="skip"))
        else:
            found.append(Check(rule=spec.rule, status=spec.severity if detail else "pass", detail=detail))
    return tuple(found)
