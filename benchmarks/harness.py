"""Timing that noise cannot fool: interleaved rounds, CPU time, ratios to a floor of the same run.

Absolute times drift from machine to machine and from minute to minute; the ratio of two things timed in turn,
round by round, does not. A row whose interquartile range is over a tenth of its median is marked as noisy.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Row", "interleave", "table"]

_NOISY = 0.10


@dataclass(frozen=True)
class Row:
    """One subject: median CPU milliseconds a call, the median ratio to the floor, and its quartiles."""

    name: str
    ms: float
    ratio: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Interquartile range of the ratio, as a share of the ratio."""
        return (self.high - self.low) / self.ratio


def interleave(
    subjects: Mapping[str, Callable[[], object]],
    floor: str,
    *,
    rounds: int = 15,
    least: float = 0.010,
    clock: Callable[[], float] = time.process_time,
) -> list[Row]:
    """Time each subject once a round, `least` seconds or more each time, and set it against the floor."""
    repeats = {name: _repeats(call, least, clock) for name, call in subjects.items()}
    times: dict[str, list[float]] = {name: [] for name in subjects}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in subjects.items():
                count = repeats[name]
                began = clock()
                for _ in range(count):
                    call()
                times[name].append((clock() - began) / count)
    finally:
        gc.enable()
    return [_row(name, times[name], times[floor]) for name in subjects]


def _repeats(call: Callable[[], object], least: float, clock: Callable[[], float]) -> int:
    call()  # compiled, cached, warm
    count = 1
    while True:
        began = clock()
        for _ in range(count):
            call()
        if (taken := clock() - began) >= least:
            return count
        count = max(count + 1, int(count * 1.2 * least / max(taken, 1e-4)))


def _row(name: str, times: list[float], floor: list[float]) -> Row:
    ratios = [time_ / unit for time_, unit in zip(times, floor, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Row(name, 1000 * statistics.median(times), middle, low, high)


def table(rows: list[Row], title: str) -> str:
    """Return the rows as a Markdown table."""
    lines = [f"| {title} | ms | x floor | quartiles | |", "|---|---:|---:|---:|---|"]
    for row in rows:
        mark = "noisy" if row.spread > _NOISY else ""
        lines.append(
            f"| {row.name} | {row.ms:.3f} | {row.ratio:.2f} | {row.low:.2f} - {row.high:.2f} | {mark} |"
        )
    return "\n".join(lines)
