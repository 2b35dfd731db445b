"""Many jobs in the air at once, a bounded number of them, and a way to bring them all down safely."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["in_flight", "interruptible"]

Job = TypeVar("Job")
Done = TypeVar("Done")


async def in_flight(
    jobs: Iterable[Job],
    work: Callable[[Job], Awaitable[Done]],
    width: int,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[Done]:
    """Yield what `work` makes of each job, `width` at a time, as they come.

    A job is taken when there is room for it. Once `stop` is set no further one is, and those in the air land:
    what was sent is paid for. An error of one sets `stop`, and is raised when the others have landed.
    """
    running: set[asyncio.Task[Done]] = set()
    landed: asyncio.Queue[asyncio.Task[Done]] = asyncio.Queue()
    waiting = iter(jobs)
    try:
        while True:
            while len(running) < width and not (stop is not None and stop.is_set()):
                try:
                    job = next(waiting)
                except StopIteration:
                    break
                task = asyncio.ensure_future(work(job))
                running.add(task)
                task.add_done_callback(landed.put_nowait)
                # One start a turn of the loop: tasks that started together would go on in step, send at the
                # same moment after all of them had been prepared, and leave the server idle in between.
                await asyncio.sleep(0)
            if not running:
                return
            task = await landed.get()
            running.discard(task)
            if not task.cancelled() and task.exception() is not None and running:
                if stop is not None:
                    stop.set()
                await asyncio.wait(running)
            yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@contextlib.contextmanager
def interruptible(stop: asyncio.Event, tell: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C set `stop` and `tell` so, and the second cancel the current task.

    Yields a function that says whether it was pressed. Outside the main thread, where signals cannot be
    caught, nothing changes.
    """
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    pressed = False

    def press() -> None:
        nonlocal pressed
        if pressed and main is not None:
            main.cancel()
            return
        pressed = True
        stop.set()
        tell()

    try:
        loop.add_signal_handler(signal.SIGINT, press)
    except (ValueError, RuntimeError, NotImplementedError):
        yield lambda: pressed
        return
    try:
        yield lambda: pressed
    finally:
        loop.remove_signal_handler(signal.SIGINT)
