"""How much memory a piece of code holds at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pyarrow as pa

_POOLS: list[pa.MemoryPool] = []
"""Kept for ever: a cache may hold buffers of one long after."""


def most_held(work: Callable[[], object]) -> int:
    """Return the most bytes that Python and Arrow held at once during `work`."""
    before = pa.default_memory_pool()
    _POOLS.append(pa.proxy_memory_pool(before))
    pa.set_memory_pool(_POOLS[-1])
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] + (_POOLS[-1].max_memory() or 0)
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)
