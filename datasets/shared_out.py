"""Work cut into pieces, done by worker processes, and given back in order.

A worker may die on a piece: a library crashes on a picture, or memory is out. The pieces in hand are then cut
smaller and tried alone, until the one that kills a worker is found; the others go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from facedata.datasets.pool import done_first, try_a_worker, worker_pool

__all__ = ["Sharing", "shared_out"]

_WINDOW = 3  # pieces in hand per worker
P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Sharing(Generic[P, R]):
    """How a kind of work is shared out.

    `do` makes the result of a piece and is pickled, `apart` cuts a piece into the smallest there are, `died`
    is the result of one that a worker dies on, and `preload` are modules that a worker imports first.
    """

    do: Callable[[P], R]
    apart: Callable[[P], Sequence[P]]
    died: Callable[[P], R]
    preload: tuple[str, ...]


def shared_out(how: Sharing[P, R], pieces: Iterable[P], workers: int) -> Iterator[tuple[P, R]]:
    """Yield each piece with its result, in the order of the pieces; one worker is this process itself."""
    if workers == 1:
        for piece in pieces:
            yield piece, how.do(piece)
        return
    try_a_worker(how.preload)
    waiting = iter(pieces)
    while True:
        in_hand: deque[tuple[P, Future[R]]] = deque()
        pool = worker_pool(workers, how.preload)
        try:
            while True:
                for piece in islice(waiting, _WINDOW * workers - len(in_hand)):
                    in_hand.append((piece, _submitted(pool, how.do, piece)))
                if not in_hand:
                    return
                done_first(pool, [in_hand[0][1]])
                result = in_hand[0][1].result()  # raises before the piece is dropped, so that it is retried
                yield in_hand.popleft()[0], result
        except BrokenProcessPool:
            pass
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        for piece, future in in_hand:
            if future.done() and not future.cancelled() and future.exception() is None:
                yield piece, future.result()
            else:
                yield from _one_by_one(how, how.apart(piece))


def _submitted(pool: ProcessPoolExecutor, do: Callable[[P], R], piece: P) -> Future[R]:
    try:
        return pool.submit(do, piece)
    except BrokenProcessPool as error:
        broken: Future[R] = Future()
        broken.set_exception(error)  # met again where results are waited for
        return broken


def _one_by_one(how: Sharing[P, R], pieces: Sequence[P]) -> Iterator[tuple[P, R]]:
    pool = worker_pool(1, how.preload)
    try:
        for piece in pieces:
            try:
                yield piece, pool.submit(how.do, piece).result()
            except BrokenProcessPool:
                yield piece, how.died(piece)
                pool.shutdown()
                pool = worker_pool(1, how.preload)
    finally:
        pool.shutdown(cancel_futures=True)
