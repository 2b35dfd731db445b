"""Asking: within a rate and a budget, each answer written down before it is read.

The journal answers what was asked before; a server's wish to wait holds every request; what may be worth
another try is tried again, a little later each time. When the run is to stop, no new request leaves and those
under way are waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from aiolimiter import AsyncLimiter
from tenacity import AsyncRetrying, RetryCallState, retry_if_result
from tenacity.wait import wait_base, wait_random_exponential

from facedata.annotate.providers.base import Outcome, Provider, Request
from facedata.annotate.store import Store
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Usage

__all__ = ["Answered", "Asker", "Limits", "Spent", "sum_usage"]

_PATIENT = 4
"""How many times as often as an error a "too many requests" is tried again: it comes right by waiting."""
_GIVE_UP = 16  # requests in a row that a server failed to answer, at least: then it is down
_LONGEST_WAIT = 900.0
"""Seconds that a server may ask to be left alone for; a longer wish ends the run, to be gone on with then."""
_STOPPED = Outcome(status="error", detail="not asked: the run was stopped")


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast and how much: None is no limit. `budget` is in US dollars, rates are per minute."""

    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    budget: float | None = None
    attempts: int = 5
    patience: float | None = 120.0
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
    """An outcome and how it was come by."""

    key: str
    outcome: Outcome
    attempts: int
    from_journal: bool

    @property
    def cost(self) -> float | None:
        """US dollars that this answer cost when it was paid for."""
        return self.outcome.cost


class Asker:
    """Asks one provider; one object serves a run.

    `held`, where given, is handed every request that the journal cannot answer, and nothing is sent: that is
    how a batch is gathered. `stop` is set when the run is to end, by this object or by others; `ended` says
    why, where it was a server's answer.
    """

    def __init__(
        self,
        provider: Provider,
        store: Store,
        limits: Limits,
        held: Callable[[str, Request], None] | None = None,
    ) -> None:
        if limits.budget is not None and provider.price is None:
            raise UsageError(
                f"the price of {provider.model!r} is not known, so a budget cannot be kept; "
                "say it with --price IN,OUT (US dollars for a million tokens), or leave --budget out"
            )
        self.provider = provider
        self.store = store
        self.limits = limits
        self.spent = Spent(cost=None if provider.price is None else 0.0)
        self.stop = asyncio.Event()
        self.ended = ""
        self._held = held
        self._gate = _Gate(limits, self.stop)
        self._purse = _Purse(limits.budget, self.spent)
        self._asking: dict[str, asyncio.Future[Answered]] = {}
        self._failed_in_a_row = 0
        self._answered = False

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
        except Exception as error:
            future.set_exception(error)
            future.exception()  # seen: nobody else may be waiting for it
            raise
        finally:
            future.cancel()  # of no effect where it is settled
            del self._asking[key]

    async def _ask(self, key: str, request: Request) -> Answered:
        if (known := self.store.get(key)) is not None:
            self.spent.from_journal += 1
            return Answered(key, known, 1, from_journal=True)
        if self._held is not None:
            self._held(key, request)
            return Answered(
                key,
                Outcome(status="error", detail="no answer from the batch"),
                0,
                from_journal=False,
            )
        if self.stop.is_set():
            return Answered(key, _STOPPED, 0, from_journal=False)
        expected = self.provider.estimate(request)
        worst = self.provider.price.of(expected) if self.provider.price else 0.0
        if not await self._purse.reserve(worst):
            return Answered(key, self._purse.refusal, 0, from_journal=False)
        try:
            outcome, attempts = await self._try(key, request, expected)
        finally:
            await self._purse.release(worst)
        self._watch(outcome)
        return Answered(key, outcome, attempts, from_journal=False)

    async def _try(self, key: str, request: Request, expected: Usage) -> tuple[Outcome, int]:
        attempts, last = 0, _STOPPED

        async def once() -> Outcome:
            nonlocal attempts, last
            await self._gate.pass_through(expected)
            if self.stop.is_set():
                return replace(last, retryable=False)
            attempts += 1
            last = await self._send(key, request)
            return last

        outcome = await once()
        if not outcome.retryable:  # as nearly always: nothing to set up
            return outcome, attempts
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda outcome: outcome.retryable),
            stop=self._enough,
            wait=_AsTheServerWishes(),
            sleep=self._gate.rest,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        first = [outcome]

        async def again() -> Outcome:
            return first.pop() if first else await once()

        outcome = await retrying(again)
        self.spent.retried += max(0, attempts - 1)
        return outcome, attempts

    async def _send(self, key: str, request: Request) -> Outcome:
        patience = self.limits.patience
        try:
            async with asyncio.timeout(patience):
                outcome = await self.provider.answer(request)
        except TimeoutError:
            outcome = Outcome(status="error", detail=f"no answer within {patience:g} s", retryable=True)
        outcome = replace(outcome, cost=self._cost(outcome))
        if outcome.retryable and (outcome.retry_after or 0.0) > _LONGEST_WAIT:
            wish = (
                f"{outcome.detail}; the server asks to wait for {outcome.retry_after:.0f} s, run again then"
            )
            outcome = replace(outcome, detail=wish, retryable=False, fatal=True)
        if self.store.path is not None:
            self.store.put(key, request.question(), outcome)
        self.count(outcome)
        self._gate.heed(outcome)
        return outcome

    def _enough(self, state: RetryCallState) -> bool:
        outcome = state.outcome.result() if state.outcome else _STOPPED
        patient = _PATIENT if outcome.status == "rate-limited" else 1
        return self.stop.is_set() or state.attempt_number >= self.limits.attempts * patient

    def _watch(self, outcome: Outcome) -> None:
        """End the run where asking on is of no use."""
        # A request may be at fault itself, but not the first sixteen of a run, each for itself.
        refused = outcome.status == "error" and not self._answered and self.store.path is not None
        self._answered = self._answered or outcome.status not in ("error", "rate-limited")
        self._failed_in_a_row = self._failed_in_a_row + 1 if outcome.retryable or refused else 0
        if self.ended:
            return  # the first reason is the reason; the others were under way
        if outcome.fatal:
            self.ended = outcome.detail
        elif self._failed_in_a_row >= max(_GIVE_UP, 2 * self.limits.concurrency):
            self.ended = f"{self._failed_in_a_row} requests in a row got no answer: {outcome.detail}"
        if self.ended:
            self.stop.set()

    def count(self, outcome: Outcome) -> None:
        """Add a fresh outcome to what was spent."""
        spent = self.spent
        spent.asked += 1
        spent.usage = sum_usage(spent.usage, outcome.usage)
        if outcome.cost is not None and spent.cost is not None:
            spent.cost += outcome.cost

    def _cost(self, outcome: Outcome) -> float | None:
        return None if self.provider.price is None else self.provider.price.of(outcome.usage)


def sum_usage(one: Usage, other: Usage) -> Usage:
    """Return the tokens of both."""
    return Usage(
        prompt=one.prompt + other.prompt,
        output=one.output + other.output,
        cached=one.cached + other.cached,
        thoughts=one.thoughts + other.thoughts,
    )


class _AsTheServerWishes(wait_base):
    """The server's own delay where it states one, else exponential with jitter."""

    _own = wait_random_exponential(multiplier=0.5, max=60)

    def __call__(self, retry_state: RetryCallState) -> float:
        outcome = retry_state.outcome.result() if retry_state.outcome else None
        # The gate waits for the stated delay, together with everybody else.
        return 0.0 if outcome is not None and outcome.retry_after is not None else self._own(retry_state)


class _Purse:
    """The budget: what is spent, and what requests under way may come to at worst."""

    def __init__(self, budget: float | None, spent: Spent) -> None:
        self._budget = budget
        self._spent = spent
        self._reserved: list[float] = []
        self._released = asyncio.Condition()

    @property
    def refusal(self) -> Outcome:
        """The outcome of what cannot be paid for."""
        return Outcome(
            status="error", detail=f"not asked: it could exceed the budget of {self._budget:g} USD"
        )

    async def reserve(self, worst: float) -> bool:
        """Set `worst` US dollars aside, waiting for requests under way to come cheaper than feared."""
        if self._budget is None:
            return True
        async with self._released:
            while (self._spent.cost or 0.0) + sum(self._reserved) + worst > self._budget:
                if not self._reserved:
                    return False
                await self._released.wait()
            self._reserved.append(worst)
        return True

    async def release(self, worst: float) -> None:
        """Give back what was set aside: the real cost is among what is spent."""
        if self._budget is None:
            return
        async with self._released:
            self._reserved.remove(worst)
            self._released.notify_all()


class _Gate:
    """Where requests wait for their turn; `stop` lets everybody through at once, to go home."""

    def __init__(self, limits: Limits, stop: asyncio.Event) -> None:
        requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
        # A bucket of one second's worth: no burst at the start of a minute.
        self._requests = None if requests is None else _bucket(requests)
        self._tokens = None if tokens is None else _bucket(tokens)
        self._stop = stop
        self._closed_until = 0.0

    async def pass_through(self, expected: Usage) -> None:
        """Wait until a request of the expected size may be sent."""
        if self._requests is not None:
            await self._unless_stopped(self._requests.acquire())
        if self._tokens is not None:
            size = float(expected.prompt + expected.output)
            while size > 0 and not self._stop.is_set():  # the bucket holds a second's worth
                part = min(size, self._tokens.max_rate)
                await self._unless_stopped(self._tokens.acquire(part))
                size -= part
        loop = asyncio.get_running_loop()
        while (wait := self._closed_until - loop.time()) > 0 and not self._stop.is_set():
            await self.rest(wait)

    async def _unless_stopped(self, turn: Coroutine[Any, Any, None]) -> None:
        waiting = {asyncio.ensure_future(turn), asyncio.ensure_future(self._stop.wait())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def rest(self, seconds: float) -> None:
        """Sleep, but not past the end of the run."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    def heed(self, outcome: Outcome) -> None:
        """Hold everybody for as long as a server asked to be left alone."""
        if outcome.retry_after is not None and outcome.retryable:
            until = asyncio.get_running_loop().time() + outcome.retry_after
            self._closed_until = max(self._closed_until, until)


def _bucket(per_minute: float) -> AsyncLimiter:
    size = max(1.0, per_minute / 60)
    return AsyncLimiter(size, size * 60 / per_minute)
