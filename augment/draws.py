"""Distributions that parameters are drawn from, as they stand in a policy file.

A draw is written as a one-key mapping, `{uniform: [0.01, 0.3]}`, or as a bare value, which is a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from facedata.datasets.errors import UsageError
from facedata.datasets.words import (
    Words,
    choice_of,
    integer_of,
    log_uniform_of,
    normal_of,
    uniform_of,
)

__all__ = ["Draw", "draw_value", "parse_draw"]

Draw = Any
"""A bare value, or a mapping of one key: `uniform`, `log_uniform`, `integer`, `normal` or `choice`."""

_DRAWS: dict[str, tuple[int | None, Callable[..., Any]]] = {
    "uniform": (2, uniform_of),
    "log_uniform": (2, log_uniform_of),
    "integer": (2, integer_of),
    "normal": (2, normal_of),
    "choice": (None, choice_of),
}


def parse_draw(draw: Draw, where: str) -> Draw:
    """Return `draw` when it is well formed, else raise UsageError naming `where`."""
    if not isinstance(draw, dict):
        return draw
    if len(draw) != 1 or next(iter(draw)) not in _DRAWS:
        raise UsageError(f"{where}: {draw!r} is not a distribution; use one of {', '.join(sorted(_DRAWS))}")
    (name, arguments), (count, _) = next(iter(draw.items())), _DRAWS[next(iter(draw))]
    numeric = count is not None
    if not isinstance(arguments, list | tuple) or not arguments or (numeric and len(arguments) != count):
        expected = f"[{'mean, deviation' if name == 'normal' else 'low, high'}]" if numeric else "a list"
        raise UsageError(f"{where}: {name} takes {expected}, not {arguments!r}")
    if numeric:
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in arguments):
            raise UsageError(f"{where}: {name} takes numbers, not {arguments!r}")
        if name == "integer" and not all(isinstance(value, int) for value in arguments):
            raise UsageError(f"{where}: integer takes whole numbers, not {arguments!r}")
        low, high = arguments
        if name == "log_uniform" and low <= 0:
            raise UsageError(f"{where}: log_uniform needs low > 0, not {low}")
        if name == "normal" and high < 0:
            raise UsageError(f"{where}: normal needs deviation >= 0, not {high}")
        if name != "normal" and low > high:
            raise UsageError(f"{where}: {name} has low {low} above high {high}")
    return draw


def draw_value(draw: Draw, words: Words, name: str) -> Any:
    """Return a value of a well-formed `draw`, taken from the substream `name` of `words`.

    A constant takes nothing, and a chain of instruments has many.
    """
    if not isinstance(draw, dict):
        return draw
    kind, arguments = next(iter(draw.items()))
    return _DRAWS[kind][1](words.first(name), *arguments)
