"""`facedata annotate`: instruction records for the samples of a dataset, planned, asked and checked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facedata.annotate.answering import answer_job
from facedata.annotate.ask import Asker, Limits, Spent, in_flight
from facedata.annotate.compare import compare
from facedata.annotate.jobs import Job, Jobs
from facedata.annotate.providers.base import Provider, Request, Sampling
from facedata.annotate.spool import Spool
from facedata.annotate.store import Store
from facedata.annotate.swap import Swap, with_swaps
from facedata.annotate.tasks import Task
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError
from facedata.datasets.instructions import Record, Usage

__all__ = ["Asking", "Plan", "Tally", "ask_all", "plan", "settings"]

_BUFFER = 256  # records written to the spool at once


@dataclass(frozen=True, slots=True)
class Asking:
    """How to ask: `seed` decides wordings, `draws` how many answers each question gets.

    `journal` is the file of answers that were paid for, None to keep none; `again` names outcomes in it that
    are asked anew. `repair` sends a failed answer back once. `swap` says how many answers are controlled by a
    second request with another picture.
    """

    seed: int = 0
    draws: int = 1
    sampling: Sampling = field(default_factory=Sampling)
    limits: Limits = field(default_factory=Limits)
    journal: Path | None = None
    again: tuple[str, ...] = ()
    repair: bool = True
    swap: Swap = field(default_factory=Swap)
    progress: Callable[[int, int], None] | None = None


@dataclass(slots=True)
class Plan:
    """What a run would ask, and what of it the journal answers already; tokens and US dollars of the rest."""

    requests: int = 0
    in_journal: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    passed_over: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """What a run came to: records by status, jobs without an answer, samples passed over, what was spent."""

    by_status: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    passed_over: Counter[tuple[str, str]] = field(default_factory=Counter)
    spent: Spent = field(default_factory=Spent)


def plan(dataset: Dataset, tasks: Sequence[Task], provider: Provider, asking: Asking) -> Plan:
    """Return what a run would send and what it would cost, sending nothing."""
    found = Plan()
    jobs = _jobs(dataset, tasks, asking)
    totals: Counter[str] = Counter()
    with Store(asking.journal, asking.again) as store:
        for job, swapped in with_swaps(jobs, asking.swap):
            swapped = None if provider.name == "rules" else swapped
            for request in (job.request,) if swapped is None else (job.request, swapped):
                found.requests += 1
                if store.get(request.key(provider)) is not None:
                    found.in_journal += 1
                else:
                    totals.update(provider.estimate(request).model_dump())
    found.usage = Usage(**totals)
    found.cost = provider.price.of(found.usage) if provider.price else None
    found.passed_over = jobs.passed_over
    return found


def ask_all(
    dataset: Dataset, tasks: Sequence[Task], provider: Provider, asking: Asking, spool: Spool
) -> Tally:
    """Ask everything and put the records into `spool`; stopped at any point, what was answered is kept."""
    return asyncio.run(_ask_all(dataset, tasks, provider, asking, spool))


async def _ask_all(
    dataset: Dataset, tasks: Sequence[Task], provider: Provider, asking: Asking, spool: Spool
) -> Tally:
    tally, jobs = Tally(), _jobs(dataset, tasks, asking)
    buffer: list[Record] = []
    expected, done = len(dataset) * len(tasks) * asking.draws, 0
    with Store(asking.journal, asking.again) as store:
        asker = Asker(provider, store, asking.limits)

        async def work(item: tuple[Job, Request | None]) -> Record | None:
            job, swapped = item
            return await answer_job(job, asker, repair=asking.repair, swapped=swapped)

        try:
            async for record in in_flight(with_swaps(jobs, asking.swap), work, asking.limits.concurrency):
                done += 1
                if record is None:
                    tally.unanswered += 1
                else:
                    tally.by_status[record.status] += 1
                    buffer.append(record)
                if len(buffer) >= _BUFFER:
                    spool.add(buffer)
                    buffer.clear()
                if asking.progress:
                    asking.progress(done + sum(jobs.passed_over.values()) * asking.draws, expected)
        finally:
            await provider.close()
        spool.add(buffer)
        tally.spent = asker.spent
    tally.passed_over = jobs.passed_over
    if not done:
        raise SourceError(_nothing_to_ask(jobs.passed_over, tasks))
    moved = {} if provider.name == "rules" else compare(spool, tasks)
    for (before, after), count in moved.items():
        tally.by_status[before] -= count
        tally.by_status[after] += count
    tally.by_status += Counter()  # those that nothing is left of go
    return tally


def _jobs(dataset: Dataset, tasks: Sequence[Task], asking: Asking) -> Jobs:
    return Jobs(dataset, tasks, asking.seed, asking.sampling, asking.draws)


def _nothing_to_ask(passed_over: Counter[tuple[str, str]], tasks: Sequence[Task]) -> str:
    lacking = ", ".join(f"{count} lack {key} ({task})" for (task, key), count in sorted(passed_over.items()))
    names = ", ".join(task.name for task in tasks)
    reason = lacking or "the dataset is empty"
    return f"no sample has what {names} needs: {reason}; take a dataset with these labels"


def settings(tasks: Sequence[Task], provider: Provider, asking: Asking) -> dict[str, Any]:
    """Return what decides the records, for the dataset's record: never a key, a path or a speed."""
    return {
        "tasks": [
            {"name": task.name, "version": task.version, "template": task.template_hash} for task in tasks
        ],
        "provider": provider.settings(),
        "sampling": asking.sampling.to_json(),
        "draws": asking.draws,
        "repair": asking.repair,
        "swap": {"share": asking.swap.share, "picture": asking.swap.picture},
    }
