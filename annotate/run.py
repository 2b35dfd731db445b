"""`facedata annotate`: instruction records for the samples of a dataset, planned, asked and checked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from facedata.annotate.answering import Unanswered, answer_job
from facedata.annotate.ask import Asker, Limits, Spent
from facedata.annotate.batch import BatchProvider, ask_in_batches
from facedata.annotate.compare import compare
from facedata.annotate.flight import in_flight, interruptible
from facedata.annotate.jobs import Job, Jobs
from facedata.annotate.providers.base import Provider, Request, Sampling
from facedata.annotate.spool import Spool
from facedata.annotate.store import Store
from facedata.annotate.swap import Swap, with_swaps
from facedata.annotate.tasks import Task
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import ServiceError, SourceError
from facedata.datasets.instructions import Record, Usage

__all__ = ["Adding", "Asking", "Plan", "Tally", "ask_all", "ask_some", "finish", "plan", "settings"]


class Adding(Protocol):
    """Where finished records go."""

    def add(self, records: Iterable[Record]) -> None:
        """Take records."""
        ...


_BUFFER = 256  # records written to the spool at once
_MOST_PROBLEMS = 20


def _silent(message: str) -> None:
    del message


@dataclass(frozen=True, slots=True)
class Asking:
    """How to ask: `seed` decides wordings, `draws` how many answers each question gets.

    `journal` is the file of answers that were paid for, None to keep none; `again` names outcomes in it that
    are asked anew. `repair` sends a failed answer back once. `swap` says how many answers are controlled by a
    second request with another picture. `batch` sends jobs instead of single requests, and looks after them
    every `poll` seconds. `tell` is given lines for people.
    """

    seed: int = 0
    draws: int = 1
    sampling: Sampling = field(default_factory=Sampling)
    limits: Limits = field(default_factory=Limits)
    journal: Path | None = None
    again: tuple[str, ...] = ()
    repair: bool = True
    swap: Swap = field(default_factory=Swap)
    batch: bool = False
    poll: float = 30.0
    progress: Callable[[int, int], None] | None = None
    tell: Callable[[str], None] = _silent


@dataclass(slots=True)
class Plan:
    """What a run would ask, and what of it the journal answers already.

    `usage` and `cost`, US dollars, are of the rest, at most: prompts as they are estimated, outputs as long
    as they may be. `cost` is None where no price is known.
    """

    requests: int = 0
    in_journal: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    passed_over: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """What a run came to: records by status, jobs without an answer, samples passed over, what was spent.

    `problems` are the first few jobs without an answer.
    """

    by_status: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    problems: list[Unanswered] = field(default_factory=list)
    passed_over: Counter[tuple[str, str]] = field(default_factory=Counter)
    spent: Spent = field(default_factory=Spent)


def plan(dataset: Dataset, tasks: Sequence[Task], provider: Provider, asking: Asking) -> Plan:
    """Return what a run would send and what it would cost, sending nothing."""
    found = Plan()
    jobs = _jobs(dataset, tasks, asking)
    totals: Counter[str] = Counter()
    journal = asking.journal if asking.journal is not None and asking.journal.exists() else None
    with Store(journal, asking.again) as store:
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
    """Ask everything and put the records into `spool`; stopped at any point, what was answered is kept.

    Raises SourceError where no sample has what the tasks need, ServiceError where the provider's answer ends
    the run, and KeyboardInterrupt once what was under way at a Ctrl-C has landed in the journal; at a second
    one at once.
    """
    tally = ask_some(dataset, tasks, provider, asking, spool)
    finish(tally, tasks, provider, spool)
    return tally


def ask_some(
    dataset: Dataset, tasks: Sequence[Task], provider: Provider, asking: Asking, spool: Adding
) -> Tally:
    """Ask everything, and look at no two records together; for a part of a dataset."""
    try:
        return asyncio.run(_ask_some(dataset, tasks, provider, asking, spool))
    except asyncio.CancelledError:  # how a second Ctrl-C arrives
        raise KeyboardInterrupt from None


def finish(tally: Tally, tasks: Sequence[Task], provider: Provider, spool: Spool) -> None:
    """Run the checks that look at all records together; raise SourceError where there was nothing to ask."""
    if not tally.by_status and not tally.unanswered:
        raise SourceError(_nothing_to_ask(tally.passed_over, tasks))
    if provider.name == "rules":
        return
    for (before, after), count in compare(spool, tasks).items():
        tally.by_status[before] -= count
        tally.by_status[after] += count
    tally.by_status = +tally.by_status  # those that nothing is left of go


async def _ask_some(
    dataset: Dataset, tasks: Sequence[Task], provider: Provider, asking: Asking, spool: Adding
) -> Tally:
    with Store(asking.journal, asking.again) as store:
        try:
            run = _Run(dataset, tasks, asking, Asker(provider, store, asking.limits), spool)
            with interruptible(run.asker.stop, run.stopping) as interrupted:
                if asking.batch:
                    await run.batches(store)
                if not run.asker.stop.is_set():
                    await run.records(store)
            if interrupted():
                raise KeyboardInterrupt
        finally:
            await provider.close()
    if run.asker.ended:
        raise ServiceError(f"{run.asker.ended}; what was answered is kept, run again once this is mended")
    return run.tally


@dataclass(slots=True)
class _Run:
    dataset: Dataset
    tasks: Sequence[Task]
    asking: Asking
    asker: Asker
    spool: Adding
    tally: Tally = field(default_factory=Tally)
    done: int = 0

    def stopping(self) -> None:
        if self.asking.batch:
            self.asking.tell("stopping; jobs that were sent go on at the server, run again to fetch them")
        else:
            self.asking.tell("stopping once the requests under way are answered; Ctrl-C again gives them up")

    async def batches(self, store: Store) -> None:
        await ask_in_batches(
            lambda: _jobs(self.dataset, self.tasks, self.asking),
            cast(BatchProvider, self.asker.provider),
            store,
            self.asking.limits,
            repair=self.asking.repair,
            poll=self.asking.poll,
            asker=self.asker,
            tell=self.asking.tell,
        )

    async def records(self, store: Store) -> None:
        jobs, asking = _jobs(self.dataset, self.tasks, self.asking), self.asking
        asker = self.asker
        if asking.batch:  # from the journal alone: what the jobs did not answer stays unanswered
            asker = Asker(asker.provider, store, asking.limits, held=_left_to_a_batch)
        buffer: list[Record] = []
        expected = len(self.dataset) * len(self.tasks) * asking.draws

        async def work(item: tuple[Job, Request | None]) -> Record | Unanswered:
            job, swapped = item
            return await answer_job(job, asker, repair=asking.repair, swapped=swapped)

        pairs = with_swaps(jobs, asking.swap)
        async for result in in_flight(pairs, work, asking.limits.concurrency, self.asker.stop):
            self.done += 1
            if isinstance(result, Unanswered):
                self._missed(result)
            else:
                self.tally.by_status[result.status] += 1
                buffer.append(result)
            if len(buffer) >= _BUFFER:
                self.spool.add(buffer)
                buffer.clear()
            if asking.progress:
                asking.progress(self.done + sum(jobs.passed_over.values()) * asking.draws, expected)
        self.spool.add(buffer)
        self.tally.spent = self.asker.spent
        if asking.batch:
            self.tally.spent.from_journal = max(0, asker.spent.from_journal - self.asker.spent.asked)
        self.tally.passed_over = jobs.passed_over

    def _missed(self, missed: Unanswered) -> None:
        self.tally.unanswered += 1
        if len(self.tally.problems) < _MOST_PROBLEMS:
            self.tally.problems.append(missed)


def _left_to_a_batch(key: str, request: Request) -> None:
    """Send nothing: a batch had its turn."""
    del key, request


def _jobs(dataset: Dataset, tasks: Sequence[Task], asking: Asking) -> Jobs:
    return Jobs(dataset, tasks, asking.seed, asking.sampling, asking.draws)


def _nothing_to_ask(passed_over: Counter[tuple[str, str]], tasks: Sequence[Task]) -> str:
    lacking = ", ".join(f"{count} lack {key} ({task})" for (task, key), count in sorted(passed_over.items()))
    names = ", ".join(task.name for task in tasks)
    reason = lacking or "the dataset is empty"
    return f"no sample has what {names} needs: {reason}; take a dataset with these labels"


def settings(tasks: Sequence[Task], provider: Provider, asking: Asking) -> dict[str, Any]:
    """Return what decides the records, for the dataset's record: never a key, a path or a speed.

    The tasks are told whole, so that the dataset can be made again when their files have changed or gone.
    """
    return {
        "tasks": [task.model_dump(mode="json", exclude_defaults=True) for task in tasks],
        "provider": provider.settings(),
        "sampling": asking.sampling.to_json(),
        "draws": asking.draws,
        "repair": asking.repair,
        "swap": {"share": asking.swap.share, "picture": asking.swap.picture},
    }
