"""What is needed next, made by threads while what came before is used."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")


def ahead(make: Callable[[int], T], numbers: Sequence[int], workers: int) -> Generator[T, None, None]:
    """Yield `make(number)` of each number, in their order, made ahead by `workers` threads."""
    window = workers + 2  # one being learned from, one ready
    with ThreadPoolExecutor(workers, "facedata-ahead") as pool:
        waiting = [pool.submit(make, number) for number in numbers[:window]]
        try:
            for place in range(len(numbers)):
                made = waiting.pop(0).result()
                if place + window < len(numbers):
                    waiting.append(pool.submit(make, numbers[place + window]))
                yield made
        finally:
            for one in waiting:
                one.cancel()
