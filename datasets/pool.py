"""Engines: how shards are handed out. Each yields a result per shard, in any order.

The process engine survives the death of a worker: the pool is built anew, the shards that were in hand are
tried picture by picture in a pool of one, and the picture that kills it is quarantined. A worker on which a
picture takes longer than the limit ends itself, so a picture that hangs is met in the same way.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_sentinel
from types import FrameType
from typing import TypeVar

from facedata.datasets.errors import FacedataError, UsageError
from facedata.datasets.shard import ShardSpec, do_shard
from facedata.datasets.suspects import NOBODY_TO_BLAME, without_killers

__all__ = [
    "ENGINES",
    "WINDOW",
    "Hands",
    "done_first",
    "interrupts",
    "run_shards",
    "try_a_worker",
    "warm",
    "worker_pool",
]

ENGINES = ("serial", "process", "ray")
_SILENCE = 5.0  # s without a result, after which it is looked whether all workers are alive
_R = TypeVar("_R")
WINDOW = 2  # shards in hand per worker: enough that none waits, few enough that memory stays flat


@dataclass(frozen=True, slots=True)
class Hands:
    """Who makes the shards: an engine of ENGINES, and how it is to work.

    `limit` is how many seconds one picture, with all that is made of it, may take in a worker; 0 is no limit.
    The serial engine has none: it would have to end itself. `preload` are modules that a worker imports
    first. Of a Ray cluster, `workers` of 0 are all processors.
    """

    engine: str
    workers: int
    preload: tuple[str, ...] = ()
    limit: float = 0.0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError(f"engine {self.engine!r} is not one of {', '.join(ENGINES)}")
        if self.workers < (0 if self.engine == "ray" else 1):
            raise UsageError(f"workers {self.workers} is not a positive number")
        if not 0 <= self.limit < math.inf:
            raise UsageError(f"timeout {self.limit} is not a number of seconds, 0 or more")


def run_shards(specs: Iterable[ShardSpec], hands: Hands) -> Iterator[str]:
    """Yield the path of each finished part."""
    if hands.engine == "serial":
        return map(do_shard, specs)
    specs = (dataclasses.replace(spec, limit=hands.limit) for spec in specs)
    if hands.engine == "ray":
        from facedata.datasets.cluster import run_on_ray

        return run_on_ray(specs, hands)
    return _ProcessEngine(hands.workers, hands.preload).run(specs)


class _ProcessEngine:
    def __init__(self, workers: int, preload: tuple[str, ...]) -> None:
        self.workers = workers
        self.preload = preload

    def run(self, specs: Iterable[ShardSpec]) -> Iterator[str]:
        with interrupts() as stopped:
            yield from self._run(specs, stopped)

    def _run(self, specs: Iterable[ShardSpec], stopped: Callable[[], bool]) -> Iterator[str]:
        try_a_worker(self.preload)
        waiting = iter(specs)
        while True:
            in_hand: dict[Future[str], ShardSpec] = {}
            pool = self._pool(self.workers)
            try:
                yield from self._drain(pool, waiting, in_hand, stopped)
                pool.shutdown()
                return
            except BrokenProcessPool:
                pool.shutdown(wait=True, cancel_futures=True)
            except BaseException:
                # Ctrl-C or a full disk: shards already begun are finished and kept, the rest is dropped.
                _end(pool)
                raise
            finished = [
                future
                for future in in_hand
                if future.done() and not future.cancelled() and future.exception() is None
            ]
            yield from (future.result() for future in finished)
            for future, spec in in_hand.items():
                if future not in finished:
                    yield from self._retry(spec)

    def _drain(
        self,
        pool: ProcessPoolExecutor,
        waiting: Iterator[ShardSpec],
        in_hand: dict[Future[str], ShardSpec],
        stopped: Callable[[], bool],
    ) -> Iterator[str]:
        """Keep a bounded window of shards in the pool until there are none left."""
        while True:
            if stopped():
                raise KeyboardInterrupt
            while len(in_hand) < WINDOW * self.workers and (spec := next(waiting, None)) is not None:
                try:
                    in_hand[pool.submit(do_shard, spec)] = spec
                except BrokenProcessPool:
                    in_hand[Future()] = spec  # never done: the caller retries it with the others
                    raise
            if not in_hand:
                return
            for future in done_first(pool, in_hand):
                result = future.result()  # raises before the shard is dropped, so that it can be retried
                del in_hand[future]
                yield result

    def _retry(self, spec: ShardSpec) -> Iterator[str]:
        """Find the pictures of a shard that kill a worker, then make the shard without them."""
        pool = self._pool(1)

        def make(probe: ShardSpec) -> str:
            nonlocal pool
            try:
                return pool.submit(do_shard, probe).result()
            except BrokenProcessPool:
                pool.shutdown()
                pool = self._pool(1)
                raise

        try:
            yield make(without_killers(spec, make, BrokenProcessPool))
        except BrokenProcessPool:
            raise FacedataError(NOBODY_TO_BLAME) from None
        finally:
            pool.shutdown(cancel_futures=True)

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        return worker_pool(workers, self.preload)


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Give whether Ctrl-C was met in the body.

    Python raises KeyboardInterrupt wherever the main thread happens to be. In the callback of a weak
    reference or in `__del__`, both of which executors have, it is reported and dropped, and the run would go
    on; so it is noted too.
    """
    met = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield met.is_set  # somebody else handles it
        return

    def note(number: int, frame: FrameType | None) -> None:
        met.set()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield met.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def worker_pool(workers: int, preload: tuple[str, ...]) -> ProcessPoolExecutor:
    """Return a pool of processes that have imported `preload`, leave Ctrl-C to this one and die with it."""
    # fork after another library has started threads hangs; forkserver forks from a clean, warm process.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *preload])
    return ProcessPoolExecutor(
        workers, context, initializer=_start_worker, initargs=(preload, dict(os.environ))
    )


def done_first(pool: ProcessPoolExecutor, futures: Iterable[Future[_R]]) -> set[Future[_R]]:
    """Wait until some of `futures` are done, or were lost with a worker, and return them.

    The executor's thread watches the workers that it knew when something last woke it. One that was started
    just then, and dies while the others have nothing to tell, would be waited for for ever; a job of no
    consequence has the thread look again. Raises BrokenProcessPool where it cannot be handed in any more.
    """
    futures = list(futures)
    while True:
        done, _ = wait(futures, _SILENCE, FIRST_COMPLETED)
        if done:
            return done
        pool.submit(os.getpid)


def try_a_worker(preload: tuple[str, ...]) -> None:
    """Tell a machine or a script on which no worker starts from one whose pictures kill workers."""
    for _ in range(2):  # the first may have been killed by somebody
        pool = worker_pool(1, preload)
        try:
            pool.submit(os.getpid).result()
            return
        except BrokenProcessPool:
            continue
        finally:
            _end(pool)
    raise FacedataError(
        "worker processes cannot start; in a script, put the call under if __name__ == '__main__': (workers "
        "import the script), or use the serial engine"
    )


def _end(pool: ProcessPoolExecutor) -> None:
    """Shut a pool down; where Ctrl-C is met meanwhile, kill its workers.

    One that starts while its parent ends would say so in Python's own words.
    """
    workers = list((pool._processes or {}).values())
    try:
        pool.shutdown(wait=True, cancel_futures=True)
    except KeyboardInterrupt:
        for worker in workers:
            worker.kill()
        raise


def warm(preload: Sequence[str]) -> None:
    """Make this process a worker's: one thread, and everything imported that it will need."""
    import cv2

    cv2.setNumThreads(0)  # one worker a core: OpenCV's own threads would only fight over them
    for module in preload:
        importlib.import_module(module)


def _start_worker(preload: tuple[str, ...], environment: dict[str, str]) -> None:
    """Prepare a worker: it leaves Ctrl-C to its parent, and dies with it."""
    os.environ.update(environment)  # forkserver has that of its start, which may lack credentials told since
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm(preload)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int) -> None:
    """End this worker once its parent is gone: after a `kill -9` it would wait for work for ever."""
    wait_for_sentinel([sentinel])
    os._exit(1)
