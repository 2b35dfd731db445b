"""`--fail-on`: which verdicts stop a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facedata.curate.audit.catalogue import find_audits
from facedata.curate.audit.engine import Answer
from facedata.datasets.errors import UsageError

__all__ = ["ANY", "Gate", "failing", "read_gates"]

ANY = "any"


@dataclass(frozen=True, slots=True)
class Gate:
    """An audit by its name, or `any`, that must not fail, nor warn where `warn` is set."""

    name: str
    warn: bool = False


def read_gates(texts: Iterable[str]) -> list[Gate]:
    """Return the gates of `NAME`, `NAME=fail` or `NAME=warn`; raise UsageError for anything else."""
    gates = []
    for text in texts:
        name, _, level = text.partition("=")
        if level not in ("", "fail", "warn"):
            raise UsageError(f"--fail-on {text}: {level!r} is not fail or warn")
        if name != ANY:
            find_audits([name])
        gates.append(Gate(name, level == "warn"))
    return gates


def failing(gates: Iterable[Gate], answers: Sequence[Answer]) -> list[str]:
    """Return why the gates do not let a dataset pass, a line each, empty where they do.

    An audit that is named and was not run lets nothing pass: nobody knows. Of `any`, those that were run
    count.
    """
    reasons = []
    for gate in gates:
        bad: tuple[str, ...] = ("fail", "warn") if gate.warn else ("fail",)
        if gate.name != ANY:
            bad += ("skipped",)
        chosen = [answer for answer in answers if gate.name in (ANY, answer.audit.name)]
        if not chosen:
            reasons.append(f"--fail-on {gate.name}: it was not run; leave out --only, or name it there")
        reasons += [
            f"--fail-on {gate.name}: {answer.audit.name} is {answer.outcome.verdict}: {answer.outcome.said}"
            for answer in chosen
            if answer.outcome.verdict in bad
        ]
    return reasons
