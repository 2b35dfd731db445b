"""One job from question to record: asked, judged, and given one chance to mend what a check found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from facedata.annotate.ask import Answered, Asker
from facedata.annotate.checks.base import Answer
from facedata.annotate.compare import NEAR_DUPLICATE
from facedata.annotate.compose import compose, judge
from facedata.annotate.jobs import Job
from facedata.annotate.providers.base import Request
from facedata.annotate.swap import control
from facedata.annotate.tasks import Task
from facedata.datasets.instructions import Check, Record

__all__ = ["Unanswered", "answer_job"]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A job that got no answer, and why: another run asks again."""

    sample_id: str
    task: str
    detail: str


async def answer_job(
    job: Job, asker: Asker, *, repair: bool, swapped: Request | None = None
) -> Record | Unanswered:
    """Return the record of a job, or why no answer could be had.

    An answer that fails a check is sent back once, with what was found. The better of the two is kept: a
    second answer that fails as well does not hide the first. What still fails then goes to review, and is
    rejected only where there is no answer to look at. `swapped` is the request of the swap control.
    """
    answered = await asker.ask(job.request)
    outcome = answered.outcome
    if outcome.status in ("rate-limited", "error"):
        return Unanswered(job.sample.sample_id, job.task.name, outcome.detail or outcome.status)
    answer, checks = judge(job, outcome.text if outcome.status != "blocked" else "")
    if repair and _failures(checks) and outcome.status in ("ok", "invalid"):
        mended = await _again(job, asker, answered, checks)
        if mended is not None:
            answered, answer, checks = mended
    if asker.provider.name == "rules":
        checks = (*checks, *_needless(job.task))
    if swapped is not None and answer.response is not None:
        checks = (*checks, await control(job, swapped, asker, answer))
    return compose(job, asker.provider, answered, answer, checks)


def _needless(task: Task) -> list[Check]:
    """Return what is not checked of rules, which write the same where the labels are the same."""
    detail = "rules write the same where labels are the same"
    return [
        Check(rule=spec.rule, status="skip", detail=detail)
        for spec in task.checks
        if spec.rule == NEAR_DUPLICATE
    ]


def _failures(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.status == "fail"]


async def _again(
    job: Job, asker: Asker, first: Answered, checks: Sequence[Check]
) -> tuple[Answered, Answer, tuple[Check, ...]] | None:
    second = await asker.ask(_mending(job.request, first.outcome.text, checks))
    if second.outcome.status != "ok":
        return None
    answer, found = judge(job, second.outcome.text)
    if first.cost is not None and second.cost is not None:
        both = replace(second.outcome, cost=first.cost + second.cost)  # the record cost both
        second = replace(second, outcome=both)
    return (second, answer, found) if len(_failures(found)) < len(_failures(checks)) else None


def _mending(request: Request, text: str, checks: Sequence[Check]) -> Request:
    found = "\n".join(f"- {check.rule}: {check.detail}" for check in _failures(checks))
    prompt = (
        f"{request.prompt}\n\nAn earlier answer was:\n{text}\n\nThese things are wrong with it:\n{found}\n\n"
        "Answer again, in the same JSON form, with these mended and nothing else changed."
    )
    return replace(request, prompt=prompt)
