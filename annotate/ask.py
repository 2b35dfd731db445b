"""Asking: many requests in flight, within a rate and a budget, each answer written down before it is read.

The journal answers what was asked before; a server's wish to wait holds every request; what may be worth
another try is tried again, a little later each time. Cancelling loses nothing that came back.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from aiolimiter import AsyncLimiter
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt
from tenacity.wait import wait_base, wait_random_exponential

from facedata.annotate.providers.base import Outcome, Provider, Request
from facedata.annotate.store import Store
from facedata.datasets.instructions import Usage

__all__ = ["Answered", "Asker", "Limits", "Spent", "in_flight"]

Job = TypeVar("Job")
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast and how much: None is no limit. `budget` is in US dollars, rates are per minute."""

    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    budget: float | None = None
    attempts: int = 5
    patience: float = 120.0
    """Seconds that one attempt may take."""


@dataclass(slots=True)
class Spent:
    """What a run came to so far; `cost` in US dollars, None where the provider has no known price."""

    asked: int = 0
    from_journal: int = 0
    retried: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Answered:
    """An outcome and how it was come by; `cost` is what this answer cost when it was paid for."""

    key: str
    outcome: Outcome
    attempts: int
    cost: float | None
    from_journal: bool


class Asker:
    """Asks one provider; one object serves a run."""

    def __init__(self, provider: Provider, store: Store, limits: Limits) -> None:
        self.provider = provider
        self.store = store
        self.limits = limits
        self.spent = Spent(cost=None if provider.price is None else 0.0)
        self._gate = _Gate(limits)
        self._reserved = 0.0
        self._asking: dict[str, asyncio.Future[Answered]] = {}

    async def ask(self, request: Request) -> Answered:
        """Return the outcome of a request; one that two ask at the same time is sent once."""
        key = request.key(self.provider)
        if (running := self._asking.get(key)) is not None:
            return await asyncio.shield(running)
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._asking[key] = future
        try:
            answered = await self._ask(key, request)
            future.set_result(answered)
            return answered
        except BaseException:
            future.cancel()
            raise
        finally:
            del self._asking[key]

    async def _ask(self, key: str, request: Request) -> Answered:
        if (known := self.store.get(key)) is not None:
            self.spent.from_journal += 1
            return Answered(key, known, 1, self._cost(known), from_journal=True)
        expected = self.provider.estimate(request)
        price = self.provider.price
        worst = price.of(expected) if price else 0.0
        budget = self.limits.budget
        if budget is not None and (self.spent.cost or 0.0) + self._reserved + worst > budget:
            return Answered(key, _over_budget(budget), 0, 0.0, from_journal=False)
        self._reserved += worst
        try:
            outcome, attempts = await self._try(key, request, expected)
        finally:
            self._reserved -= worst
        return Answered(key, outcome, attempts, self._cost(outcome), from_journal=False)

    async def _try(self, key: str, request: Request, expected: Usage) -> tuple[Outcome, int]:
        attempts = 0

        async def once() -> Outcome:
            nonlocal attempts
            await self._gate.pass_through(expected)
            attempts += 1
            try:
                async with asyncio.timeout(self.limits.patience):
                    outcome = await self.provider.answer(request)
            except TimeoutError:
                detail = f"no answer within {self.limits.patience:g} s"
                outcome = Outcome(status="error", detail=detail, retryable=True)
            self.store.put(key, outcome)
            self._count(outcome)
            self._gate.heed(outcome)
            return outcome

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda outcome: outcome.retryable),
            stop=stop_after_attempt(self.limits.attempts),
            wait=_AsTheServerWishes(),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        outcome: Outcome = await retrying(once)
        self.spent.retried += max(0, attempts - 1)
        return outcome, attempts

    def _count(self, outcome: Outcome) -> None:
        spent, used = self.spent, outcome.usage
        spent.asked += 1
        spent.usage = Usage(
            **{name: getattr(spent.usage, name) + getattr(used, name) for name in Usage.model_fields}
        )
        if (cost := self._cost(outcome)) is not None and spent.cost is not None:
            spent.cost += cost

    def _cost(self, outcome: Outcome) -> float | None:
        return None if self.provider.price is None else self.provider.price.of(outcome.usage)


def _over_budget(budget: float) -> Outcome:
    return Outcome(status="error", detail=f"not asked: it could exceed the budget of {budget:g} USD")


class _AsTheServerWishes(wait_base):
    """The server's own delay where it states one, else exponential with jitter."""

    _own = wait_random_exponential(multiplier=0.5, max=60)

    def __call__(self, retry_state: RetryCallState) -> float:
        outcome = retry_state.outcome.result() if retry_state.outcome else None
        # The gate waits for the stated delay, together with everybody else.
        return 0.0 if outcome is not None and outcome.retry_after is not None else self._own(retry_state)


class _Gate:
    """Where requests wait for their turn."""

    def __init__(self, limits: Limits) -> None:
        requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
        # A bucket of one second's worth: no burst at the start of a minute.
        self._requests = (
            None
            if requests is None
            else AsyncLimiter(max(1.0, requests / 60), max(1.0, requests / 60) * 60 / requests)
        )
        self._tokens = None if tokens is None else AsyncLimiter(tokens, 60)
        self._most_tokens = tokens
        self._closed_until = 0.0

    async def pass_through(self, expected: Usage) -> None:
        """Wait until a request of the expected size may be sent."""
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is not None and self._most_tokens is not None:
            await self._tokens.acquire(min(expected.prompt + expected.output, self._most_tokens))
        loop = asyncio.get_running_loop()
        while (wait := self._closed_until - loop.time()) > 0:
            await asyncio.sleep(wait)

    def heed(self, outcome: Outcome) -> None:
        """Hold everybody for as long as a server asked to be left alone."""
        if outcome.retry_after is not None and outcome.retryable:
            until = asyncio.get_running_loop().time() + outcome.retry_after
            self._closed_until = max(self._closed_until, until)


async def in_flight(
    jobs: Iterable[Job], work: Callable[[Job], Awaitable[Done]], width: int
) -> AsyncIterator[Done]:
    """Yield what `work` makes of each job, `width` at a time, as they come.

    A job is taken when there is room for it.
    """
    running: set[asyncio.Task[Done]] = set()
    waiting = iter(jobs)
    try:
        while True:
            for job in itertools.islice(waiting, width - len(running)):
                running.add(asyncio.ensure_future(work(job)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
