"""The checks by the names that task files call them by, and how a task's checks are run."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal

from facedata.annotate.checks.base import Answer, CheckFunction, InProse
from facedata.annotate.checks.boxes import boxes_inside, boxes_match
from facedata.annotate.checks.cues import cue_for_species
from facedata.annotate.checks.declining import refusal
from facedata.annotate.checks.demographics import no_demographics
from facedata.annotate.checks.form import schema
from facedata.annotate.checks.identity import no_identity
from facedata.annotate.checks.leak import no_label_leak
from facedata.annotate.checks.names import au_names
from facedata.annotate.checks.truth import (
    attack_equals_truth,
    equals_truth,
    expression_equals_truth,
    label_equals_truth,
)
from facedata.annotate.checks.units import (
    aus_complete,
    aus_grounded,
    polarity,
    prototype,
    side,
)
from facedata.annotate.tasks import CheckSpec
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Check

__all__ = ["CHECKS", "FLAGS_IN_PROSE", "RUN_CHECKS", "run_checks"]

CHECKS: dict[str, CheckFunction] = {
    "schema": schema,
    "equals-truth": equals_truth,
    "expression-equals-truth": expression_equals_truth,
    "label-equals-truth": label_equals_truth,
    "attack-equals-truth": attack_equals_truth,
    "aus-complete": aus_complete,
    "aus-grounded": aus_grounded,
    "polarity": polarity,
    "side": side,
    "au-names": au_names,
    "cue-for-species": cue_for_species,
    "boxes-inside": boxes_inside,
    "boxes-match": boxes_match,
    "no-label-leak": no_label_leak,
    "no-identity": no_identity,
    "no-demographics": no_demographics,
    "refusal": refusal,
    "prototype": prototype,
}
"""Checks that one answer is enough for."""

RUN_CHECKS = ("near-duplicate", "swap-control")
"""Checks that need more than one answer: the run makes them."""

FLAGS_IN_PROSE = frozenset({"aus-complete", "aus-grounded", "polarity"})
"""Checks whose findings in prose flag and never fail: on unseen answers less than nine in ten were right.

docs/checks.md has the figures, and a test holds the two together. What they find in a field still fails.
"""

_FLAGS_ONLY = frozenset({"prototype"})  # a published rule of thumb is no truth about a picture


def run_checks(answer: Answer, specs: Sequence[CheckSpec]) -> tuple[Check, ...]:
    """Return what each of the checks finds in an answer; those of `RUN_CHECKS` are left to the run."""
    found = []
    for spec in specs:
        if spec.rule in RUN_CHECKS:
            continue
        function = CHECKS.get(spec.rule)
        if function is None:
            raise UsageError(
                f"task {answer.task.name}: no check {spec.rule!r}; there are "
                f"{', '.join(sorted((*CHECKS, *RUN_CHECKS)))}"
            )
        if answer.response is None and spec.rule != "schema":
            continue  # there is nothing to look at, and the schema check says so
        detail = function(answer, spec.settings)
        unsure = spec.rule in FLAGS_IN_PROSE and isinstance(detail, InProse)
        severity = "flag" if unsure or spec.rule in _FLAGS_ONLY else spec.severity
        if detail is None:
            found.append(_check(spec.rule, "skip", "nothing is known to check it against"))
        else:
            found.append(_check(spec.rule, severity if detail else "pass", str(detail)))
    return tuple(found)


@functools.lru_cache(maxsize=256)  # nearly all of them pass, record after record
def _check(rule: str, status: Literal["pass", "flag", "fail", "skip"], detail: str) -> Check:
    return Check(rule=rule, status=status, detail=detail)
