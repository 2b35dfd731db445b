"""From an answer to an instruction record: parsed, put into words, checked, with a status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from facedata.annotate.ask import Answered
from facedata.annotate.checks.base import Answer, status_of
from facedata.annotate.checks.catalogue import run_checks
from facedata.annotate.checks.form import parse
from facedata.annotate.jobs import Job
from facedata.annotate.providers.base import Provider
from facedata.datasets.instructions import (
    Check,
    ImageReference,
    Part,
    Provenance,
    Record,
    Status,
    Turn,
    record_id,
)

__all__ = ["compose", "judge"]


def judge(job: Job, text: str) -> tuple[Answer, tuple[Check, ...]]:
    """Return an answer's text as an `Answer`, and what the task's checks find in it."""
    response, problem = parse(text, job.task.response)
    pairs = [] if response is None else job.task.conversation(job.evidence, response, job.words)
    texts = [*_prose(response), *(answer for _, answer in pairs)]
    answer = Answer(job.task, job.evidence, response, pairs, problem, texts)
    return answer, run_checks(answer, job.task.checks)


def compose(
    job: Job, provider: Provider, answered: Answered, answer: Answer, checks: tuple[Check, ...]
) -> Record:
    """Return the record of a judged answer."""
    outcome, task, sample = answered.outcome, job.task, job.sample
    image = ImageReference(
        sha256=sample.content_hash, path=sample.image, width=sample.width, height=sample.height
    )
    messages = []
    for number, (question, reply) in enumerate(answer.pairs):
        parts = [Part(type="image", image=image)] if number == 0 else []
        messages.append(Turn(role="user", content=(*parts, Part(type="text", text=question))))
        messages.append(Turn(role="assistant", content=(Part(type="text", text=reply),)))
    provenance = Provenance(
        task_version=task.version,
        template=task.template_hash,
        response_schema=task.schema_hash,
        provider=provider.name,
        model=provider.model,
        answered_by=outcome.model,
        parameters=job.request.sampling.to_json(),
        request=answered.key,
        response_id=outcome.response_id,
        usage=outcome.usage,
        cost=answered.cost,
        outcome="invalid" if outcome.status == "ok" and answer.response is None else outcome.status,
    )
    structured = answer.response if isinstance(answer.response, dict) else {}
    return Record(
        record_id=record_id(sample.sample_id, task.name, task.version, answered.key),
        sample_id=sample.sample_id,
        task=task.name,
        messages=tuple(messages),
        structured=structured,
        evidence=job.evidence,
        provenance=provenance,
        checks=checks,
        status=_status(answered, checks),
    )


def _status(answered: Answered, checks: tuple[Check, ...]) -> Status:
    if answered.outcome.status == "blocked":
        return "blocked"
    return "reject" if answered.outcome.status != "ok" else status_of(checks)


def _prose(value: Any) -> Iterator[str]:
    """Yield every text of a response, depth first."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _prose(part)
    elif isinstance(value, list):
        for part in value:
            yield from _prose(part)
