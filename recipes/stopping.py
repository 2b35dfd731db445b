"""Ctrl-C that waits for the end of a step, so that what is saved is a whole state."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["deferred_interrupt"]


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Give whether Ctrl-C was met in the body; a second one raises KeyboardInterrupt at once."""
    met = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield met.is_set  # somebody else handles it
        return

    def note(number: int, frame: FrameType | None) -> None:
        if met.is_set():
            signal.default_int_handler(number, frame)
        met.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield met.is_set
    finally:
        signal.signal(signal.SIGINT, before)
