"""Batch mode: everything that the journal cannot answer goes to the server in jobs, at half the price.

A job is written into the journal before it is sent, with the keys of its requests, and its answers are put
there when it is done. A run that was stopped finds its jobs again by their names, or by their labels where it
was stopped before it knew the name, and nothing is sent twice. The records are then made from the journal.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from facedata.annotate.answering import answer_job
from facedata.annotate.ask import Asker, Limits
from facedata.annotate.flight import in_flight
from facedata.annotate.jobs import Job
from facedata.annotate.providers.base import Outcome, Provider, Request
from facedata.annotate.store import Batch, Store
from facedata.datasets.canonical import identifier
from facedata.datasets.errors import ServiceError, UsageError

__all__ = ["BatchFailedError", "BatchProvider", "Fetched", "ask_in_batches"]


class BatchFailedError(ServiceError):
    """A job is over and answered nothing, so its requests are free to be sent again."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a finished job holds: outcomes by request key, and what is wrong with the rest of its rows.

    `strays` are outcomes that were paid for and answer no request that is known.
    """

    outcomes: Mapping[str, Outcome]
    problems: Sequence[str] = ()
    strays: Sequence[Outcome] = ()


class BatchProvider(Provider, Protocol):
    """A provider that also takes jobs of many requests."""

    @property
    def batch_bytes(self) -> int:
        """The largest job, bytes as sent."""
        ...

    def batch_row(self, key: str, request: Request) -> tuple[Any, int]:
        """Return a request as a row of a job, and its size, bytes as sent: a quarter of a job at most."""
        ...

    async def submit(self, label: str, rows: Sequence[Any]) -> str:
        """Send a job and return its name; raise ServiceError where it is refused."""
        ...

    async def find(self, label: str) -> str | None:
        """Return the name of the job that was sent under a label, None where none arrived."""
        ...

    async def fetch(self, name: str, keys: Sequence[str]) -> Fetched | None:
        """Return the outcomes of a finished job, None while it runs.

        Raises BatchFailedError where it failed as a whole, and ServiceError where it cannot be asked after.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    question: str
    row: Any


async def ask_in_batches(
    jobs: Callable[[], Iterable[Job]],
    provider: BatchProvider,
    store: Store,
    limits: Limits,
    *,
    repair: bool,
    poll: float,
    asker: Asker,
    tell: Callable[[str], None],
) -> None:
    """Put the answers to everything that `jobs` ask into the journal, asking the server every `poll` s.

    One round asks the questions, the next what checks found wrong with the answers, and what rows that failed
    or the budget left over, until a round brings nothing. What was spent is counted at `asker`, whose `stop`
    ends the wait; jobs that run go on at the server.
    """
    if store.path is None:
        raise UsageError("batch mode needs a journal, to find its jobs again; give --journal")
    errand = _Errand(provider, store, asker, poll, tell)
    await errand.fetch_open()
    while not asker.stop.is_set():
        sent = await errand.send_missing(jobs(), limits, repair=repair)
        if not sent or not await errand.fetch_open():
            break
    if errand.left and not asker.stop.is_set():
        tell(f"{errand.left} requests were not sent: they could exceed the budget of {limits.budget:g} USD")


@dataclass(slots=True)
class _Errand:
    provider: BatchProvider
    store: Store
    asker: Asker
    poll: float
    tell: Callable[[str], None]
    feared: float = 0.0  # US dollars: what was spent, and what is under way may come to
    left: int = 0  # requests that the budget left over in the last round

    async def send_missing(self, jobs: Iterable[Job], limits: Limits, *, repair: bool) -> bool:
        """Send what the journal cannot answer; whether there was anything."""
        held: list[_Row] = []
        seen: set[str] = set()
        size, sent, self.left = 0, False, 0

        def hold(key: str, request: Request) -> None:
            nonlocal size
            if key in seen:
                return
            seen.add(key)
            if self._affordable(request, limits.budget):
                row, length = self.provider.batch_row(key, request)
                held.append(_Row(key, request.question(), row))
                size += length

        gatherer = Asker(self.provider, self.store, replace(limits, budget=None), held=hold)

        async def gather(job: Job) -> None:
            await answer_job(job, gatherer, repair=repair)

        async for _ in in_flight(jobs, gather, 1, self.asker.stop):
            if size >= 0.7 * self.provider.batch_bytes:  # a row takes a quarter at most
                await self._send(held)
                held.clear()
                size, sent = 0, True
        if held and not self.asker.stop.is_set():
            await self._send(held)
            sent = True
        return sent

    def _affordable(self, request: Request, budget: float | None) -> bool:
        if budget is None or self.provider.price is None:
            return True
        worst = self.provider.price.of(self.provider.estimate(request))
        if self.feared + worst > budget:
            self.left += 1
            return False
        self.feared += worst
        return True

    async def _send(self, rows: Sequence[_Row]) -> None:
        asked = [(row.key, row.question) for row in rows]
        label = f"facedata-{uuid.uuid4().hex}"  # in the journal before it is sent, so it may be any
        self.store.begin_batch(label, self._owner(), asked)
        name = await self.provider.submit(label, [row.row for row in rows])
        self.store.name_batch(label, name)
        self.tell(f"sent batch {name} of {len(rows)} requests")

    async def fetch_open(self) -> int:
        """Wait for every job that was sent, put its answers into the journal, and return how many came."""
        before = len(self.store)
        waiting = self.store.open_batches(self._owner())
        while waiting and not self.asker.stop.is_set():
            waiting = [batch for batch in waiting if not await self._fetch(batch)]
            if waiting:
                await self._rest()
        if not waiting:
            self.feared = self.asker.spent.cost or 0.0
        return len(self.store) - before

    async def _fetch(self, batch: Batch) -> bool:
        """Return whether a job is over."""
        name = batch.name or await self.provider.find(batch.label)
        if name is None:  # stopped before it was sent
            self.store.end_batch(batch.label)
            return True
        try:
            fetched = await self.provider.fetch(name, [key for key, _ in batch.asked])
        except BatchFailedError:
            self.store.end_batch(batch.label)
            raise
        if fetched is None:
            return False
        questions = dict(batch.asked)
        for key, outcome in fetched.outcomes.items():
            self.store.put(key, questions[key], self._paid(outcome))
        for stray in fetched.strays:
            self._paid(stray)
        self.store.end_batch(batch.label)
        lost = len(questions) - len(fetched.outcomes)
        self.tell(
            f"batch {name}: {len(fetched.outcomes)} answers" + (f", {lost} without one" if lost else "")
        )
        for problem in fetched.problems[:5]:
            self.tell(f"batch {name}: {problem}")
        return True

    def _paid(self, outcome: Outcome) -> Outcome:
        """Return an outcome with its cost, which is counted as spent."""
        price = self.provider.price
        paid = replace(outcome, cost=None if price is None else price.of(outcome.usage))
        self.asker.count(paid)
        return paid

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self.asker.stop.wait(), self.poll)
        except TimeoutError:
            return

    def _owner(self) -> str:
        return identifier("provider", self.provider.settings())
