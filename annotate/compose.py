"""From an answer to an instruction record: parsed, put into words, checked, with a status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from facedata.annotate.ask import Answered
from facedata.annotate.checks.base import Answer, status_of
from facedata.annotate.checks.catalogue import run_checks
from facedata.annotate.checks.form import parse
from facedata.annotate.jobs import Job
from facedata.annotate.providers.base import Provider
from facedata.annotate.tasks import Task
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
from facedata.datasets.words import Words

__all__ = ["compose", "judge", "understand"]


def judge(job: Job, text: str) -> tuple[Answer, tuple[Check, ...]]:
    """Return an answer's text as an `Answer`, and what the task's checks find in it."""
    answer = understand(job.task, job.evidence, job.words, text)
    return answer, run_checks(answer, job.task.checks)


def understand(task: Task, evidence: Mapping[str, Any], words: Words, text: str) -> Answer:
    """Return an answer's text as an `Answer`: parsed, and put into the task's conversation."""
    response, problem = parse(text, task.validator)
    pairs = [] if response is None else task.conversation(evidence, response, words)
    texts = [reply for _, reply in pairs]
    # Most of a response's prose stands word for word in the conversation: it is read once.
    texts += [text for text in _prose(response) if not any(text in reply for reply in texts)]
    return Answer(task, evidence, response, pairs, problem, texts)


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
    """Yield every text of a response, depth first; single words and the names of units claim nothing."""
    if isinstance(value, str):
        if " " in value:
            yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            if not (key == "name" and "au" in value):
                yield from _prose(part)
    elif isinstance(value, list):
        for part in value:
            yield from _prose(part)
